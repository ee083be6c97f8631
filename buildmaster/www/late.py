"""Resources whose library is imported when they are first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from buildmaster.www.resource import Resource


class LateResource(Resource):
    """A leaf that makes the real resource with its first request: what few visitors use costs no memory until then.

    ``make(master)`` imports and returns it; the real one is told of the configuration that is in force, and of later
    ones as any other resource.
    """

    isLeaf = True

    def __init__(self, master: Any, make: Callable[[Any], Any]) -> None:
        super().__init__(master)
        self._make = make
        self._made: Any = None

    def render(self, request: Any) -> Any:
        """The real resource's answer."""
        if self._made is None:
            self._made = self._make(self.master)
            if hasattr(self._made, "reconfigResource"):
                self._made.reconfigResource(self.master.config)
        return self._made.render(request)

    def close_all(self) -> None:
        """Say goodbye to all clients, if there were any."""
        if self._made is not None:
            self._made.close_all()


def late(address: str) -> Callable[[Any], LateResource]:
    """What makes a late resource of the class at ``module:class``, for a master."""
    module, _, name = address.partition(":")

    def make(master: Any) -> Any:
        return getattr(importlib.import_module(module), name)(master)

    return lambda master: LateResource(master, make)


websocket = late("buildmaster.www.ws:WsResource")
"""``/ws``."""

metrics = late("buildmaster.www.metrics:MetricsResource")
"""``/metrics``."""
