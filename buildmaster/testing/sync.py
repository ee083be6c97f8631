"""Results of Deferreds and coroutines that have fired already, for tests on a fake clock."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred


class NotFired(AssertionError):
    """There is no result yet."""


def outcome_of(value: Any) -> list[Any]:
    """A list that will hold the result, or a Failure, once there is one."""
    results: list[Any] = []
    as_deferred(value).addBoth(results.append)
    return results


def result_of(value: Any) -> Any:
    """The result of a Deferred or coroutine; raises what it failed with, or :class:`NotFired`."""
    results = outcome_of(value)
    if not results:
        raise NotFired(f"{value!r} has no result yet")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def failure_of(value: Any, *types: type[BaseException]) -> BaseException:
    """The exception that a Deferred or coroutine failed with; it must be one of ``types``, if any are given."""
    results = outcome_of(value)
    if not results:
        raise NotFired(f"{value!r} has no result yet")
    if not isinstance(results[0], Failure):
        raise AssertionError(f"no failure but {results[0]!r}")
    error: Any = results[0].value
    if types and not isinstance(error, types):
        results[0].raiseException()
    return error


def not_fired(value: defer.Deferred[Any]) -> bool:
    """Whether a Deferred still waits."""
    return not value.called
