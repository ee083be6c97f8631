"""Asking user code that may take its time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from twisted.internet import defer

from buildmaster.base.aio import as_deferred, with_deadline
from buildmaster.base.deadlines import deadlines_of


async def ask(master: Any, what: str, function: Callable[..., Any], *args: Any, seconds: float | None = None) -> Any:
    """The answer of a user's callback.

    ``seconds`` is how long an answer may take that is still to come, by default ``c['deadlines']['callback']``.

    Raises what it raises, or :class:`~buildmaster.base.aio.DeadlineExceeded` naming ``what`` if an answer that is
    still to come does not come within ``seconds``.
    """
    answer = function(*args)
    if not isinstance(answer, defer.Deferred) and not inspect.isawaitable(answer):
        return answer
    coming = as_deferred(answer)
    if coming.called and not coming.paused:
        return await coming
    return await with_deadline(coming, seconds or deadlines_of(master).callback, master.reactor, what)


def describe(function: Any) -> str:
    """A callback's name, file and line, for messages."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    name = getattr(function, "__qualname__", None) or repr(function)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name
