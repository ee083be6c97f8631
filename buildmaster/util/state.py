"""Documented address: values that a service keeps over restarts."""

from buildmaster.service.state import StateMixin

__all__ = ["StateMixin"]
