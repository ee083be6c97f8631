"""A whole master on the real reactor, in the test's own process, and real buildbot-worker processes beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from buildmaster.base.aio import as_deferred, sleep
from buildmaster.life.words import explain
from buildmaster.master import BuildMaster
from buildmaster.net.processes import SupervisedProcess
from buildmaster.testing.master import DictLoader
from buildmaster.worker.local import make_directory
from tests.support import real_reactor
from tests.support.connections import speak, worker_program

PORT = "tcp:0:interface=127.0.0.1"


class RealWorker:
    """A real buildbot-worker process with a directory of its own."""

    def __init__(self, basedir: Path, port: int, name: str, password: str) -> None:
        program = worker_program()
        assert program is not None
        self.directory = basedir / f"worker-{name}"
        make_directory(program, str(self.directory), port, name, password)
        self.process = SupervisedProcess(
            real_reactor.reactor,
            name,
            [program, "start", "--nodaemon", str(self.directory)],
            on_line=lambda line: None,
        )

    def log(self) -> str:
        """What the worker has written to its log."""
        path = self.directory / "twistd.log"
        return path.read_text() if path.exists() else ""


class Site:
    """The master and its workers; everything that waits is a coroutine for :meth:`run`."""

    def __init__(self, basedir: Path, config: Callable[[], dict[str, Any]]) -> None:
        self.basedir = basedir
        self.loader = DictLoader(config)
        self.reactor = real_reactor.reactor
        os.makedirs(basedir / "master", exist_ok=True)
        self.master: Any = BuildMaster(str(basedir / "master"), reactor=self.reactor, config_loader=self.loader)
        self.master.creates_database = True
        self.master.stop_reactor = lambda: None  # the reactor is the test's
        self.workers: list[RealWorker] = []

    def run(self, coroutine: Any, timeout: float = 60) -> Any:
        return real_reactor.run(coroutine, timeout)

    async def start(self) -> None:
        running = self.master.when_running()
        starting = as_deferred(self.master.startService())
        try:
            await running
        except Exception as e:
            raise AssertionError("\n".join(explain(e))) from e
        await starting

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.process.stop()
        if self.master.running:
            await as_deferred(self.master.stopService())

    @property
    def port(self) -> int:
        """The number of the workers' port."""
        return next(iter(self.master.workers.registrations.values())).getPBPort()

    def worker(self, name: str, password: str = "pw", directory: str = ".", protocol: str = "pb") -> RealWorker:
        """A real worker, not started yet."""
        place = self.basedir / directory
        place.mkdir(exist_ok=True)
        if protocol == "pb":
            made = RealWorker(place, self.port, name, password)
        else:
            registration = next(iter(self.master.workers.registrations.values()))
            made = RealWorker(place, registration.get_msgpack_port(), name, password)
            speak(str(made.directory), protocol)
        self.workers.append(made)
        return made

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 20) -> None:
        """Wait for something that no event tells of."""
        end = self.reactor.seconds() + seconds
        while not condition():
            if self.reactor.seconds() > end:
                raise AssertionError(f"{what}: not within {seconds:g} s")
            await sleep(self.reactor, 0.02)

    async def attached(self, name: str) -> Any:
        """The live worker, once it is attached."""
        live = self.master.workers.getWorkerByName(name)
        await self.until(lambda: live.master_session.state == "present", f"worker {name} attaches")
        return live

    async def get(self, *path: Any, **query: Any) -> Any:
        return await as_deferred(self.master.data.get(tuple(path), **query))

    async def finished(self) -> list[dict[str, Any]]:
        """The builds that have ended, once there is one."""
        end = self.reactor.seconds() + 20
        while self.reactor.seconds() < end:
            rows = [row for row in await self.get("builds") if row["complete"]]
            if rows:
                return rows
            await sleep(self.reactor, 0.02)
        raise AssertionError("no build ends within 20 s")
