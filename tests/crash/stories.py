"""The histories that are crashed: changes to builds through a stable timer, force, trigger, cancel, reconfiguration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from buildmaster.changes.base import PollingChangeSource
from buildmaster.changes.reporting import Reporter
from buildmaster.plugins import schedulers, steps
from tests.crash.parts import MAKE, at_once, cancel, change, config, force, forced, stable, work
from tests.crash.story import Input, Pause, Reconfigure, Restart, Story

PUSH = Story(
    "push",
    config(stable("b")),
    [change("1"), Pause(20), change("2", files=["README"]), Pause(61), change("3"), change("4"), Pause(70)],
    script=work,
)

COLLAPSE = Story(
    "collapse",
    config(at_once("b"), builders={"b": [MAKE]}),
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


CANCEL = Story(
    "cancel",
    config(forced("b")),
    [force("ann", 1), Pause(1), cancel("b"), Pause(30)],
    script=work,
    may_differ=("cancelled builds",),  # a request that is cancelled before it is built again has none
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
    config(at_once("b"), collapseRequests=_ask, builders={"b": [MAKE]}),
    [change("1"), change("2"), change("3"), Pause(10)],
    script=work,
)

_ONE, _TWO = {"b": [MAKE]}, {"b": [MAKE], "c": [MAKE]}

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

PATH = [PUSH, POLL, COLLAPSE, FORCE, TRIGGER, CANCEL, HELD, RECONFIG, RESTART]
