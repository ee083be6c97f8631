"""Services that cancel builds which nobody needs any more, on a whole master."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import defer

from buildmaster.base.results import CANCELLED, FAILURE, SUCCESS
from buildmaster.plugins import schedulers, steps, util
from buildmaster.testing.worker import Command
from tests.support.path import BuildPath, configuration


class Held:
    """A worker's script: commands end when the test says so; ``running`` has the last one of each builder."""

    def __init__(self) -> None:
        self.running: dict[str, defer.Deferred[int]] = {}

    async def __call__(self, command: Command) -> None:
        result: defer.Deferred[int] = defer.Deferred()
        self.running[command.args["command"]] = result
        command.rc(await result)


def config(*services: Any, builders: tuple[str, ...] = ("b",)) -> Any:
    def each() -> list[Any]:
        return [schedulers.AnyBranchScheduler(name="each", builderNames=list(builders))]

    return configuration(
        each,
        {name: [steps.ShellCommand(command=name)] for name in builders},
        builder_options={"collapseRequests": False},
        services=list(services),
    )


def old_builds() -> Any:
    return util.OldBuildCanceller("old", filters=[(["b"], util.SourceStampFilter())])


def test_a_new_commit_cancels_what_is_built_and_what_waits(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, config(old_builds()))
    script = Held()
    path.attach("w", script)
    path.change("r1", branch="pr")
    path.change("m1", branch="main")
    path.kit.pump()
    assert path.builds() == [("b", 1, None)]
    path.change("m2", branch="main")  # while m1 waits
    path.kit.pump()
    assert path.requests() == [(False, -1), (True, CANCELLED), (False, -1)]
    path.change("r2", branch="pr")  # while r1 is built
    path.kit.advance(60)
    assert path.requests()[0] == (True, CANCELLED)
    while [request for request in path.requests() if not request[0]]:
        script.running["b"].callback(0)
        path.kit.advance(1)
    assert path.requests() == [(True, CANCELLED), (True, CANCELLED), (True, SUCCESS), (True, SUCCESS)]
    path.kit.stop()


def test_a_restart_misses_nothing(tmp_path: Path) -> None:
    """A commit for which there was no time to cancel anything: the first look after the start does it."""
    path = BuildPath(tmp_path, config())
    path.change("r1", branch="pr")
    path.change("r2", branch="pr")
    path.kit.pump()
    assert path.requests() == [(False, -1), (False, -1)]
    path = path.crash_and_restart(config(old_builds()))
    path.kit.pump()
    assert path.requests() == [(True, CANCELLED), (False, -1)]
    path.kit.stop()


def test_a_failure_cancels_the_rest_of_the_buildset(tmp_path: Path) -> None:
    canceller = util.FailingBuildsetCanceller("rest", filters=[(["a"], ["b"], util.SourceStampFilter())])
    path = BuildPath(tmp_path, config(canceller, builders=("a", "b", "c")))
    script = Held()
    path.attach("w", script)
    path.change("r1")
    path.kit.pump()
    assert sorted(script.running) == ["a", "b", "c"]
    script.running["a"].callback(1)
    path.kit.advance(60)
    assert {name: results for name, _, results in path.builds()} == {"a": FAILURE, "b": CANCELLED, "c": None}
    script.running["c"].callback(0)
    path.kit.advance(1)
    assert {name: results for name, _, results in path.builds()} == {"a": FAILURE, "b": CANCELLED, "c": SUCCESS}
    path.kit.stop()
