"""Where coroutines meet Deferreds.

Inner code is written with ``async def``; the documented interface promises Deferreds, and user callbacks may answer
with a plain value, a Deferred or a coroutine.  These few functions are the only bridge.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from twisted.internet import defer
from twisted.python.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")


def deferred(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, defer.Deferred[T]]:
    """Make an ``async def`` return a :class:`~twisted.internet.defer.Deferred`, as the documented methods do."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> defer.Deferred[T]:
        return defer.Deferred.fromCoroutine(function(*args, **kwargs))

    return call


def as_deferred(value: Any) -> defer.Deferred[Any]:
    """A Deferred for a value, a Deferred, a coroutine or a Failure."""
    if isinstance(value, defer.Deferred):
        return value
    if inspect.iscoroutine(value) or (inspect.isgenerator(value) and _is_coroutine_generator(value)):
        coroutine: Any = value
        return defer.Deferred.fromCoroutine(coroutine)
    if isinstance(value, Failure):
        return defer.fail(value)
    if inspect.isawaitable(value):
        return defer.Deferred.fromCoroutine(_await(value))
    return defer.succeed(value)


async def _await(value: Awaitable[T]) -> T:
    return await value


def _is_coroutine_generator(value: Any) -> bool:
    return bool(value.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)


async def maybe(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call user code and wait for its answer, whichever of the three kinds it is.

    Raises what the call or its Deferred raises.
    """
    result = function(*args, **kwargs)
    if isinstance(result, defer.Deferred):
        return await result
    if inspect.isawaitable(result):
        return await as_deferred(result)
    return result


class DeadlineExceeded(Exception):
    """An awaited answer did not come within its deadline."""


def with_deadline(value: Any, seconds: float, clock: Any, what: str) -> defer.Deferred[Any]:
    """The answer of ``value``, or :class:`DeadlineExceeded` after ``seconds``.

    ``value`` is a Deferred or coroutine; it is cancelled at the deadline, and a late answer is dropped.
    ``what`` names it in the error.
    """
    inner = as_deferred(value)
    outer: defer.Deferred[Any] = defer.Deferred(lambda _: inner.cancel())

    def late() -> None:
        inner.addErrback(lambda _: None)
        if not outer.called:
            outer.errback(DeadlineExceeded(f"{what} gave no answer within {seconds:g} s"))
        inner.cancel()

    timer = clock.callLater(seconds, late)

    def done(result: Any) -> None:
        if timer.active():
            timer.cancel()
        if outer.called:
            return
        if isinstance(result, Failure):
            outer.errback(result)
        else:
            outer.callback(result)

    inner.addBoth(done)
    return outer


def sleep(clock: Any, seconds: float) -> defer.Deferred[None]:
    """A Deferred that fires after ``seconds`` of this clock; cancelling it cancels the timer."""

    def stop(_: Any) -> None:
        if timer.active():
            timer.cancel()

    result: defer.Deferred[None] = defer.Deferred(stop)
    timer = clock.callLater(seconds, result.callback, None)
    return result
