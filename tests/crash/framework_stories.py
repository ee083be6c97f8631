"""More histories that are crashed: what a framework for builds adds to the path from a change to a build."""

from __future__ import annotations

import json
from typing import Any

from buildmaster.plugins import schedulers, steps, util, worker
from tests.crash.stories import at_once, change, work
from tests.crash.story import Input, Pause, Story
from tests.support.hook_payloads import github_commit, github_push
from tests.support.http import Client
from tests.support.latent import ScriptedLatentWorker

MAKE = steps.ShellCommand(command=["make"], name="make")


def config(builders: dict[str, dict[str, Any]], scheds: list[Any], **more: Any) -> Any:
    """A configuration whose builders are given by their keywords; schedulers and workers are made anew each time."""

    def make() -> dict[str, Any]:
        workers = more.get("workers", lambda: [worker.Worker("w1", "pw", max_builds=3)])()
        made = []
        for name, keywords in builders.items():
            parts = {"steps": [MAKE], **{k: v() if k == "locks" else v for k, v in keywords.items()}}
            factory = util.BuildFactory(list(parts.pop("steps")))
            made.append(util.BuilderConfig(name=name, workernames=["w1"], factory=factory, **parts))
        return {
            "workers": workers,
            "builders": made,
            "schedulers": [one() for one in scheds],
            "protocols": {"pb": {"port": 9989}},
            **more.get("settings", {}),
        }

    return make


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
        {"b": {"collapseRequests": False}},
        [at_once("b")],
        settings={"www": {"port": 8010, "change_hook_dialects": {"github": {}}}},
    ),
    [_push(("1", "2", "3")), Pause(1), _push(("4", "5")), Pause(20)],
    script=work,
    may_differ=("states",),  # the secret of sessions is drawn by lot
)


def _lock() -> list[Any]:
    return [util.MasterLock("one", maxCount=1).access("exclusive")]


LOCKS = Story(
    "locks",
    config({"b": {"locks": _lock}, "c": {"locks": _lock}, "d": {"locks": _lock}}, [at_once("b", "c", "d")]),
    [change("1"), Pause(30), change("2"), Pause(30)],
    script=work,
)

DEPENDENT = Story(
    "dependent",
    config(
        {"b": {}, "bad": {"steps": [steps.Assert(False)]}, "after": {}, "never": {}},
        [
            lambda: schedulers.SingleBranchScheduler(
                name="up", builderNames=["b"], change_filter=util.ChangeFilter(branch="main"), treeStableTimer=10
            ),
            lambda: schedulers.AnyBranchScheduler(name="badly", builderNames=["bad"]),
            lambda: schedulers.Dependent(name="down", upstream=_named("up"), builderNames=["after"]),
            lambda: schedulers.Dependent(name="down2", upstream=_named("badly"), builderNames=["never"]),
        ],
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
        {"b": {}, "c": {}},
        [
            lambda: schedulers.Nightly(
                name="often",
                builderNames=["b"],
                minute=[0, 20, 40],
                onlyIfChanged=True,
                change_filter=util.ChangeFilter(branch="main"),
            ),
            lambda: schedulers.Nightly(name="always", builderNames=["c"], minute=[10, 40], branch="main"),
        ],
    ),
    [change("1"), Pause(1500), change("2"), change("3", branch="other"), Pause(2400)],
    script=work,
    rest=600,
)


class Instances(ScriptedLatentWorker):
    """A latent worker whose instances are recorded, found again after a crash, and then stopped."""

    script = staticmethod(work)

    def start_instance(self, build: Any) -> Any:
        return self.save_instance({"id": "i"}).addCallback(lambda _: super(Instances, self).start_instance(build))

    def recover_instance(self, saved: Any) -> Any:
        return True


LATENT = Story(
    "latent",
    config({"b": {}}, [at_once("b")], workers=lambda: [Instances("w1", "pw", build_wait_timeout=20)]),
    [change("1"), Pause(40), change("2"), Pause(5), change("3"), Pause(60)],
    workers=(),
)
FRAMEWORK = [PUSHED, LOCKS, DEPENDENT, NIGHTLY, LATENT]
