"""Documented address of the kit's reactor; it lives in :mod:`buildmaster.testing.reactor`."""

from buildmaster.testing.reactor import NonThreadPool, TestReactor, TestReactorMixin

__all__ = ["NonThreadPool", "TestReactor", "TestReactorMixin"]
