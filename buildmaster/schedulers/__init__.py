"""Schedulers: what decides, on changes, clocks and requests, which builds are wanted."""
