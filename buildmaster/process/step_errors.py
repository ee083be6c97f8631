"""What a step raises to end early."""

from __future__ import annotations


class BuildStepFailed(Exception):
    """The step has failed, and has said why; it ends with FAILURE and no traceback."""


class BuildStepCancelled(Exception):
    """The step was stopped; it ends with CANCELLED."""


class CallableAttributeError(Exception):
    """An AttributeError raised inside a callable given to a step, told apart from a missing attribute of the step."""
