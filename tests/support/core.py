"""The core of a master on a database of a test: engine, journal, message queue and data API, all real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from buildmaster.data.connector import DataConnector
from buildmaster.db import masters
from buildmaster.mq.connector import MQConnector
from buildmaster.mq.journal import Journal


class CoreConfig:
    """What the core reads of a configuration."""

    def __init__(self) -> None:
        self.codebaseGenerator: Callable[..., Any] | None = None
        self.revlink: Callable[..., Any] | None = None
        self.logCompressionMethod = "zstd"


class CoreMaster:
    """A master without anything that builds."""

    def __init__(self, place: Any, name: str = "here") -> None:
        self.place = place
        self.reactor = place.pump
        self.name = name
        self.config = CoreConfig()
        self.schedulers: list[Any] = []
        self.db = place.open()
        self.masterid, epoch, last_batch = self.wait(self.db.write(masters.begin, name))
        self.wait(self.db.become(self.masterid, epoch, last_batch))
        self.journal = Journal(self.db, place.pump, shared=False)
        self.wait(self.journal.start())
        self.data = DataConnector(self)
        self.mq = MQConnector(self.journal, self.data)
        self.events: list[tuple[str, Any]] = []

    def wait(self, value: Any) -> Any:
        """The result of a Deferred or coroutine."""
        return self.place.wait(value)

    def allSchedulers(self) -> Sequence[Any]:
        """Those that the test has put there."""
        return self.schedulers

    def update(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """The result of an update method."""
        return self.wait(getattr(self.data.updates, name)(*args, **kwargs))

    def get(self, path: Any, **kwargs: Any) -> Any:
        """What ``master.data.get`` gives."""
        return self.wait(self.data.get(path, **kwargs))

    def listen(self, *words: str | None) -> list[tuple[str, Any]]:
        """A list to which (routing key, body) of each event that matches is added."""
        heard: list[tuple[str, Any]] = []
        self.wait(self.mq.startConsuming(lambda key, body: heard.append(("/".join(key), body)), words))
        return heard

    def hear(self, heard: list[Any], count: int) -> list[Any]:
        """The list, when this many events have come."""
        self.place.pump.wait_for(lambda: len(heard) >= count)
        return heard

    def add_build(self, builder: str = "b", **buildset: Any) -> dict[str, Any]:
        """A running build of a new buildset, with all that has to be there for it."""
        builderid = self.update("findBuilderId", builder)
        workerid = self.update("findWorkerId", "w1")
        stamps = buildset.pop("sourcestamps", [{"codebase": "", "repository": "r", "branch": "main"}])
        bsid, brids = self.update(
            "addBuildset", False, "s", sourcestamps=stamps, builderids=[builderid], reason="why", **buildset
        )
        self.update("claimBuildRequests", [brids[builderid]])
        buildid, number = self.update("addBuild", builderid, brids[builderid], workerid)
        return {"buildid": buildid, "number": number, "builderid": builderid, "bsid": bsid, "brid": brids[builderid]}
