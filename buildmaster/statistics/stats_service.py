"""The documented service that keeps values of builds in storages, say for graphs.

Each storage has an outbox, a durable consumer of the journal: a storage that is slow or away holds up nothing but its
own values, and they are kept, over a restart of the master too, until they are :attr:`StatsService.value_age` old.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.records import Fact
from buildmaster.base.times import datetime2epoch
from buildmaster.mq.connector import matches
from buildmaster.mq.failing import is_unreachable
from buildmaster.mq.outbox import Outbox, cursor_name, told
from buildmaster.service import BuildbotService
from buildmaster.statistics.capture import DATA_YIELDED, Capture
from buildmaster.statistics.collecting import Collection
from buildmaster.statistics.storage_backends.base import StatsStorageBase

log = Logger()

KIND = "statistics"


class StatsService(BuildbotService):
    """Keeps values of finished builds, and those that steps give it, in storages.

    :param storage_backends: a list of storages, each with its captures
    :param name: the service's name, by which steps find it: ``self.master.namedServices[name]``
    """

    value_age = 7 * 24 * 3600.0
    """Seconds after which a value that a storage has not taken is left out, with a line in the log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.registeredStorageServices: list[Any] = []
        self._outboxes: list[Outbox] = []
        self._consuming = False
        super().__init__(*args, **kwargs)

    # -- configuration -------------------------------------------------------------------------------------------------

    def checkConfig(self, storage_backends: Sequence[Any]) -> None:
        """Check that these are storages, and their captures captures."""
        if not isinstance(storage_backends, list | tuple):
            error(f"StatsService: storage_backends must be a list of storages, not {storage_backends!r}")
            return
        for storage in storage_backends:
            if not isinstance(storage, StatsStorageBase):
                error(f"StatsService: {storage!r} in storage_backends is not a storage, say InfluxStorageService(…)")
                continue
            captures = storage.captures
            if not isinstance(captures, list | tuple):
                error(f"{type(storage).__name__}: captures must be a list of captures, not {captures!r}")
                continue
            for capture in captures:
                if not isinstance(capture, Capture):
                    error(f"{type(storage).__name__}: {capture!r} in captures is not a capture, say CaptureData(…)")

    def places(self) -> list[str]:
        """Under which names the outboxes keep their places."""
        storages = self._config_kwargs.get("storage_backends", (*self._config_args, ())[0])
        return [cursor_name(name, KIND) for name in self._names(storages)]

    def _names(self, storages: Sequence[Any]) -> list[str]:
        """A name for each storage; the second one of a name gets a number."""
        names: list[str] = []
        for storage in storages:
            name = first = f"{self.name}/{storage.name or type(storage).__name__}"
            count = 1
            while name in names:
                count += 1
                name = f"{first}-{count}"
            names.append(name)
        return names

    @deferred
    async def reconfigService(self, storage_backends: Sequence[Any]) -> None:  # type: ignore[override]
        """Keep values in these storages from now on."""
        consuming = self._consuming
        await self.removeConsumers()
        self.registeredStorageServices = list(storage_backends)
        if consuming:
            await self.registerConsumers()

    @deferred
    async def startService(self) -> None:
        """Start, and begin with what was not kept before."""
        await super().startService()
        await self.registerConsumers()

    @deferred
    async def stopService(self) -> None:
        """Stop; what is left is kept after the next start."""
        await self.removeConsumers()
        await super().stopService()

    @deferred
    async def registerConsumers(self) -> None:
        """Have all captures see the events that they want."""
        await self.removeConsumers()
        self._consuming = True
        for name, storage in zip(
            self._names(self.registeredStorageServices), self.registeredStorageServices, strict=True
        ):
            for capture in storage.captures:
                capture.master = self.master
                if not any(svc is storage for svc in capture.parent_svcs):
                    capture.parent_svcs.append(storage)
            await storage.start(self)
            outbox = self._outbox(name, storage)
            self._outboxes.append(outbox)
            await outbox.start()

    @deferred
    async def removeConsumers(self) -> None:
        """No capture sees an event from now on; places are kept."""
        self._consuming = False
        outboxes, self._outboxes = self._outboxes, []
        for outbox in outboxes:
            await outbox.stop()
        if outboxes:
            for storage in self.registeredStorageServices:
                await storage.stop()

    @deferred
    async def delivered(self) -> None:
        """Fires when the values of all that has happened by now have been kept, or given up."""
        for outbox in self._outboxes:
            await outbox.delivered()

    # -- values --------------------------------------------------------------------------------------------------------

    def _outbox(self, name: str, storage: Any) -> Outbox:
        async def make(keys: Sequence[tuple[str, ...]], fact: Fact) -> list[dict[str, Any]]:
            values = await self._values(name, storage, keys, fact)
            return [{"values": values}] if values else []

        async def send(reports: list[dict[str, Any]]) -> None:
            for report in reports:
                await storage.post_values(report["notice"], report["values"])

        wanted = dict.fromkeys(capture.routingKey for capture in storage.captures)
        return Outbox(self.master, name, wanted, make, send, self.value_age, KIND)

    async def _values(self, name: str, storage: Any, keys: Sequence[tuple[str, ...]], fact: Fact) -> list[Any]:
        """What the captures of a storage make of an event."""
        body = fact.fields["body"] if fact.kind == "message" else (await self.master.data.bodies([fact]))[0]
        # facts of one transaction have one time: the position tells them apart, the same whenever they are sent again
        collection = Collection(round(fact.at * 1e6) * 1000 + fact.position % 1000)
        for capture in storage.captures:
            key = next((key for key in keys if matches(capture.routingKey, key)), None)
            if key is None:
                continue
            try:
                with collection.collecting():
                    await maybe(capture.consume, key, body)
            except Exception as e:  # policy: skip this capture's value, those of the others are kept
                if is_unreachable(e):
                    raise
                log.failure("statistics {name}: nothing is kept of {what}: {why}", name=name, what=told(fact), why=e)
        return collection.values

    @deferred
    async def yieldMetricsValue(self, data_name: str, post_data: Mapping[str, Any], buildid: int) -> None:
        """Give data of a running build, to be kept by the ``CaptureData`` of this name.

        :param data_name: the name of the data
        :param post_data: fields, name → value; anything that JSON can express
        :param buildid: the build; a step has it as ``self.build.buildid``

        The Deferred fires when the data is in the master's database, not when the storages have it.
        """
        build = await self.master.data.get(("builds", buildid))
        if build is None:
            raise ValueError(f"yieldMetricsValue({data_name!r}, …): there is no build with the id {buildid!r}")
        try:
            body = json.loads(
                json.dumps({"data_name": data_name, "post_data": post_data, "build_data": build}, default=_as_epoch)
            )
        except (TypeError, ValueError) as e:
            raise ValueError(f"yieldMetricsValue({data_name!r}, …): the data can't be expressed in JSON: {e}") from e
        await self.master.mq.produce(DATA_YIELDED, self.master.db.secrets.without(buildid, body))


def _as_epoch(value: Any) -> Any:
    if isinstance(value, datetime):
        return datetime2epoch(value)
    raise TypeError(f"an object of {type(value).__name__}")
