"""SIGHUP lets a master read its configuration again, SIGUSR1 stops it when its builds have ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any


class SignalHandlers:
    """Handlers that call into the reactor; the former ones come back with :meth:`remove`."""

    def __init__(self, reactor: Any, reconfig: Callable[[], Any], clean_shutdown: Callable[[], Any]) -> None:
        self._reactor = reactor
        self._actions = {"SIGHUP": reconfig, "SIGUSR1": clean_shutdown}
        self._former: dict[int, Any] = {}

    def install(self) -> None:
        """Take the signals; does nothing outside the main thread and for signals that the system does not have."""
        if threading.current_thread() is not threading.main_thread():
            return
        for name, action in self._actions.items():
            number = getattr(signal, name, None)
            if number is not None:
                self._former[number] = signal.signal(number, self._handler(action))

    def _handler(self, action: Callable[[], Any]) -> Callable[[int, Any], None]:
        def handle(number: int, frame: Any) -> None:
            self._reactor.callFromThread(action)

        return handle

    def remove(self) -> None:
        """Give the signals back."""
        while self._former:
            number, handler = self._former.popitem()
            signal.signal(number, handler)
