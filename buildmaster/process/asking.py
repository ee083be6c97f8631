"""Asking user code that may take its time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.internet.interfaces import IReactorTime

from buildmaster.base.aio import as_deferred, with_deadline

ANSWER_SECONDS = 60.0
"""How long a user's callback that returns a Deferred or coroutine may take to answer."""


async def ask(
    clock: IReactorTime, what: str, function: Callable[..., Any], *args: Any, seconds: float | None = None
) -> Any:
    """The answer of a user's callback.

    Raises what it raises, or :class:`~buildmaster.base.aio.DeadlineExceeded` naming ``what`` if an answer that is
    still to come does not come within ``seconds``.
    """
    answer = function(*args)
    if not isinstance(answer, defer.Deferred) and not inspect.isawaitable(answer):
        return answer
    coming = as_deferred(answer)
    if coming.called and not coming.paused:
        return await coming
    return await with_deadline(coming, ANSWER_SECONDS if seconds is None else seconds, clock, what)


def describe(function: Any) -> str:
    """A callback's name, file and line, for messages."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    name = getattr(function, "__qualname__", None) or repr(function)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name
