"""Whatever is stuck ends, or is tried again, at a deadline that the configuration may set; Stop always ends a build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.aio import as_deferred
from buildmaster.base.results import CANCELLED, EXCEPTION, RETRY, SUCCESS
from buildmaster.base.times import datetime2epoch
from buildmaster.db import builds, reasons
from buildmaster.plugins import schedulers, steps
from buildmaster.process.buildstep import BuildStep
from buildmaster.testing.worker import Command, ScriptedConnection, ScriptedWorker
from tests.support.path import BuildPath, configuration

BUILDERS = ("b", "c")


class Ignores(BuildStep):
    """Goes on whatever it is told."""

    name = "ignores"

    def run(self) -> defer.Deferred[int]:
        return defer.Deferred(lambda _: None)

    def interrupt(self, reason: Any) -> defer.Deferred[None]:
        super().interrupt(reason)
        return defer.Deferred()


class Stands(ScriptedConnection):
    """A worker whose answers to some calls never come, though it answers others."""

    mute: tuple[str, ...] = ()

    def remoteStartBuild(self, builderName: str) -> defer.Deferred[None]:
        return defer.Deferred() if "startBuild" in self.mute else super().remoteStartBuild(builderName)

    def remoteStartCommand(self, *args: Any) -> defer.Deferred[None]:
        return defer.Deferred() if "startCommand" in self.mute else super().remoteStartCommand(*args)


async def hang(command: Command) -> None:
    await command.stall()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., BuildPath]]:
    """A master with these steps; keyword arguments are more of its configuration."""
    paths: list[BuildPath] = []

    def make(own: list[Any] | None = None, options: dict[str, Any] | None = None, **more: Any) -> BuildPath:
        each = schedulers.AnyBranchScheduler
        config = configuration(
            lambda: [each(name=name, builderNames=[name]) for name in BUILDERS],
            {"b": own or [], "c": []},
            workers=["w"],
            **more,
        )

        def made_config() -> dict[str, Any]:
            found = config()
            for name, value in (options or {}).items():
                setattr(found["builders"][0], name, value)
            return found

        paths.append(BuildPath(tmp_path, made_config))
        return paths[-1]

    yield make
    for path in paths:
        path.kit.stop()


def never(*args: Any) -> defer.Deferred[Any]:
    return defer.Deferred()


def of(path: BuildPath, name: str) -> list[int | None]:
    """The results of a builder's builds."""
    return [results for builder, _, results in path.builds() if builder == name]


def first(path: BuildPath, name: str, kind: str = "builds") -> Any:
    """The first build (or other resource) of a builder; which of two builders' comes first is not said."""
    (builder,) = [one for one in path.kit.get("builders") if one["name"] == name]
    found = path.kit.get(kind, order=[{"builds": "buildid", "buildrequests": "buildrequestid"}[kind]])
    return next(one for one in found if one["builderid"] == builder["builderid"])


def stop(path: BuildPath) -> None:
    """Press Stop at the first build of ``b``."""
    where = ("builds", first(path, "b")["buildid"])
    path.kit.call(path.master.data.control, "stop", {"reason": "enough"}, where)


def attach(path: BuildPath, *mute: str) -> ScriptedWorker:
    worker = ScriptedWorker(path.master, "w")
    conn = worker.conn = Stands(worker)
    conn.mute = mute
    path.kit.wait_for(as_deferred(path.master.workers.newConnection(conn, "w")))
    return worker


# -- callbacks that never answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["canStartBuild", "nextBuild", "nextWorker"])
@pytest.mark.parametrize("seconds", [60, 7])
def test_a_callback_of_a_builder_is_asked_again(made: Any, name: str, seconds: int) -> None:
    """The other builder builds meanwhile, the reason is kept, and a minute after the deadline it is asked anew."""
    asked: list[float] = []

    def callback(*args: Any) -> Any:
        asked.append(path.kit.reactor.seconds())
        if len(asked) == 1:
            return defer.Deferred()
        return {"canStartBuild": lambda: True, "nextBuild": lambda: args[1][0], "nextWorker": lambda: args[1][0]}[
            name
        ]()

    path = made(options={name: callback}, **({} if seconds == 60 else {"deadlines": {"callback": seconds}}))
    path.attach()
    path.change("r1")
    path.kit.pump()
    assert (of(path, "b"), of(path, "c")) == ([], [SUCCESS])
    path.kit.advance(seconds)
    request = first(path, "b", "buildrequests")["buildrequestid"]
    (told,) = path.kit.call(path.master.db.read, reasons.of, "buildrequest", [request])
    assert (told.actor, told.verdict) == ("builder:b", "no answer")
    assert f"gave no answer within {seconds} s" in told.detail["error"]
    path.kit.advance(60)
    assert of(path, "b") == [SUCCESS]
    assert len(asked) == 2


def test_prioritize_builders_gives_way_to_the_built_in_order(made: Any) -> None:
    path = made(prioritizeBuilders=never, deadlines={"callback": 5})
    path.attach()
    path.change("r1")
    path.kit.advance(4)
    assert path.builds() == []
    path.kit.advance(2)
    assert (of(path, "b"), of(path, "c")) == ([SUCCESS], [SUCCESS])


def test_a_collapse_function_that_never_answers_holds_no_request_for_ever(made: Any) -> None:
    path = made(collapseRequests=lambda master, builder, one, other: defer.Deferred())
    path.change("r1")
    path.change("r2")
    path.attach()
    path.kit.advance(180)
    assert of(path, "b") == [SUCCESS, SUCCESS]


# -- workers -----------------------------------------------------------------------------------------------------------


def test_a_worker_that_does_not_take_the_build_is_disconnected_and_the_build_done_again(made: Any) -> None:
    path = made([steps.ShellCommand(command=["make"])])
    worker = attach(path, "startBuild")
    path.change("r1")
    path.kit.advance(121)
    assert RETRY in of(path, "b")
    assert not worker.conn.connected
    attach(path)
    path.kit.advance(30)
    assert of(path, "b")[-1] == SUCCESS
    assert path.requests() == [(True, SUCCESS), (True, SUCCESS)]


def test_a_worker_that_takes_no_command_is_disconnected_and_the_build_done_again(made: Any) -> None:
    path = made([steps.ShellCommand(command=["make"], timeout=None)], deadlines={"command_start": 20})
    worker = attach(path, "startCommand")
    path.change("r1")
    path.kit.advance(19)
    assert of(path, "b") == [None]
    path.kit.advance(2)
    assert of(path, "b") == [RETRY]
    assert not worker.conn.connected
    attach(path)
    path.kit.advance(30)
    assert of(path, "b") == [RETRY, SUCCESS]


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (lambda: steps.ShellCommand(command=["make"], timeout=30), 30 + 120),
        (lambda: steps.ShellCommand(command=["make"], timeout=None, maxTime=100), 100 + 120),
        (lambda: steps.MakeDirectory(dir="x"), 1200),
        (lambda: steps.FileDownload("master.cfg", "x"), 1200),
    ],
)
def test_a_command_that_never_ends_is_given_up(made: Any, tmp_path: Path, step: Any, seconds: float) -> None:
    """Though the worker lives and took it."""
    (tmp_path / "master.cfg").touch()
    path = made([step()])
    path.attach(script=hang)
    path.change("r1")
    path.kit.advance(seconds - 1)
    assert of(path, "b") == [None]
    path.kit.advance(2)
    assert of(path, "b") == [EXCEPTION]
    assert path.requests()[0] == (True, EXCEPTION)


def test_a_worker_that_vanishes_without_a_word_is_found_out_and_its_build_done_again(made: Any) -> None:
    """Keepalive: asked after an hour of silence, given five minutes to answer; both may be configured."""
    path = made([steps.ShellCommand(command=["make"], timeout=None)])
    worker = path.attach(script=hang)
    path.change("r1")
    path.kit.advance(1)
    worker.silent = True
    path.kit.advance(3600 + 300)
    assert of(path, "b") == [RETRY]
    path.attach()
    path.kit.advance(60)
    assert of(path, "b") == [RETRY, SUCCESS]


# -- Stop --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (lambda: steps.ShellCommand(command=["make"], timeout=None), 10),
        (lambda: steps.ShellCommand(command=["make"], timeout=None, sigtermTime=5), 15),
        (Ignores, 15),
        (lambda: steps.ShellCommand(command=["make"], doStepIf=never), 15),
        (lambda: steps.ShellCommand(command=["make"], hideStepIf=never), 15),
    ],
)
@pytest.mark.parametrize("vanished", [False, True])
def test_stop_ends_a_build_within_seconds(made: Any, step: Any, seconds: float, vanished: bool) -> None:
    """Of a step that ignores it, on a worker that ignores it or is no longer there."""
    path = made([step()])
    worker = path.attach(script=hang)
    worker.deaf, worker.silent = True, vanished
    path.change("r1")
    path.kit.advance(1)
    stop(path)
    path.kit.advance(seconds + 0.5)
    build = first(path, "b")
    assert (build["complete"], build["results"]) == (True, CANCELLED)
    assert datetime2epoch(build["complete_at"]) - datetime2epoch(build["started_at"]) <= seconds + 1.5
    assert path.requests()[0] == (True, CANCELLED)


def test_stop_ends_a_build_that_its_worker_has_not_taken(made: Any) -> None:
    path = made()
    attach(path, "startBuild")
    path.change("r1")
    path.kit.advance(1)
    stop(path)
    path.kit.pump()
    assert first(path, "b")["results"] == CANCELLED


def test_the_deadline_of_stop_may_be_configured(made: Any) -> None:
    path = made([Ignores()], deadlines={"step_stop": 3})
    path.attach()
    path.change("r1")
    path.kit.advance(1)
    stop(path)
    path.kit.advance(2.5)
    assert of(path, "b") == [None]
    path.kit.advance(1)
    assert of(path, "b") == [CANCELLED]


# -- the end of a build ------------------------------------------------------------------------------------------------


class Leaves(BuildStep):
    """A step whose author thought that this ends the step."""

    name = "leaves"

    def run(self) -> int:
        raise SystemExit(0)


def test_a_step_that_exits_ends_its_build_and_nothing_else(made: Any) -> None:
    path = made([Leaves()])
    path.attach()
    path.change("r1")
    path.kit.pump()
    assert (of(path, "b"), of(path, "c")) == ([EXCEPTION], [SUCCESS])


@pytest.mark.parametrize(("seconds", "results"), [(15, [SUCCESS]), (65, [RETRY, SUCCESS])], ids=["a while", "for long"])
def test_a_build_is_not_repeated_because_its_end_could_not_be_stored_at_once(
    made: Callable[..., BuildPath], monkeypatch: pytest.MonkeyPatch, seconds: float, results: list[int]
) -> None:
    finish = builds.finish

    def refusing(txn: Any, row: Any, *args: Any) -> bool:
        if row.results == SUCCESS and txn.now() < until:
            raise ValueError("the database is malformed")
        return finish(txn, row, *args)

    monkeypatch.setattr(builds, "finish", refusing)
    path = made([steps.SetProperty(property="p", value="v")])
    until = path.kit.reactor.seconds() + seconds
    path.attach()
    path.change("1")
    path.kit.advance(200)
    mine = [build for build in path.kit.get("builds", order=["buildid"]) if build["builderid"] == 1]
    assert [build["results"] for build in mine] == results
    assert path.kit.get("builds", mine[-1]["buildid"], "properties")["p"] == ("v", "SetProperty")
