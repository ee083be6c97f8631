"""Where statistics are kept, see :mod:`.base`."""
