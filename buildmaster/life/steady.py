"""Timers that outlive a clock which is set back.

Twisted's timers are due at a time of day.  Set the clock back an hour, and everything that was to happen in a minute
happens in an hour and a minute: stable timers, keepalives, polls.  Here every timer is moved by as much as the clock
was.  Stored times show what the clock shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

log = Logger()

TOLERATED = 1.0
"""Seconds by which a clock may be slewed back without anything being moved."""


def keep_steady(reactor: Any, elapsed: Callable[[], float] = time.monotonic) -> None:
    """Have the reactor's timers follow its clock when that is set back; ``elapsed`` only ever grows."""
    wall = reactor.seconds
    ahead = wall() - elapsed()  # the furthest that the clock was seen ahead of the time that passes

    def seconds() -> float:
        nonlocal ahead
        now = wall()
        behind = elapsed() + ahead - now
        if behind <= 0:
            ahead -= behind
        elif behind > TOLERATED:
            ahead -= behind
            for call in reactor.getDelayedCalls():
                call.delay(-behind)
            log.warn("the clock was set back by {s:g} s; all timers were moved with it", s=round(behind, 1))
        return now

    reactor.seconds = seconds
