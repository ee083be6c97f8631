"""Runs the application of a tac file in this process: what twistd does, and what it cannot tell.

twistd answers as soon as ``startService`` has returned, when a master has not even read its configuration.  Here the
process reports when the master really runs, or why it does not, and ends with a status that says which.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Protocol

from twisted.application import service
from twisted.internet.error import ReactorNotRunning

from buildmaster.base.dirlock import DirectoryLock, DirectoryLocked
from buildmaster.cli.directory import MasterDirectory
from buildmaster.cli.logs import start_logging

DAEMON_UMASK = 0o077
SWITCH_SECONDS = 0.0002
"""After how long a busy thread lets others on: the reactor and the database's threads hand each other small things, and
with Python's 5 ms a page waits for one such turn after the other while a log is being written."""


class Reports(Protocol):
    """Where the outcome of a start is told."""

    def starting(self, line: str) -> None: ...
    def running(self, lines: list[str]) -> None: ...
    def failed(self, lines: list[str]) -> None: ...
    def close(self) -> None: ...


def run(directory: MasterDirectory, tac: Path, report: Reports, daemon: bool) -> int:
    """Run the application until it is stopped; returns the exit status."""
    owner = DirectoryLock(directory.path).owner()
    if owner is not None:
        report.failed([str(DirectoryLocked(directory.path, owner))])
        return 1
    os.chdir(directory.path)
    if daemon:
        os.umask(DAEMON_UMASK)
    sys.path.insert(0, str(directory.path))
    try:
        application = service.loadApplication(str(tac), "python")
        start_logging(application, directory.log_file, daemon)
    except BaseException as e:  # policy: tell whoever waits, and end
        report.failed([f"{tac} could not be run:", *describe_exception(e)])
        return 1
    if os.name == "nt":
        return _run_application(directory, application, report)
    old = _write_pid(directory)
    try:
        return _run_application(directory, application, report)
    finally:
        _remove_pid(directory, old)


def describe_exception(error: BaseException) -> list[str]:
    """An exception as lines for a user: the message, and where in user code it was raised."""
    lines = "".join(traceback.format_exception_only(type(error), error)).rstrip().splitlines()
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/twisted/" not in f.filename and "/buildmaster/" not in f.filename]
    return [*lines, *(f"  at {f.filename}:{f.lineno} in {f.name}" for f in own[-3:])]


def _run_application(directory: MasterDirectory, application: Any, report: Reports) -> int:
    from twisted.internet import reactor as global_reactor

    from buildmaster.life.steady import keep_steady
    from buildmaster.master import BuildMaster

    reactor: Any = global_reactor
    keep_steady(reactor)
    calm_signals(reactor)
    sys.setswitchinterval(SWITCH_SECONDS)
    masters = [s for s in service.IServiceCollection(application) if isinstance(s, BuildMaster)]
    status = {"exit": 0}

    def running(_: Any) -> None:
        report.running([line for master in masters for line in master.describe_running()])

    def failed(failure: Any) -> None:
        status["exit"] = 1
        report.failed(masters[0].describe_failure(failure))

    if masters:
        masters[0].when_running().addCallbacks(running, failed)
    else:
        report.running([f"{directory.path}: the application runs; it holds no BuildMaster"])
    top = service.IService(application)
    top.privilegedStartService()
    top.startService()
    reactor.addSystemEventTrigger("before", "shutdown", top.stopService)
    if status["exit"] == 0:
        reactor.run()
    report.close()
    return status["exit"]


def calm_signals(reactor: Any) -> None:
    """However often it is told to stop, the reactor stops once; a SIGHUP before or after the master's time is nothing.

    Twisted's own handlers raise in the reactor for each further SIGTERM, and a SIGHUP that nobody takes ends a process.
    """

    def stop() -> None:
        with contextlib.suppress(ReactorNotRunning):
            reactor.stop()

    def take() -> None:
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None:
                signal.signal(number, lambda number, frame: reactor.callFromThread(stop))

    for name in ("SIGHUP", "SIGUSR1"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, lambda number, frame: None)
    reactor.callWhenRunning(take)


def _write_pid(directory: MasterDirectory) -> int:
    directory.pid_file.write_text(f"{os.getpid()}", encoding="ascii")
    return os.getpid()


def _remove_pid(directory: MasterDirectory, pid: int) -> None:
    if directory.recorded_pid() == pid:
        directory.pid_file.unlink(missing_ok=True)
