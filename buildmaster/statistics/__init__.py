"""Statistics: values of finished builds, and of steps, go to a database of time series, see :mod:`.stats_service`."""
