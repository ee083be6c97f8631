"""One at a time: the documented ``deferredLocked``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from twisted.internet import defer

from buildmaster.base.aio import maybe


def deferredLocked(lock_or_attr: str | defer.DeferredLock) -> Callable[[Any], Any]:
    """Decorate a function to run while a lock is held: a DeferredLock, or the instance's attribute of that name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., defer.Deferred[Any]]:
        @functools.wraps(function)
        def locked(*args: Any, **kwargs: Any) -> defer.Deferred[Any]:
            lock = getattr(args[0], lock_or_attr) if isinstance(lock_or_attr, str) else lock_or_attr
            run: defer.Deferred[Any] = lock.run(lambda: defer.Deferred.fromCoroutine(maybe(function, *args, **kwargs)))
            return run

        return locked

    return decorate
