"""Real masters in real processes, for system tests: the command line, a directory, ports, REST."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


def buildmaster(*args: object, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "buildmaster.cli.main", *map(str, args)],
        cwd=cwd,
        env=environment(**environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def environment(**more: str) -> dict[str, str]:
    """The environment of commands: this checkout, and the programs of this interpreter first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, **more}


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_until(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for a true answer, which is returned; errors of a connection count as no answer yet."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            answer = what()
            if answer:
                return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {getattr(what, '__name__', what)}")
        time.sleep(0.05)


CONFIG = """
from buildbot.plugins import changes, schedulers, steps, util, worker
c = BuildmasterConfig = {{}}
c["workers"] = [worker.LocalWorker("local")]
c["protocols"] = {{"pb": {{"port": "tcp:{pb}:interface=127.0.0.1"}}}}
c["change_source"] = [changes.PBChangeSource(user="change", passwd="changepw")]
def builder(name, *command):
    return util.BuilderConfig(
        name=name, workernames=["local"], factory=util.BuildFactory([steps.ShellCommand(command=list(command))])
    )
c["builders"] = [builder("one", "true")]
c["schedulers"] = [
    schedulers.AnyBranchScheduler(name="all", builderNames=["one"]),
    schedulers.ForceScheduler(name="force", builderNames=["one"]),
]
c["www"] = {{"port": "tcp:{web}:interface=127.0.0.1"}}
c["buildbotURL"] = "http://localhost:{web}/"
c["db"] = {{"db_url": "sqlite:///state.sqlite"}}
c["buildbotNetUsageData"] = None
"""


class RealMaster:
    """One master's directory, and the processes that run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.web, self.pb = free_port(), free_port()

    def create(self, *options: object) -> RealMaster:
        """Make the directory, with a configuration of one builder."""
        done = buildmaster("create-master", *options, self.path)
        assert done.returncode == 0, done.stderr
        self.configure()
        return self

    def configure(self, *more: str, config: str = CONFIG) -> None:
        """Write the configuration, with further lines at its end."""
        text = config.format(pb=self.pb, web=self.web)
        (self.path / "master.cfg").write_text("\n".join([text, *more]) + "\n")

    def run(self, verb: str, *options: object) -> subprocess.CompletedProcess[str]:
        """A command on this directory."""
        return buildmaster(verb, *options, self.path)

    def start(self) -> RealMaster:
        """Start it; it has to come to run."""
        done = self.run("start")
        assert done.returncode == 0, done.stderr + self.log()
        return self

    @property
    def pid(self) -> int | None:
        """The process id in the pid file."""
        file = self.path / "twistd.pid"
        return int(file.read_text()) if file.exists() else None

    def log(self) -> str:
        """All of twistd.log."""
        file = self.path / "twistd.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def get(self, path: str) -> list[dict[str, Any]]:
        """What REST answers: the members of a collection, or a list of one."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/api/v2/{path}", timeout=PATIENCE) as answer:
            found = json.load(answer)
        return next(value for name, value in found.items() if name != "meta")

    def control(self, path: str, method: str, **params: Any) -> Any:
        """A REST action; returns its result."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.web}/api/v2/{path}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["result"]

    def kill(self) -> None:
        """End it at once."""
        pid = self.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not lives(pid))

    def end(self) -> None:
        """Make sure that nothing of it runs any more."""
        if self.path.exists():
            self.run("stop")


def lives(pid: int) -> bool:
    """Whether a process runs, zombies excepted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def real_master(path: Path) -> Iterator[RealMaster]:
    """A master that is stopped at the end of the block."""
    master = RealMaster(path)
    try:
        yield master
    finally:
        master.end()
