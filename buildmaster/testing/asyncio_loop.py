"""An asyncio event loop whose time is a reactor's, for code that awaits asyncio's futures on a fake clock."""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable
from contextvars import Context
from typing import Any


class ReactorLoop(asyncio.BaseEventLoop):
    """Tasks, futures and timers in the turns of a reactor; it has no sockets and is never run by itself."""

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self._reactor = reactor

    def time(self) -> float:
        """The reactor's."""
        return float(self._reactor.seconds())

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        """In the reactor's next turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self._reactor.callLater(0, self._run, handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """When so many seconds have passed."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """At this time of the reactor."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._reactor.callLater(max(0.0, when - self.time()), self._run, handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Its turn will come and do nothing."""

    def _run(self, handle: asyncio.Handle) -> None:
        """Run a callback, which sees this as the running loop."""
        if handle.cancelled():
            return
        outer = events._get_running_loop()
        events._set_running_loop(self)
        try:
            handle._run()
        finally:
            events._set_running_loop(outer)
