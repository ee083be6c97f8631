"""Documented address: the newest revision of each codebase."""

from buildmaster.schedulers.absolute import AbsoluteSourceStampsMixin

__all__ = [
    "AbsoluteSourceStampsMixin",
]
