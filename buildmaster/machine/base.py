"""A machine: a name that workers share."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IMachine
from buildmaster.service import BuildbotService


@implementer(IMachine)
class Machine(BuildbotService):
    """A machine of the configuration; workers name it by their ``machine_name``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.workers: list[Any] = []
        """The workers that it hosts."""

    def checkConfig(self, name: str, **kwargs: Any) -> None:
        """Check the arguments, reporting all mistakes."""
        if not isinstance(name, str) or not name:
            error(f"{type(self).__name__}: the name must be a non-empty text, not {name!r}")
        else:
            self.name = name
        if kwargs:
            error(f"{type(self).__name__} {name!r}: unknown arguments: {', '.join(sorted(kwargs))}")

    @deferred
    async def reconfigService(self, name: str, **kwargs: Any) -> None:  # type: ignore[override]
        """Take these arguments over."""

    def registerWorker(self, worker: Any) -> None:
        """A worker says that this machine hosts it."""
        assert worker not in self.workers, f"worker {worker.name!r} is on machine {self.name!r} already"
        self.workers.append(worker)

    def unregisterWorker(self, worker: Any) -> None:
        """A worker leaves."""
        self.workers.remove(worker)
