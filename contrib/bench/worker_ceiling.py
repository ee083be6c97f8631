#!/usr/bin/env python3
"""What the real worker can do at most: commands and log output against a master that does nothing.

Usage: contrib/bench/worker_ceiling.py [--workers 4] [--seconds 5] [--megabytes 50]

Starts real ``buildbot-worker`` processes that connect to a Perspective Broker port whose objects only answer.  Prints
how many ``true`` commands a second all of them do, first one at a time each, then ten, and how fast one worker delivers
the output of a command in lines of 100 and of 20 bytes, and how long a page that is always the same takes meanwhile.  A
master can't be faster than that on the same machine, where it takes a part of the processors, too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet import defer, reactor, task, threads
from twisted.spread import pb
from twisted.web import server, static

PRINT_LINES = """
import sys
line = "x" * {width} + "\\n"
for _ in range({count} // 1000):
    sys.stdout.write(line * 1000)
"""

ASK = """
import http.client, select, statistics, sys, time
connection, took = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1])), []
while not select.select([sys.stdin], [], [], 0.05)[0]:
    began = time.perf_counter()
    connection.request("GET", "/")
    connection.getresponse().read()
    took.append(1000 * (time.perf_counter() - began))
print(f"{statistics.median(took):.1f} ms, 95 % within {statistics.quantiles(took, n=20)[-1]:.1f} ms")
"""
"""Asks for a page twenty times a second until its standard input ends."""


class Quiet(pb.Referenceable):
    """An object whose every method answers nothing."""

    def remoteMessageReceived(self, broker: Any, message: Any, args: Any, kw: Any) -> Any:
        """Unpack the arguments, as any master has to, and answer None."""
        broker.unserialize(args)
        return broker.serialize(None, None)


class Command(pb.Referenceable):
    """One command on a worker; :attr:`ended` fires when it is complete."""

    def __init__(self) -> None:
        self.ended: defer.Deferred[int] = defer.Deferred()
        self.bytes = 0

    def remote_update(self, updates: list[Any]) -> None:
        """Some output, or the exit status."""
        for update, _ in updates:
            for key, value in update.items():
                if key in ("stdout", "log"):
                    self.bytes += len(value)

    def remote_complete(self, failure: Any = None) -> None:
        """The command has ended."""
        self.ended.callback(self.bytes)


class Realm:
    """Takes each worker, gives it one builder, and keeps the builder's remote end."""

    def __init__(self, count: int) -> None:
        self.builders: list[Any] = []
        self.count = count
        self.complete: defer.Deferred[None] = defer.Deferred()

    def requestAvatar(self, name: Any, mind: Any, *interfaces: Any) -> Any:
        """A worker has logged in."""
        avatar = pb.Avatar()
        avatar.perspective_keepalive = lambda: None  # type: ignore[attr-defined]
        reactor.callLater(0, lambda: defer.ensureDeferred(self._attach(mind)))
        return pb.IPerspective, avatar, lambda: None

    async def _attach(self, mind: Any) -> None:
        await mind.callRemote("getWorkerInfo")
        (builder,) = (await mind.callRemote("setBuilderList", [("b", "b")])).values()
        await builder.callRemote("setMaster", Quiet())
        self.builders.append(builder)
        if len(self.builders) == self.count:
            self.complete.callback(None)


async def run(builder: Any, number: int, command: list[str]) -> int:
    """Have a worker run a command; returns how many bytes it printed."""
    ran = Command()
    await builder.callRemote("startBuild")
    args = {
        "command": command,
        "workdir": "build",
        "env": None,
        "logEnviron": False,
        "want_stdout": 1,
        "want_stderr": 1,
    }
    await builder.callRemote("startCommand", ran, str(number), "shell", args)
    return await ran.ended


async def commands_per_second(builders: list[Any], lanes: int, seconds: float) -> float:
    """How many ``true`` a second all workers do, so many at once on each."""
    until = reactor.seconds() + seconds
    done = 0

    async def lane(builder: Any, first: int) -> None:
        nonlocal done
        while reactor.seconds() < until:
            await run(builder, first + done, ["true"])
            done += 1

    began = reactor.seconds()
    work = [lane(builder, 1000 * n) for builder in builders for n in range(lanes)]
    await defer.gatherResults([defer.ensureDeferred(one) for one in work])
    return done / (reactor.seconds() - began)


async def output_rate(builder: Any, width: int, count: int, page: int) -> tuple[float, float, str]:
    """Megabytes and lines a second that one worker delivers of a command's output, and what a page takes meanwhile.

    ``page`` is the port of the page.
    """
    pipe = subprocess.PIPE
    asking = subprocess.Popen([sys.executable, "-c", ASK, str(page)], stdin=pipe, stdout=pipe, text=True)
    began = reactor.seconds()
    script = PRINT_LINES.format(width=width - 1, count=count)
    printed = await run(builder, 1, [sys.executable, "-c", script])
    took = reactor.seconds() - began
    said, _ = await threads.deferToThread(asking.communicate)
    return printed / 1e6 / took, printed / width / took, said.strip()


def start_workers(count: int, port: int, place: Path) -> list[subprocess.Popen[bytes]]:
    """Make and start so many real workers."""
    started = []
    tool = str(Path(sys.executable).with_name("buildbot-worker"))
    for n in range(count):
        base, address = str(place / f"w{n}"), f"127.0.0.1:{port}"
        subprocess.run([tool, "create-worker", base, address, f"w{n}", "pw"], check=True, stdout=subprocess.DEVNULL)
        started.append(subprocess.Popen([tool, "start", "--nodaemon", base], stdout=subprocess.DEVNULL))
    return started


async def measure(options: argparse.Namespace, say: Callable[[str], None]) -> None:
    """All of it."""
    realm = Realm(options.workers)
    users = InMemoryUsernamePasswordDatabaseDontUse()
    for n in range(options.workers):
        users.addUser(b"w%d" % n, b"pw")
    factory = pb.PBServerFactory(Portal(realm, [users]))  # type: ignore[arg-type]
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    site = reactor.listenTCP(0, server.Site(static.Data(b"{}", "application/json")), interface="127.0.0.1")
    with tempfile.TemporaryDirectory() as place:
        workers = start_workers(options.workers, port.getHost().port, Path(place))
        try:
            await realm.complete.addTimeout(60, reactor)
            for lanes in (1, 10):
                rate = await commands_per_second(realm.builders, lanes, options.seconds)
                say(f"{lanes} at once on each of {options.workers} workers: {rate:.0f} commands/s")
            for width in (100, 20):
                count = options.megabytes * 1_000_000 // width
                megabytes, lines, page = await output_rate(realm.builders[0], width, count, site.getHost().port)
                say(f"output in lines of {width} bytes: {megabytes:.1f} MB/s, {lines:,.0f} lines/s; a page {page}")
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--megabytes", type=int, default=50)
    options = parser.parse_args()
    task.react(lambda _: defer.ensureDeferred(measure(options, print)))


if __name__ == "__main__":
    main()
