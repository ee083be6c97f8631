"""Replacing renderables by values.

:func:`rendering_of` answers at once whenever it can, and with a Deferred only when some part of the value needs one;
most steps are rendered without a single trip through the reactor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.python import components
from twisted.python.failure import Failure
from zope.interface import implementer

from buildmaster.base.aio import as_deferred
from buildmaster.base.interfaces import IRenderable

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def is_plain(value: Any) -> bool:
    """Whether a value has no part that could be renderable."""
    if type(value) in _PLAIN:
        return True
    if type(value) in (list, tuple):
        return all(is_plain(item) for item in value)
    if type(value) is dict:
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    return False


def settled(result: Any) -> Any:
    """The value of a coroutine or Deferred that has one already; else the Deferred; other values as they are.

    Raises what an already failed Deferred holds.
    """
    if type(result) in _PLAIN:
        return result
    if not isinstance(result, defer.Deferred):
        if not hasattr(result, "__await__"):
            return result
        result = as_deferred(result)
    if result.called and not result.paused:
        value = result.result
        if isinstance(value, Failure):
            result.addErrback(lambda _: None)
            value.raiseException()
        if not isinstance(value, defer.Deferred):
            return value
    return result


def then(result: Any, function: Callable[[Any], Any]) -> Any:
    """``function`` of a result that may still be a Deferred."""
    if isinstance(result, defer.Deferred):
        return result.addCallback(function)
    return function(result)


def all_of(results: list[Any]) -> Any:
    """The list itself, or a Deferred of it if any part is one; the first failure is passed on as it is."""
    if not any(isinstance(result, defer.Deferred) for result in results):
        return results
    gathered = defer.gatherResults([as_deferred(result) for result in results], consumeErrors=True)
    return gathered.addErrback(_first_failure)


def _first_failure(failure: Failure) -> Failure:
    failure.trap(defer.FirstError)
    return failure.value.subFailure  # type: ignore[union-attr]


def rendering_of(value: Any, props: Any) -> Any:
    """``value`` with all its renderable parts rendered, or a Deferred of that.

    Lists, tuples and dictionaries (keys too) are rendered part by part; what is not renderable is its own rendering.
    ``props`` provides :class:`~buildmaster.base.interfaces.IProperties`.
    """
    kind = type(value)
    if kind in _PLAIN or isinstance(value, type):
        return value
    if isinstance(value, list):
        return all_of([rendering_of(item, props) for item in value])
    if isinstance(value, tuple):
        items = all_of([rendering_of(item, props) for item in value])
        return then(items, lambda done: kind(*done) if hasattr(kind, "_fields") else tuple(done))
    if isinstance(value, dict):
        return _rendering_of_dict(value, props)
    get = getattr(value, "getRenderingFor", None)
    if get is None:
        adapted = IRenderable(value, None)
        if adapted is None:
            return value
        get = getattr(adapted, "getRenderingFor")  # noqa: B009  the interface declares it without self
    return settled(get(props))


def _rendering_of_dict(value: dict, props: Any) -> Any:
    count = len(value)
    parts = all_of([rendering_of(part, props) for pair in value.items() for part in pair])
    return then(parts, lambda done: {done[2 * i]: done[2 * i + 1] for i in range(count)})


def render(value: Any, props: Any) -> defer.Deferred[Any]:
    """As :func:`rendering_of`, always a Deferred; errors of user code are its failure."""
    return defer.maybeDeferred(rendering_of, value, props)


@implementer(IRenderable)
class _Container:
    """What ``IRenderable(value)`` gives for a list, tuple or dictionary."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def getRenderingFor(self, props: Any) -> Any:
        return rendering_of(self.value, props)


for _container in (list, tuple, dict):
    components.registerAdapter(_Container, _container, IRenderable)
