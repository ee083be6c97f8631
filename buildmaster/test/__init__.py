"""The kit for testing plugins, at its documented addresses; it lives in :mod:`buildmaster.testing`."""

__all__ = []  # type: list[str]
