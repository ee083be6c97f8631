"""A worker on the master's own host: the real ``buildbot-worker``, kept running as a child process.

It connects to a port that only this host can reach, with a password that lives as long as the master.  Its directory
is ``workers/NAME`` below the master's unless the configuration says otherwise.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet import defer, threads
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.errors import ConfigErrors, error
from buildmaster.net.processes import SupervisedProcess
from buildmaster.worker.base import Worker

log = Logger()

LOOPBACK = "tcp:0:interface=127.0.0.1"
"""The port for all local workers: any free one, open to this host only."""

LEASH = """
# The master holds the other end of standard input: when it is gone, so are we.
from twisted.internet import protocol, stdio


class Leash(protocol.Protocol):
    def connectionLost(self, reason):
        from twisted.internet import reactor

        reactor.stop()


stdio.StandardIO(Leash())
"""


def find_worker_program() -> str:
    """The path of ``buildbot-worker``: beside this Python, else on PATH.  Raises ConfigErrors with the mend."""
    beside = Path(sys.executable).parent / "buildbot-worker"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("buildbot-worker")
    if found is None:
        raise ConfigErrors(
            ["LocalWorker runs buildbot-worker, which is not there: 'pip install buildbot-worker' beside the master"]
        )
    return found


class LocalWorker(Worker):
    """A worker that the master itself runs.

    ``workdir`` is its directory, relative to the master's; the other arguments are those of Worker.  A password is
    not needed.
    """

    pb_port = LOOPBACK

    def checkConfig(  # type: ignore[override]
        self, name: str, workdir: str | None = None, password: Any = None, **kwargs: Any
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, "generated" if password is None else password, **kwargs)
        if workdir is not None and not isinstance(workdir, str | os.PathLike):
            error(f"worker {self.name!r}: workdir must be a path, not {workdir!r}")
        if workdir is None and (not re.fullmatch(r"[\w.@+-]+", self.name) or self.name in (".", "..")):
            error(f"worker {self.name!r}: the name is not fit to be a directory; give a workdir")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.process: SupervisedProcess | None = None
        self._generated = secrets.token_urlsafe(24)
        self._workdir: str | None = None

    @deferred
    async def reconfigService(  # type: ignore[override]
        self, name: str, workdir: str | None = None, password: Any = None, **kwargs: Any
    ) -> None:
        """Take these arguments over; a changed directory or password starts the child anew."""
        before = (self._workdir, self.password if self.process is not None else None)
        await super().reconfigService(name, self._generated if password is None else password, **kwargs)
        directory = Path(self.master.basedir, *(["workers", name] if workdir is None else [workdir]))
        self._workdir = str(directory)
        if self.process is not None and before != (self._workdir, self.password):
            await self._stop_process()
            await self._start_process()

    @deferred
    async def startService(self) -> None:
        """Let the worker in, and start it."""
        find_worker_program()
        await super().startService()
        await self._start_process()

    @deferred
    async def stopService(self) -> None:
        """End the child, then let nobody in."""
        await self._stop_process()
        await super().stopService()

    @deferred
    async def shutdown(self) -> None:
        """Have the worker's process end; it is not started again until the master is."""
        await super().shutdown()
        await self._stop_process()

    async def _start_process(self) -> None:
        assert self._workdir is not None
        program, port = find_worker_program(), self.registration.getPBPort()
        await self._in_thread(make_directory, program, self._workdir, port, self.workername, self.password)
        argv = [program, "start", "--nodaemon", self._workdir]
        self.process = SupervisedProcess(
            self.master.reactor,
            f"the process of worker {self.workername}",
            argv,
            cwd=self._workdir,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            on_line=lambda line: log.debug("worker {name}: {line}", name=self.workername, line=line),
        )
        self.process.start()

    async def _stop_process(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            await process.stop()

    def _in_thread(self, function: Any, *args: Any) -> defer.Deferred[Any]:
        reactor = self.master.reactor
        return threads.deferToThreadPool(reactor, reactor.getThreadPool(), function, *args)


def make_directory(program: str, workdir: str, port: int, name: str, password: str) -> None:
    """Make or renew the worker's directory: its own ``create-worker``, then our port and password in its tac file.

    The password is never on a command line, and the file is the owner's alone.
    """
    os.makedirs(os.path.dirname(workdir) or ".", exist_ok=True)
    tac = os.path.join(workdir, "buildbot.tac")
    if not os.path.exists(tac):
        made = subprocess.run(
            [program, "create-worker", "--quiet", "--force", workdir, f"127.0.0.1:{port}", name, "set-below"],
            capture_output=True,
            text=True,
        )
        if made.returncode != 0:
            raise ConfigErrors([f"worker {name!r}: {workdir} can't be made: {(made.stderr or made.stdout).strip()}"])
    text = Path(tac).read_text()
    for variable, value in {
        "buildmaster_host": "127.0.0.1",
        "port": port,
        "workername": name,
        "passwd": password,
        "maxdelay": 10,
        "basedir": workdir,
    }.items():
        text = re.sub(rf"^{variable} = .*$", lambda _, v=value, n=variable: f"{n} = {v!r}", text, flags=re.MULTILINE)
    if "class Leash" not in text:
        text += LEASH
    fd = os.open(tac + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as new:
        new.write(text)
    os.replace(tac + ".new", tac)
    _tell_about_us(workdir)


def _tell_about_us(workdir: str) -> None:
    """The texts that the worker gives as its administrator and host, unless somebody wrote better ones."""
    for file, text, sample in (
        ("admin", "the master's own user\n", "Your Name Here"),
        ("host", "the master's host\n", "Please put"),
    ):
        path = Path(workdir, "info", file)
        if not path.exists() or path.read_text().startswith(sample):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
