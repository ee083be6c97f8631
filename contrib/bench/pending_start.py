#!/usr/bin/env python3
"""How long a master takes to start with many pending build requests.

Usage: contrib/bench/pending_start.py [COUNT]      (default 25000)

Makes a master directory with a hundred builders whose worker never connects, fills its database with that many pending
requests, starts the master twice and prints the seconds until it says that it runs.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.db import schema

BUILDERS = 100
COMMAND = [sys.executable, "-m", "buildmaster.cli.main"]
CONFIG = """
from buildbot.plugins import schedulers, steps, util, worker
c = BuildmasterConfig = {{}}
c["workers"] = [worker.Worker("absent", "pass")]
c["protocols"] = {{"pb": {{"port": "tcp:{pb}:interface=127.0.0.1"}}}}
c["www"] = {{"port": "tcp:{web}:interface=127.0.0.1"}}
c["buildbotURL"] = "http://127.0.0.1:{web}/"
c["builders"] = [
    util.BuilderConfig(name="b%d" % n, workernames=["absent"],
                       factory=util.BuildFactory([steps.ShellCommand(command=["true"])]))
    for n in range({builders})
]
c["schedulers"] = [schedulers.ForceScheduler(name="force", builderNames=["b%d" % n for n in range({builders})])]
"""


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def run(verb: str, path: Path) -> float:
    """Run a command on the master's directory; returns how long it took in seconds."""
    began = time.perf_counter()
    subprocess.run([*COMMAND, verb, str(path)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def fill(path: Path, count: int) -> None:
    """Store pending requests, each with a buildset and a source stamp of its own."""
    engine = sa.create_engine(f"sqlite:///{path}/state.sqlite")
    at = time.time()
    with engine.begin() as conn:
        builders = list(conn.execute(sa.select(schema.builders.c.id).order_by(schema.builders.c.id)).scalars())
        ids = range(1, count + 1)
        conn.execute(
            schema.sourcestamps.insert(),
            [
                {"id": n, "content_hash": f"{n:040x}", "branch": f"b{n}", "repository": "r", "codebase": "",
                 "project": "", "created_at": at}
                for n in ids
            ],
        )  # fmt: skip
        conn.execute(
            schema.buildsets.insert(),
            [{"id": n, "reason": "", "submitted_at": at, "complete": 0, "properties": "{}"} for n in ids],
        )
        conn.execute(schema.buildset_sourcestamps.insert(), [{"buildsetid": n, "sourcestampid": n} for n in ids])
        conn.execute(
            schema.buildrequests.insert(),
            [
                {"id": n, "buildsetid": n, "builderid": builders[n % len(builders)], "priority": 0,
                 "state": int(RequestState.PENDING), "submitted_at": at, "waited_for": 0, "retries": 0,
                 "collapse_key": f"{n:040x}"}
                for n in ids
            ],
        )  # fmt: skip
    engine.dispose()


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 25_000
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "master"
        subprocess.run([*COMMAND, "create-master", str(path)], check=True, stdout=subprocess.DEVNULL)
        (path / "master.cfg").write_text(CONFIG.format(pb=free_port(), web=free_port(), builders=BUILDERS))
        print(f"start, nothing pending: {run('start', path):.2f} s")
        run("stop", path)
        fill(path, count)
        for _ in range(2):
            print(f"start, {count} requests pending: {run('start', path):.2f} s")
            run("stop", path)


if __name__ == "__main__":
    main()
