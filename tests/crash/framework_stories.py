"""More histories that are crashed: the other ways to a build request, and what decides about requests that wait."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import task

from buildmaster.net.pbtry import TryPerspective
from buildmaster.plugins import schedulers, steps, util, worker
from tests.crash.parts import MAKE, SLOW, at_once, buildsets_exist, change, config, force, forced, work
from tests.crash.story import Input, Pause, Reconfigure, Story
from tests.support.hook_payloads import github_commit, github_push
from tests.support.http import Client

# -- changes by a web hook, jobs of developers -------------------------------------------------------------------------


def _push(revisions: tuple[str, ...]) -> Input:
    """A web hook tells of several commits at once: they are stored together, or none is.

    Whoever gets no answer sends the same delivery again, whether it was stored or not.
    """
    commits = [github_commit(revision, revision) for revision in revisions]
    payload = json.dumps(github_push(commits=commits, head_commit=commits[-1])).encode()

    def act(kit: Any) -> None:
        headers = {"content_type": "application/json", "x_github_event": "push", "x_github_delivery": revisions[0]}
        answer = Client(kit).post("/change_hook/github", payload, **headers)
        assert (answer.status, answer.text) == (200, f"{len(revisions)} change found")

    return Input(act, lambda conn: False)


PUSHED = Story(
    "pushed together",
    config(
        at_once("b"),
        builders={"b": {"collapseRequests": False}},
        www={"port": 8010, "change_hook_dialects": {"github": {}}},
    ),
    [_push(("1", "2", "3")), Pause(1), _push(("4", "5")), Pause(20)],
    script=work,
    may_differ=("states",),  # the secret of sessions is drawn by lot
)


def _job(nth: int, *builders: str) -> Input:
    """A developer has a patch tried; it is the ``nth`` buildset of the story."""

    def act(kit: Any) -> None:
        client = TryPerspective(kit.master.scheduler_manager.namedServices["try"], "ann")
        patch = (1, f"a patch, number {nth}")
        kit.call(client.perspective_try, "main", "17", patch, "r", "p", list(builders), "ann", "look", {"nth": nth})

    return Input(act, buildsets_exist(nth))


TRY = Story(
    "try",
    config(
        lambda: schedulers.Try_Userpass(name="try", builderNames=["b", "c"], port=9989, userpass=[("ann", "pw")]),
        builders={"b": [MAKE], "c": [steps.Assert(False)]},
    ),
    [_job(1), Pause(1), _job(2, "b"), Pause(1), _job(3, "b"), Pause(20)],
    script=work,
)

# -- schedulers after others, and by the clock -------------------------------------------------------------------------

DEPENDENT = Story(
    "dependent",
    config(
        lambda: schedulers.SingleBranchScheduler(
            name="up", builderNames=["b"], change_filter=util.ChangeFilter(branch="main"), treeStableTimer=10
        ),
        lambda: schedulers.AnyBranchScheduler(name="badly", builderNames=["bad"]),
        lambda: schedulers.Dependent(name="down", upstream=_named("up"), builderNames=["after"]),
        lambda: schedulers.Dependent(name="down2", upstream=_named("badly"), builderNames=["never"]),
        builders={"b": [MAKE], "bad": [steps.Assert(False)], "after": [MAKE], "never": [MAKE]},
    ),
    [change("1"), Pause(30), change("2"), Pause(30)],
    script=work,
)


def _named(name: str) -> Any:
    """Another scheduler of the configuration, as Dependent is given it: what counts is its name."""
    return schedulers.AnyBranchScheduler(name=name, builderNames=["b"])


NIGHTLY = Story(
    "nightly",
    config(
        lambda: schedulers.Nightly(
            name="often",
            builderNames=["b"],
            minute=[0, 20, 40],
            onlyIfChanged=True,
            change_filter=util.ChangeFilter(branch="main"),
        ),
        lambda: schedulers.Nightly(name="always", builderNames=["c"], minute=[10, 40], branch="main"),
        builders={"b": [MAKE], "c": [MAKE]},
    ),
    [change("1"), Pause(1500), change("2"), change("3", branch="other"), Pause(2400)],
    script=work,
    rest=600,
)

PERIODIC = Story(
    "periodic",
    config(
        lambda: schedulers.Periodic(name="often", builderNames=["b"], periodicBuildTimer=600),
        lambda: schedulers.Periodic(
            name="changed",
            builderNames=["c"],
            periodicBuildTimer=900,
            onlyIfChanged=True,
            change_filter=util.ChangeFilter(branch="main"),
        ),
        builders={"b": [MAKE], "c": [MAKE]},
    ),
    [change("1"), Pause(700), change("2"), change("3", branch="other"), Pause(900)],
    script=work,
)

# -- requests that wait ------------------------------------------------------------------------------------------------


async def _same_branch(master: Any, builder: Any, one: Any, two: Any) -> bool:
    """A function of the configuration that looks at buildsets, and takes its time."""
    first, second = [await master.data.get(("buildsets", request["buildsetid"])) for request in (one, two)]
    await task.deferLater(master.reactor, 2, lambda: None)
    branches = [found["sourcestamps"][0]["branch"] for found in (first, second)]
    return branches[0] == branches[1]


ASKED = Story(
    "asked",
    config(at_once("b"), builders={"b": {"collapseRequests": _same_branch, "steps": [SLOW]}}),
    [
        change("1"),
        Pause(15),
        *(change(str(n), branch=branch) for n, branch in ((2, "x"), (3, "y"), (4, "x"), (5, "y"), (6, "x"))),
        Pause(100),
    ],
    script=work,
)


def _two_workers() -> list[Any]:
    """One that comes, and one that never does."""
    return [worker.Worker("w1", "pw", max_builds=3), worker.Worker("w2", "pw")]


_THERE, _AWAY = {"workernames": ["w1"]}, {"workernames": ["w2"]}

REMOVED = Story(
    "removed",
    config(
        at_once("b", "late", "gone"),
        forced("gone"),
        lambda: schedulers.AnyBranchScheduler(name="slowly", builderNames=["late"], treeStableTimer=20),
        builders={"b": _THERE, "late": _AWAY, "gone": _AWAY},
        workers=_two_workers,
    ),
    [
        change("1"),
        Pause(1),
        force("ann", 2),
        Reconfigure(config(at_once("b"), builders={"b": _THERE})),  # while requests of both others wait
        Pause(100),
        change("2"),
        Pause(10),
        Reconfigure(config(at_once("b", "late"), builders={"b": _THERE, "late": _THERE})),
        Pause(10),
        change("3"),
        Pause(30),
    ],
    script=work,
)


FRAMEWORK = [PUSHED, TRY, DEPENDENT, NIGHTLY, PERIODIC, ASKED, REMOVED]
