"""Workers: who they are, where they are connected, what they serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.times import datetime2epoch
from buildmaster.data import base, exceptions, types
from buildmaster.db import query, views, workers


class _WorkerEndpoint(base.ViewEndpoint):
    view = views.WORKERS

    @staticmethod
    def where(kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The scopes of a path: a master or builder alone has to be asked for otherwise than both together."""
        if "masterid" in kwargs and "builderid" in kwargs:
            return dict(kwargs)
        alone = {"masterid": "masterid_alone", "builderid": "builderid_alone"}
        return {alone.get(name, name): value for name, value in kwargs.items()}

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        return await self.read(self.where(kwargs), resultSpec)


class WorkerEndpoint(_WorkerEndpoint):
    """One worker."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = [
        "/workers/n:workerid",
        "/workers/i:name",
        "/masters/n:masterid/workers/n:workerid",
        "/masters/n:masterid/workers/i:name",
        "/masters/n:masterid/builders/n:builderid/workers/n:workerid",
        "/masters/n:masterid/builders/n:builderid/workers/i:name",
        "/builders/n:builderid/workers/n:workerid",
        "/builders/n:builderid/workers/i:name",
        "/builders/s:buildername/workers/n:workerid",
        "/builders/s:buildername/workers/i:name",
    ]
    actions = {name: {"reason": "string"} for name in ("stop", "kill", "pause", "unpause")}

    async def control(self, action: str, args: dict[str, Any], kwargs: dict[str, Any]) -> Any:
        """``stop`` lets running builds end, ``kill`` does not; ``pause`` and ``unpause`` concern new builds."""
        if action not in self.actions:
            return super().control(action, args, kwargs)
        reason = self.argument(args, "reason", str, None)
        worker = await self.reading(query.fetch_one, self.view, self.where(kwargs))
        if worker is None:
            raise exceptions.InvalidPathError("there is no such worker")
        key = ("control", "worker", str(worker["workerid"]), action)
        await self.master.mq.produce(key, {"reason": reason, "owner": args.get("owner")})
        return None


class WorkersEndpoint(_WorkerEndpoint):
    """Workers: all, or those configured on a master or for a builder."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = [
        "/workers",
        "/masters/n:masterid/workers",
        "/masters/n:masterid/builders/n:builderid/workers",
        "/builders/n:builderid/workers",
    ]
    rootLinkName = "workers"


class MasterBuilderEntityType(types.Entity):
    """A builder on a master."""

    masterid = types.Integer()
    builderid = types.Integer()


class MasterIdEntityType(types.Entity):
    """A master."""

    masterid = types.Integer()


class Worker(base.ResourceType):
    """What runs the commands of builds."""

    name = "worker"
    plural = "workers"
    endpoints = [WorkerEndpoint, WorkersEndpoint]
    eventPathPatterns = ["/workers/:workerid"]
    events = ("connected", "disconnected", "missing", "state_updated")
    view = views.WORKERS
    subresources = ["Build"]

    class EntityType(types.Entity):
        workerid = types.Integer()
        name = types.String()
        connected_to = types.List(of=MasterIdEntityType("master_id"))
        configured_on = types.List(of=MasterBuilderEntityType("master_builder"))
        workerinfo = types.JsonObject()
        paused = types.Boolean()
        pause_reason = types.NoneOk(types.String())
        graceful = types.Boolean()

    entityType = EntityType("worker")

    def body(self, fields: Mapping[str, Any], event: str, row: Mapping[str, Any] | None) -> dict[str, Any]:
        """The worker, connected or not as the event says; when missing also ``last_connection`` and ``notify``."""
        body = super().body(fields, event, row)
        here = {"masterid": fields.get("masterid")}
        if event in ("connected", "disconnected") and here["masterid"] is not None:
            others = [master for master in body.get("connected_to", []) if master != here]
            body["connected_to"] = [*others, here] if event == "connected" else others
        if event == "missing":
            body["last_connection"] = fields.get("last_connection")
            body["notify"] = fields.get("notify")
        return body

    @base.updateMethod
    @deferred
    async def findWorkerId(self, name: str) -> int:
        """The id of the worker of this name, given at its first mention."""
        return await self.master.db.write(workers.find_id, name)

    @base.updateMethod
    @deferred
    async def workerConfigured(self, workerid: int, masterid: int, builderids: Sequence[int]) -> None:
        """A worker serves exactly these builders on this master."""
        await self.master.db.write(workers.configure, masterid, {workerid: list(builderids)})

    @base.updateMethod
    @deferred
    async def deconfigureAllWorkersForMaster(self, masterid: int) -> None:
        """No worker serves a builder on this master."""
        await self.master.db.write(workers.deconfigure_all, masterid)

    @base.updateMethod
    @deferred
    async def workerConnected(self, workerid: int, masterid: int, workerinfo: Mapping[str, Any]) -> None:
        """A worker has connected to this master."""
        await self.master.db.write(workers.connect, workerid, masterid, workerinfo)

    @base.updateMethod
    @deferred
    async def workerDisconnected(self, workerid: int, masterid: int) -> None:
        """A worker's connection to this master has ended."""
        await self.master.db.write(workers.disconnect, workerid, masterid)

    @base.updateMethod
    @deferred
    async def workerMissing(self, workerid: int, masterid: int, last_connection: Any, notify: Any) -> None:
        """A worker has been away too long; ``notify`` are the mail addresses that want to know."""
        last = datetime2epoch(last_connection) if hasattr(last_connection, "timestamp") else last_connection
        await self.master.db.write(workers.missing, workerid, masterid, last, list(notify or ()))

    @base.updateMethod
    @deferred
    async def set_worker_paused(self, workerid: int, paused: bool, pause_reason: str | None = None) -> None:
        """Whether a worker takes no new builds, and why."""
        await self.master.db.write(workers.set_paused, workerid, bool(paused), pause_reason)

    @base.updateMethod
    @deferred
    async def set_worker_graceful(self, workerid: int, graceful: bool) -> None:
        """Whether a worker is to be shut down when it is idle."""
        await self.master.db.write(workers.set_graceful, workerid, bool(graceful))
