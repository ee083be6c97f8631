"""The master: composes all rooms, starts and stops them in order, and keeps them on one configuration.

The only module (with the command line) that knows all rooms and the global reactor.  Nothing here decides what is
built; it decides only in which order things begin, change and end.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import defer, threads
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster import __version__
from buildmaster.base.aio import DeadlineExceeded, as_deferred, deferred, with_deadline
from buildmaster.base.dirlock import DatabaseLock, DirectoryLock, DirectoryLocked
from buildmaster.base.errors import ConfigErrors
from buildmaster.base.outcome import Outcome
from buildmaster.changes.horizon import ChangeHorizon
from buildmaster.changes.manager import ChangeManager
from buildmaster.config import MasterConfig
from buildmaster.data.connector import DataConnector
from buildmaster.db import masters, state
from buildmaster.db.engine import Database
from buildmaster.db.executors import ThreadExecutor
from buildmaster.db.notify import PostgresListener
from buildmaster.life import loading
from buildmaster.life.heartbeat import Heartbeat
from buildmaster.life.reconfig import Reconfigurer
from buildmaster.life.signals import SignalHandlers
from buildmaster.life.words import StartFailed, explain, explain_database, hide_password
from buildmaster.locks import LockRegistry
from buildmaster.machine.manager import MachineManager
from buildmaster.mq.connector import MQConnector
from buildmaster.mq.journal import Journal
from buildmaster.net.msgpack_port import MsgManager
from buildmaster.net.pb import PBManager
from buildmaster.process.botmaster import BotMaster
from buildmaster.process.caches import CacheManager
from buildmaster.process.debug import DebugServices
from buildmaster.process.metrics import MetricLogObserver
from buildmaster.process.users.manager import UserManagerManager
from buildmaster.reporters.manager import ServicesManager
from buildmaster.schedulers.manager import SchedulerManager
from buildmaster.secrets.manager import SecretManager
from buildmaster.service import MasterService, ReconfigFailed, ReconfigurableServiceMixin
from buildmaster.worker.manager import WorkerManager
from buildmaster.worker.protocols.msgpack import PROTOCOL as MSGPACK
from buildmaster.www.service import WWWService

log = Logger()

STOP_SECONDS = 120.0
"""How long services may take to stop before the master ends without them."""


class LogRotation:
    """How log files of the master are rotated; a tac file sets it."""

    def __init__(self) -> None:
        self.rotateLength: int = 1_000_000
        """Size in bytes at which a file is begun anew."""
        self.maxRotatedFiles: int | None = 10
        """How many old files are kept; None keeps all."""


class BuildMaster(ReconfigurableServiceMixin, MasterService):
    """A master in its directory.

    ``basedir`` is the directory, ``configFileName`` the configuration file in it (default ``master.cfg``), ``umask``
    the permissions that files shall not have (an octal string or a number).  ``reactor`` and ``config_loader`` (an
    object whose ``loadConfig()`` returns a :class:`~buildmaster.config.master.MasterConfig`) are for tests.
    """

    def __init__(
        self,
        basedir: str,
        configFileName: str | None = None,
        umask: str | int | None = None,
        reactor: Any = None,
        config_loader: Any = None,
    ) -> None:
        super().__init__()
        if reactor is None:
            from twisted.internet import reactor as global_reactor

            reactor = global_reactor
        self.reactor = reactor
        self.basedir = os.path.abspath(basedir)
        self.configFileName = configFileName or "master.cfg"
        self.config_loader = config_loader or loading.config_loader(self.basedir, self.configFileName)
        self.umask = umask
        self.name = f"{socket.gethostname()}:{self.basedir}"
        self.log_rotation = LogRotation()
        self.config: Any = MasterConfig()
        self.locks = LockRegistry()
        self.masterid: int | None = None
        self.db: Any = None
        self.creates_database = False
        """Whether an empty database gets its tables at the start; only masters of tests do that."""
        self.has_started = False
        self._file_locks = [DirectoryLock(self.basedir)]
        self._starting: defer.Deferred[None] | None = None
        self._stopping = False
        self._waiting: list[defer.Deferred[None]] = []
        self.journal: Any = None
        self.data = DataConnector(self)
        self.mq: Any = None
        self._listener: Any = None
        self._failure: Failure | None = None
        self._signals = SignalHandlers(reactor, self.reconfig, self._clean_shutdown)
        self._reconfigurer = Reconfigurer(
            self.basedir, self._load_again, self._switch, lambda: self.config, reactor.seconds
        )
        self.create_child_services()

    # -- parts -------------------------------------------------------------------------------------------------------

    def create_child_services(self) -> None:
        """Make the services below the master, in the order in which they start; they stop in the opposite one."""
        self.caches = CacheManager()
        self.secrets_manager = SecretManager()
        self.service_manager = ServicesManager()
        self.pbmanager = PBManager()
        self.msgmanager = MsgManager()
        self.machine_manager = MachineManager()
        self.workers = WorkerManager(self)
        self.botmaster = BotMaster()
        self.scheduler_manager = SchedulerManager()
        self.change_svc = ChangeManager()
        self.change_horizon = ChangeHorizon()
        self.user_manager = UserManagerManager()
        self.metrics = MetricLogObserver()
        self.debug = DebugServices()
        self.www = WWWService()
        self.heartbeat = Heartbeat(self.reactor, self._beat, self.stop_reactor)
        for child in (
            self.caches,
            self.secrets_manager,
            self.service_manager,
            self.pbmanager,
            self.msgmanager,
            self.machine_manager,
            self.workers,
            self.botmaster,
            self.scheduler_manager,
            self.change_svc,
            self.change_horizon,
            self.user_manager,
            self.metrics,
            self.debug,
            self.www,
            self.heartbeat,
        ):
            child.setServiceParent(self)

    PROGRESS_LINGERS = 0.05
    """Seconds that a build's progress may wait for what follows, to be stored together with it."""

    def make_executor(self) -> Any:
        """Where database work is done: threads here, the reactor's own turns in a master of a test."""
        return ThreadExecutor(self.reactor.callFromThread)

    def in_thread(self, function: Any, *args: Any) -> defer.Deferred[Any]:
        """Run something that takes its time without holding up the reactor."""
        return threads.deferToThreadPool(self.reactor, self.reactor.getThreadPool(), function, *args)

    # -- start -------------------------------------------------------------------------------------------------------

    @deferred
    async def startService(self) -> None:
        """Start everything; fires when the master runs or when it has given up.

        A failure is logged, told to those who wait in :meth:`when_running`, and stops the reactor.
        """
        self._starting = defer.Deferred()
        try:
            await self._start()
        except Exception as e:  # policy: stop, a master runs whole or not at all
            failure = Failure()
            for line in explain(e):
                log.critical("{line}", line=line)
            if not isinstance(e, (StartFailed, ConfigErrors, DirectoryLocked, ReconfigFailed)):
                log.failure("the master could not start", failure)
            await self._take_down()
            self._announce(failure)
            self.stop_reactor()
        else:
            self.has_started = True
            log.info("BuildMaster is running")
            self._announce(None)
        finally:
            self._starting.callback(None)

    async def _start(self) -> None:
        log.info("buildmaster {v} starts in {dir}", v=__version__, dir=self.basedir)
        if self.umask is not None:
            os.umask(int(self.umask, 8) if isinstance(self.umask, str) else self.umask)
        self._file_locks[0].take()
        self.config = await self._load_config()
        self._go_on()
        await self._open_database()
        self._go_on()
        self._signals.install()
        ports = (self.pbmanager.hold(), self.msgmanager.hold())
        try:
            await super().startService()
            await self._open_worker_ports(self.config)
            await self.botmaster.reconciler.reconcile()
            await self.reconfigServiceWithBuildbotConfig(self.config)
        finally:
            for let_workers_in in ports:
                let_workers_in()
        self._go_on()

    def _go_on(self) -> None:
        """Give up the start if the master was told to stop meanwhile."""
        if self._stopping:
            raise StartFailed(["The master was stopped before it was running"])

    async def _load_config(self) -> Any:
        return await self.in_thread(self.config_loader.loadConfig)

    async def _load_again(self) -> Any:
        new = await self._load_config()
        if self._stopping:
            raise ConfigErrors(["The master is stopping"])
        return new

    async def _database_config(self) -> Any:
        found = self.config.db
        if isinstance(found.db_url, str) and not found.engine_kwargs:
            return found
        try:
            return await self.secrets_manager.before_start(self.config, lambda: self.get_db_config(self.config))
        except Exception as e:
            raise StartFailed([f"c['db'] could not be rendered: {e.args[0] if e.args else e}"]) from e

    async def _open_database(self) -> None:
        config = await self._database_config()
        try:
            self.db = Database(
                config.db_url, self.basedir, self.make_executor(), self.reactor, getattr(config, "engine_kwargs", None)
            )
            await self.db.open(create=self.creates_database)
            self.db.linger = self.PROGRESS_LINGERS
        except Exception as e:
            raise StartFailed(explain_database(e, hide_password(config.db_url))) from e
        if self.db.file is not None:
            self._file_locks.append(DatabaseLock(self.db.file))
            self._file_locks[-1].take()
        self.masterid, epoch, last_batch = await self.db.write(masters.begin, self.name)
        await self.db.become(self.masterid, epoch, last_batch)
        self.journal = Journal(self.db, self.reactor)
        await self.journal.start()
        self.mq = MQConnector(self.journal, self.data)
        if self.db.backend == "postgresql":
            self._listener = PostgresListener(self.db.url, self.reactor.callFromThread, self.journal.poke)
            self._listener.start()

    def when_running(self) -> defer.Deferred[None]:
        """Fires when the master runs; fails with the reason if it does not come to that."""
        if self._failure is not None:
            return defer.fail(self._failure)
        if self.has_started:
            return defer.succeed(None)
        waiter: defer.Deferred[None] = defer.Deferred()
        self._waiting.append(waiter)
        return waiter

    def _announce(self, failure: Failure | None) -> None:
        self._failure = failure
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(None) if failure is None else waiter.errback(failure)

    def describe_running(self) -> list[str]:
        """Lines for the user of a master that has started."""
        lines = [f"buildmaster {__version__} runs in {self.basedir} as process {os.getpid()}"]
        return [*lines, f"Its page is {self.config.buildbotURL}"] if self.config.www.get("port") else lines

    def describe_failure(self, failure: Failure) -> list[str]:
        """Lines for the user of one that has not."""
        assert failure.value is not None
        return explain(failure.value)

    # -- change ------------------------------------------------------------------------------------------------------

    @deferred
    async def reconfig(self) -> Outcome:
        """Read the configuration again and switch to it; what SIGHUP does.

        Fires with the :class:`~buildmaster.base.outcome.Outcome`.  Errors leave the old configuration in force; they
        are in the outcome and in the log.
        """
        await self.when_running()
        return await self._reconfigurer.request()

    doReconfig = reconfig

    async def _switch(self, new_config: Any) -> None:
        """Open the new listeners, which may fail and then leaves everything as it is; then put it in force."""
        await self._open_worker_ports(new_config)
        await self.www.reconfigServiceWithBuildbotConfig(new_config)
        await self.reconfigServiceWithBuildbotConfig(new_config)

    async def _open_worker_ports(self, config: Any) -> None:
        for protocol, manager in (("pb", self.pbmanager), (MSGPACK, self.msgmanager)):
            port = config.protocols.get(protocol, {}).get("port")
            if port is not None:
                await manager.open(port)

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Put a configuration in force: descriptions at once, then each live service in its turn.

        Raises :class:`~buildmaster.service.ReconfigFailed` if some services could not follow; all others did.
        """
        self.config = new_config
        await as_deferred(super().reconfigServiceWithBuildbotConfig(new_config))

    # -- end ---------------------------------------------------------------------------------------------------------

    @deferred
    async def stopService(self) -> None:
        """Stop everything; fires when the last write is stored and the directory is free."""
        self._stopping = True
        if self._starting is not None and not self._starting.called:
            await _chained(self._starting)
        try:
            await with_deadline(self._reconfigurer.ended(), STOP_SECONDS, self.reactor, "the reconfiguration")
        except DeadlineExceeded:  # policy: stop all the same
            log.failure("a reconfiguration is under way and does not end")
        await self._take_down()

    async def _take_down(self) -> None:
        """Undo as much of the start as was done, last things first."""
        self._signals.remove()
        if self.running:
            try:
                await with_deadline(super().stopService(), STOP_SECONDS, self.reactor, "stopping all services")
            except Exception:  # policy: the rest is stopped all the same
                log.failure("a service could not be stopped")
        if self.db is not None:
            await self._close_database()
        self._release_locks()
        if self.has_started:
            log.info("buildmaster has stopped")

    async def _close_database(self) -> None:
        try:
            if self.journal is not None:
                await self.db.write(masters.stop, self.masterid)
                await self.journal.stop()
            if self._listener is not None:
                self._listener.stop()
        except Exception:  # policy: the rest is stopped all the same
            log.failure("the master could not take leave of its database")
        await self.db.close()
        self.db = None

    def _release_locks(self) -> None:
        for lock in self._file_locks:
            lock.release()

    def drop(self) -> None:
        """Let go of files and connections and do nothing else: a crash, for tests."""
        self._signals.remove()
        self.db.drop()
        self._release_locks()

    def stop_reactor(self) -> None:
        """End the process, once its services have stopped."""
        if not hasattr(self.reactor, "stop"):
            return
        if self.reactor.running:
            self.reactor.stop()
        else:
            self.reactor.callWhenRunning(self.reactor.stop)

    @deferred
    async def _clean_shutdown(self) -> None:
        log.info("told to stop when the running builds have ended")
        await self.botmaster.cleanShutdown()

    # -- beat --------------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        await self.db.write(masters.beat, self.name, self.masterid)
        await self.db.write(masters.expire, self.masterid)

    # -- documented --------------------------------------------------------------------------------------------------

    def allSchedulers(self) -> list[Any]:
        """The schedulers that run."""
        return list(self.scheduler_manager)

    @deferred
    async def getObjectId(self) -> int:
        """The id under which the master itself keeps state."""
        return await self.db.write(state.object_id, self.name, "buildmaster.master.BuildMaster")


async def _chained(waiting: defer.Deferred[Any]) -> None:
    """Wait for a Deferred without taking its result from others."""
    own: defer.Deferred[None] = defer.Deferred()

    def pass_on(result: Any) -> Any:
        own.callback(None)
        return result

    waiting.addBoth(pass_on)
    await own
