"""What it means that a report could not be delivered: whether it is tried again, and for how long."""

from __future__ import annotations

from typing import Any

from twisted.internet import error as net

from buildmaster.base.aio import DeadlineExceeded
from buildmaster.db.dialects import Trouble, classify

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between the first two attempts, and between two attempts at most; the pause doubles each time."""

MOST_ANSWERS = 8
"""How often a receiver may answer "not now" to the same report before that report is given up."""

NOTICE_AGE = 24 * 3600.0
"""Seconds after an event from which nobody is told of it any more."""

UNREACHABLE = (
    net.ConnectError,
    net.ConnectionLost,
    net.ConnectionDone,
    net.DNSLookupError,
    net.TimeoutError,
    ConnectionError,
)
"""The receiver is away: the report is tried again until it is too old."""


class TryLater(Exception):
    """Raised by :meth:`.base.ReporterBase.sendMessage`: the receiver is there but can't take the report now.

    It is tried again :data:`MOST_ANSWERS` times; ``unreachable`` says that the receiver is not there at all, and that
    the report is to be tried until it is too old.
    """

    def __init__(self, why: str, unreachable: bool = False) -> None:
        self.unreachable = unreachable
        super().__init__(why)


def is_unreachable(error: BaseException) -> bool:
    """Whether this says that the receiver, or the database of which a report is made, is away."""
    if isinstance(error, TryLater):
        return error.unreachable
    # not above: masters without an HTTP client need not have one in memory
    from twisted.web.client import ResponseFailed, ResponseNeverReceived

    away = (*UNREACHABLE, ResponseFailed, ResponseNeverReceived)
    return isinstance(error, away) or classify(error) is not Trouble.FATAL


def may_be_repeated(error: BaseException, answers: int) -> bool:
    """Whether a report that failed so is tried again, ``answers`` being how often the receiver has refused it."""
    if is_unreachable(error):
        return True
    return isinstance(error, (TryLater, DeadlineExceeded)) and answers < MOST_ANSWERS


def pause_after(attempts: int) -> float:
    """Seconds to wait after so many attempts."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 16))


def words(error: Any) -> str:
    """An error in one line: those of Twisted's client hide the reasons in a list."""
    reasons = getattr(error, "reasons", None)
    if reasons:
        return "; ".join(words(reason.value) for reason in reasons)
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
