"""How long the master waits for others before it goes on without them: the defaults of ``c['deadlines']``.

All in seconds.  Only what a stranger's code or a worker may hold up is here; a step's own ``timeout`` and the like
belong to the step.
"""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class Deadlines:
    """One configuration's deadlines."""

    callback: float = 60.0
    """For the answer of a user's callback that returns a Deferred or coroutine (``canStartBuild``, ``nextBuild`` …)."""

    attach: float = 120.0
    """For each answer of a worker that attaches."""

    ping: float = 10.0
    """For a worker's answer when a build is about to start on it, or when its builders have changed."""

    command_start: float = 120.0
    """For a worker to take a build or a command; then it is disconnected."""

    command: float = 1200.0
    """How long a command without time limits of its own, shell commands excepted, may be silent."""

    command_overrun: float = 120.0
    """How much longer than its own limits allow a command may be silent."""

    interrupt: float = 10.0
    """For an interrupted command to end, beyond its ``sigtermTime``."""

    step_stop: float = 15.0
    """For a step to end after it was told to stop, beyond its command's ``sigtermTime``."""


DEFAULTS = Deadlines()


def deadlines_of(master: Any) -> Deadlines:
    """Those of a master's configuration; the defaults where there is none (a step in a stranger's test)."""
    found = getattr(getattr(master, "config", None), "deadlines", None)
    return found if isinstance(found, Deadlines) else DEFAULTS
