"""The histories that are crashed: changes to builds through a stable timer, force, trigger, cancel, reconfiguration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from buildmaster.changes.base import PollingChangeSource
from buildmaster.changes.reporting import Reporter
from buildmaster.db import schema
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.testing.worker import Command
from tests.crash.story import Input, Pause, Reconfigure, Restart, Story


async def work(command: Command) -> None:
    """What the worker does: a little output, two seconds."""
    command.out("begins\n")
    await command.sleep(1)
    command.err("half\n")
    await command.sleep(1)
    command.out("ends\n")
    command.rc(0)


def config(
    *scheds: Callable[[], Any], builders: dict[str, list[Any]] | None = None, **more: Any
) -> Callable[[], dict[str, Any]]:
    """A configuration of one worker, made anew for each master; each builder is a name and its steps."""

    def make() -> dict[str, Any]:
        made = builders or {"b": [steps.ShellCommand(command=["make"]), steps.SetProperty(property="p", value="v")]}
        return {
            "workers": [worker.Worker("w1", "pw", max_builds=3)],
            "builders": [
                util.BuilderConfig(name=name, workernames=["w1"], factory=util.BuildFactory(list(parts)))
                for name, parts in made.items()
            ],
            "schedulers": [make_one() for make_one in scheds],
            "protocols": {"pb": {"port": 9989}},
            **{key: value() if key == "change_source" else value for key, value in more.items()},
        }

    return make


def change(revision: str, **fields: Any) -> Input:
    """A client sends a change."""

    def act(kit: Any) -> None:
        values = {"author": "a", "revision": revision, "branch": "main", "files": ["f.c"], "comments": f"c {revision}"}
        kit.call(kit.master.data.updates.addChange, repository="r", **{**values, **fields})

    changes = schema.changes
    return Input(
        act,
        lambda conn: conn.execute(sa.select(changes.c.id).where(changes.c.revision == revision)).first() is not None,
    )


def buildsets_exist(count: int) -> Callable[[sa.Connection], bool]:
    """Whether that many buildsets are stored."""
    query = sa.select(sa.func.count()).select_from(schema.buildsets)
    return lambda conn: conn.execute(query).scalar_one() >= count


def force(owner: str, nth: int) -> Input:
    """A user presses the button; it is the ``nth`` buildset of the story."""

    def act(kit: Any) -> None:
        args = {"owner": owner, "reason": f"for {owner}", "branch": "main"}
        kit.call(kit.master.data.control, "force", args, ("forceschedulers", "force"))

    return Input(act, buildsets_exist(nth))


def stable(*builders: str) -> Callable[[], Any]:
    return lambda: schedulers.SingleBranchScheduler(
        name="stable", builderNames=list(builders), treeStableTimer=60, change_filter=util.ChangeFilter(branch="main")
    )


def at_once(*builders: str) -> Callable[[], Any]:
    return lambda: schedulers.AnyBranchScheduler(name="any", builderNames=list(builders), treeStableTimer=None)


def forced(*builders: str) -> Callable[[], Any]:
    return lambda: schedulers.ForceScheduler(name="force", builderNames=list(builders))


PUSH = Story(
    "push",
    config(stable("b")),
    [change("1"), Pause(20), change("2", files=["README"]), Pause(61), change("3"), change("4"), Pause(70)],
    script=work,
)

COLLAPSE = Story(
    "collapse",
    config(at_once("b"), builders={"b": [steps.ShellCommand(command=["make"])]}),
    [*(change(str(n)) for n in range(1, 5)), Pause(10)],
    workers=("w1",),
    script=work,
)

FORCE = Story("force", config(forced("b")), [force("ann", 1), Pause(1), force("bob", 2), Pause(10)], script=work)


def _trigger_builders() -> dict[str, list[Any]]:
    return {
        "parent": [
            steps.ShellCommand(command=["before"], name="before"),
            steps.Trigger(schedulerNames=["child"], waitForFinish=True, name="trigger"),
            steps.ShellCommand(command=["after"], name="after"),
        ],
        "one": [steps.ShellCommand(command=["one"])],
        "two": [steps.ShellCommand(command=["two"])],
    }


TRIGGER = Story(
    "trigger",
    config(
        at_once("parent"),
        lambda: schedulers.Triggerable(name="child", builderNames=["one", "two"]),
        builders=_trigger_builders(),
    ),
    [change("1"), Pause(30)],
    script=work,
)


def _cancel(kit: Any) -> None:
    kit.call(kit.master.data.control, "cancel", {"reason": "not wanted"}, ("buildrequests", 1))


def _cancelled(conn: sa.Connection) -> bool:
    return conn.execute(sa.select(schema.buildrequests.c.state).where(schema.buildrequests.c.id == 1)).scalar() == 3


CANCEL = Story(
    "cancel",
    config(forced("b")),
    [force("ann", 1), Pause(1), Input(_cancel, _cancelled), Pause(30)],
    script=work,
    may_differ=("builds",),  # a request that is cancelled before it is built again has none
)


class FilePoller(PollingChangeSource):
    """Polls a file of revisions, a line each; changes and place are stored together."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(name="file", pollInterval=30, **kwargs)

    async def poll(self) -> None:
        reporter = Reporter(self.master, "file", "FilePoller")
        revisions = (Path(self.master.basedir) / "revisions").read_text().split()
        seen = await reporter.state("seen", 0)
        found = [
            {"author": "a", "revision": r, "branch": "main", "files": ["f"], "comments": r, "repository": "r"}
            for r in revisions[seen:]
        ]
        await reporter.report(found, {"seen": len(revisions)})


def commit(revision: str) -> Input:
    """Somebody adds a revision to the polled file; the master has no part in it."""

    def act(kit: Any) -> None:
        with (Path(kit.master.basedir) / "revisions").open("a") as file:
            file.write(revision + "\n")

    return Input(act, lambda conn: True)


POLL = Story(
    "poll",
    config(stable("b"), change_source=lambda: [FilePoller()]),
    [commit("1"), commit("2"), Pause(200), commit("3"), Pause(200), commit("4"), commit("5"), Pause(200)],
    script=work,
    prepare=lambda basedir: (basedir / "revisions").touch(),
)


def _ask(master: Any, builder: Any, req1: Any, req2: Any) -> bool:
    return True


HELD = Story(
    "held",
    config(at_once("b"), collapseRequests=_ask, builders={"b": [steps.ShellCommand(command=["make"])]}),
    [change("1"), change("2"), change("3"), Pause(10)],
    script=work,
)

_MAKE = [steps.ShellCommand(command=["make"])]
_ONE, _TWO = {"b": _MAKE}, {"b": _MAKE, "c": _MAKE}

RECONFIG = Story(
    "reconfig",
    config(stable("b"), builders=_ONE),
    [
        change("1"),
        Pause(60.5),  # it is being built
        Reconfigure(config(stable("b"), at_once("b", "c"), builders=_TWO)),
        change("2"),
        Pause(10),
        Reconfigure(config(stable("b"), builders=_ONE)),
        change("3"),
        Pause(100),
        Reconfigure(config(stable("b"), at_once("c"), builders=_TWO)),
        change("4"),
        Pause(100),
    ],
    script=work,
)

RESTART = Story(
    "restart",
    config(stable("b"), at_once("b"), collapseRequests=False),
    [change("1"), Pause(1), Restart(5), change("2"), Pause(1), Restart(100), Pause(10), change("3"), Pause(70)],
    script=work,
)

ALL = [PUSH, POLL, COLLAPSE, FORCE, TRIGGER, CANCEL, HELD, RECONFIG, RESTART]
