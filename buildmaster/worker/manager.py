"""All workers of a master: who they are, who may log in as which, and which of two of one name stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.deadlines import deadlines_of
from buildmaster.db import workers as rows
from buildmaster.net.pb import normal_port
from buildmaster.net.pblogin import GoAway, Refused
from buildmaster.service import BuildbotServiceManager
from buildmaster.worker.attendance import Attendance
from buildmaster.worker.protocols import msgpack, pb
from buildmaster.worker.protocols.msgpack import PROTOCOL

log = Logger()


class WorkerRegistration:
    """One worker's right to log in; made by :meth:`WorkerManager.register`."""

    __slots__ = ("master", "msgpack_reg", "pbReg", "worker")

    def __init__(self, master: Any, worker: Any) -> None:
        self.master = master
        self.worker = worker
        self.pbReg: Any = None
        self.msgpack_reg: Any = None

    def __repr__(self) -> str:
        return f"<WorkerRegistration for {self.worker.workername!r}>"

    @deferred
    async def update(self, worker_config: Any, global_config: Any) -> None:
        """Follow the worker's password and the ports of ``c['protocols']``.

        Raises ConfigErrors if a port can't be had.
        """
        manager, name, password = self.master.workers, worker_config.workername, worker_config.password
        if password is None:
            log.warn("worker {name!r} has no password: nothing can connect as it until it is given one", name=name)
        own = getattr(worker_config, "pb_port", None)
        if own is not None:
            self.pbReg = await manager.pb.updateRegistration(name, password, own)
            return
        self.pbReg = await manager.pb.updateRegistration(name, password, pb_port(global_config))
        self.msgpack_reg = await manager.msgpack.updateRegistration(name, password, msgpack_port(global_config))

    @deferred
    async def unregister(self) -> None:
        """Let the worker in no more; a connection that it has is not touched."""
        await self.master.workers.forget(self)
        self.pbReg = await self.master.workers.pb.updateRegistration(self.worker.workername, None, None)
        self.msgpack_reg = await self.master.workers.msgpack.updateRegistration(self.worker.workername, None, None)

    def getPBPort(self) -> int:
        """The number of the Perspective Broker port on which it may log in."""
        return self.pbReg.getPort()

    def get_msgpack_port(self) -> int | None:
        """The port of the MessagePack protocol, None while the worker is not registered there."""
        return None if self.msgpack_reg is None else self.msgpack_reg.getPort()


def pb_port(config: Any) -> int | str | None:
    """The port of ``c['protocols']['pb']``, None if that protocol is not configured."""
    return _port(config, "pb")


def msgpack_port(config: Any) -> int | str | None:
    """The port of ``c['protocols']['msgpack_experimental_v7']``, None if that protocol is not configured."""
    return _port(config, PROTOCOL)


def _port(config: Any, protocol: str) -> int | str | None:
    protocols = getattr(config, "protocols", None) or {}
    return protocols.get(protocol, {}).get("port")


def _has_own_port(registration: WorkerRegistration) -> bool:
    """Whether this worker has a port of its own: one that the master itself runs."""
    return getattr(registration.worker, "pb_port", None) is not None


class WorkerManager(BuildbotServiceManager):
    """Follows ``c['workers']``, and decides about every connection."""

    name = "WorkerManager"
    managed_services_name = "workers"
    config_attr = "workers"
    reconfig_priority = 150  # before the builders, which ask for their workers

    PING_TIMEOUT = 10
    """Seconds that a connected worker has for showing that it lives, when another of its name comes."""

    def __init__(self, master: Any) -> None:
        super().__init__()
        self._the_master = master
        self.connections: dict[str, Any] = {}
        """The connections of the attached workers by name."""
        self.registrations: dict[str, WorkerRegistration] = {}
        self.pb = pb.Listener(master)
        self.msgpack = msgpack.Listener(master)
        self._attendance: Attendance | None = None
        self._rows: dict[str, rows.WorkerRow] = {}
        self._turns: dict[str, defer.DeferredLock] = {}
        self._control: Any = None
        self._begun = False

    @property
    def master(self) -> Any:
        """The master."""
        return self._the_master

    @property
    def workers(self) -> dict[str, Any]:
        """The live workers by name."""
        return {worker.name: worker for worker in self}

    def getWorkerByName(self, workerName: str) -> Any:
        """A registered worker; None if there is none of this name."""
        registration = self.registrations.get(workerName)
        return None if registration is None else registration.worker

    @property
    def attendance(self) -> Attendance:
        """Where arrivals and departures are stored."""
        if self._attendance is None:
            self._attendance = Attendance(self.master.db, self.master.masterid, self.master.reactor)
        return self._attendance

    # -- configuration ---------------------------------------------------------------------------------------------

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Make the live workers those of the configuration."""
        await self._begin()
        names = sorted(self.get_service_config(new_config))
        if any(name not in self._rows for name in names):
            self._rows = await self.master.db.write(rows.find_ids, names)
        await self._leave_old_ports(new_config)
        try:
            await super().reconfigServiceWithBuildbotConfig(new_config)
        finally:
            self._rows = {}
            await self._move_registrations(new_config)
            keep = [worker.workerid for worker in self if worker.workerid is not None]
            await self.master.db.write(rows.deconfigure_all, self.master.masterid, keep)

    async def _begin(self) -> None:
        """Once: nobody can be connected to a master that has just started, and controls are heard from now on."""
        if self._begun:
            return
        self._begun = True
        await self.master.db.write(rows.disconnect_all, self.master.masterid)
        self._control = await maybe(self.master.mq.startConsuming, self._controlled, ("control", "worker", None, None))

    async def _leave_old_ports(self, new_config: Any) -> None:
        """When a port moves, everybody gives the old one up before anybody asks for the new one."""
        for listener, port, attribute in (
            (self.pb, pb_port(new_config), "pbReg"),
            (self.msgpack, msgpack_port(new_config), "msgpack_reg"),
        ):
            wanted = None if port is None else normal_port(port)
            for registration in self.registrations.values():
                held = getattr(registration, attribute)
                if held is None or held.portstr == wanted or _has_own_port(registration):
                    continue
                await listener.updateRegistration(registration.worker.workername, None, None)
                setattr(registration, attribute, None)

    async def _move_registrations(self, new_config: Any) -> None:
        for registration in list(self.registrations.values()):
            lacks_pb = registration.pbReg is None and pb_port(new_config) is not None
            lacks_msgpack = registration.msgpack_reg is None and msgpack_port(new_config) is not None
            if not _has_own_port(registration) and (lacks_pb or lacks_msgpack):
                await registration.update(registration.worker, new_config)

    async def row_of(self, worker: Any) -> rows.WorkerRow:
        """The stored row of a worker that starts."""
        row = self._rows.get(worker.name)
        if row is None:
            row = (await self.master.db.write(rows.find_ids, [worker.name]))[worker.name]
        return row

    @deferred
    async def configure_builders(self, builders_of: Mapping[str, list[int]] | None = None) -> None:
        """The builders have changed: store who serves which, in one transaction, and tell those who are connected.

        ``builders_of`` maps worker names to builder ids; by default the botmaster is asked.
        """
        wanted = {}
        for worker in self:
            if builders_of is not None:
                ids = list(builders_of.get(worker.name, ()))
            else:
                builders = self.master.botmaster.getBuildersForWorker(worker.name)
                ids = [await maybe(builder.getBuilderId) for builder in builders]
            wanted[worker.workerid] = ids
        await self.master.db.write(rows.configure, self.master.masterid, wanted)
        told = [as_deferred(self._tell_builders(worker)) for worker in self if worker.isConnected()]
        await defer.DeferredList(told, consumeErrors=True)

    async def _tell_builders(self, worker: Any) -> None:
        """Tell a worker its builders; one that does not take them in time is disconnected, and may come again."""
        conn, seconds = worker.conn, deadlines_of(self.master).ping
        try:
            await conn.patience.wait_for(worker.sendBuilderList(), seconds, f"builders of worker {worker.name!r}")
        except Exception:  # policy: without it; nobody waits for a worker that does not answer
            log.failure("worker {name!r} could not be told its builders and is disconnected", name=worker.name)
            if conn.connected:
                conn.loseConnection()

    @deferred
    async def stopService(self) -> None:
        """Stop all workers."""
        control, self._control = self._control, None
        if control is not None:
            await maybe(control.stopConsuming)
        await super().stopService()

    # -- registration ----------------------------------------------------------------------------------------------

    @deferred
    async def register(self, worker: Any) -> WorkerRegistration:
        """Know this worker by its name from now on."""
        registration = WorkerRegistration(self.master, worker)
        self.registrations[worker.workername] = registration
        return registration

    async def forget(self, registration: WorkerRegistration) -> None:
        """The other end of :meth:`WorkerRegistration.unregister`."""
        name = registration.worker.workername
        if self.registrations.get(name) is registration:
            del self.registrations[name]

    # -- connections -----------------------------------------------------------------------------------------------

    @deferred
    async def newConnection(self, conn: Any, workerName: str) -> None:
        """A worker has logged in: attach it, unless one of its name is here and lives.

        Raises Refused if that one answers within :attr:`PING_TIMEOUT`; else that one is dropped.
        """
        worker = self.getWorkerByName(workerName)
        if worker is None:
            raise GoAway(f"worker {workerName!r} is not configured any more")
        turn = self._turns.setdefault(workerName, defer.DeferredLock())
        if turn.locked:
            raise GoAway(f"another worker {workerName!r} is at the door")
        await turn.acquire()
        try:
            await self._make_room(worker, conn)
            if not conn.connected:
                raise GoAway(f"worker {workerName!r} left before it was its turn")
            self.connections[workerName] = conn
            conn.notifyOnDisconnect(lambda: self._gone(workerName, conn))
            worker.master_session.arrive(conn)
        finally:
            turn.release()

    async def _make_room(self, worker: Any, newcomer: Any) -> None:
        old = worker.master_session.conn
        if old is None:
            return
        if old.connected:
            log.info(
                "another worker {name!r} comes from {peer}: is the one from {old} alive?",
                name=worker.workername,
                peer=newcomer.get_peer(),
                old=old.get_peer(),
            )
            if await old.is_alive(self.PING_TIMEOUT):
                log.warn(
                    "worker {name!r} from {peer} is refused: the one from {old} is connected and alive",
                    name=worker.workername,
                    peer=newcomer.get_peer(),
                    old=old.get_peer(),
                )
                raise Refused(f"rejecting duplicate worker: {worker.workername} is connected from {old.get_peer()}")
            old.loseConnection()
        await worker.master_session.over()

    def _gone(self, name: str, conn: Any) -> None:
        if self.connections.get(name) is conn:
            del self.connections[name]

    # -- control ---------------------------------------------------------------------------------------------------

    def _controlled(self, key: Any, params: Any) -> Any:
        worker = next((each for each in self if str(each.workerid) == str(key[2])), None)
        if worker is None:
            return None  # another master's
        return as_deferred(worker.controlWorker(key, params))
