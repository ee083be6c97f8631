"""From a change to a finished build on a whole master in memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.results import CANCELLED, EXCEPTION, RETRY, SKIPPED, SUCCESS
from buildmaster.db import explaining, reasons
from buildmaster.plugins import schedulers, steps, util
from buildmaster.testing.sync import NotFired
from buildmaster.testing.worker import Command
from tests.support.path import BuildPath, configuration


def stable(**more: Any) -> Any:
    more = {"builderNames": ["b"], "change_filter": util.ChangeFilter(branch="main"), "treeStableTimer": 60, **more}
    return schedulers.SingleBranchScheduler(**{"name": "stable", **more})


def each(**more: Any) -> Any:
    return schedulers.AnyBranchScheduler(**{"name": "each", "builderNames": ["b"], **more})


NEVER = util.ChangeFilter(branch="never")


def forced() -> Any:
    return schedulers.ForceScheduler(name="force", builderNames=["b"], username=util.FixedParameter("username"))


def test_changes_are_built_together_when_the_tree_has_been_stable(tmp_path: Path) -> None:
    """Every important change starts the timer anew; the build includes all of them and checks out the newest."""
    path = BuildPath(tmp_path, configuration(lambda: [stable()]))
    path.attach()
    for revision in ("r1", "r2", "r3"):
        path.change(revision)
        path.kit.advance(59)
    assert path.buildsets() == []
    path.kit.advance(1)
    path.kit.pump()
    assert path.buildsets() == [["r3"]]
    assert path.builds() == [("b", 1, SUCCESS)]
    assert path.changes_of(1) == ["r1", "r2", "r3"]
    path.kit.advance(1000)
    assert len(path.buildsets()) == 1
    path.kit.stop()


def test_an_unimportant_change_is_built_with_the_next_important_one(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [stable(fileIsImportant=lambda change: "f.c" in change.files)]))
    path.attach()
    path.change("doc", files=["README"])
    path.kit.advance(1000)
    assert path.buildsets() == []
    path.change("code")
    path.kit.advance(60)
    assert path.changes_of(1) == ["doc", "code"]
    path.kit.stop()


def test_only_important_changes_are_listed_if_that_is_wanted(tmp_path: Path) -> None:
    important = lambda change: defer.succeed("f.c" in change.files)  # noqa: E731
    path = BuildPath(tmp_path, configuration(lambda: [stable(fileIsImportant=important, onlyImportant=True)]))
    path.attach()
    path.change("doc", files=["README"])
    path.change("code")
    path.kit.advance(60)
    assert path.changes_of(1) == ["code"]
    recorded = path.kit.call(path.master.db.read, reasons.of, "change", [1, 2])
    assert [(r.subjectid, r.actor, r.verdict) for r in recorded] == [(1, "scheduler:stable", "unimportant")]
    path.kit.stop()


def test_a_timer_outlasts_the_master(tmp_path: Path) -> None:
    """A deadline that passes while the master is down is met at the next start, once."""
    config = configuration(lambda: [stable()])
    path = BuildPath(tmp_path, config)
    path.change("r1")
    path.kit.advance(30)
    path = path.crash_and_restart(config, after=10)
    path.kit.advance(19)
    assert path.buildsets() == []
    path = path.crash_and_restart(config, after=100)
    path.kit.pump()
    assert path.buildsets() == [["r1"]]
    path = path.crash_and_restart(config, after=100)
    path.kit.advance(1000)
    assert path.buildsets() == [["r1"]]
    path.kit.stop()


def test_each_branch_has_a_timer_of_its_own(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [each(treeStableTimer=60)], collapseRequests=False))
    path.change("a1", branch="a")
    path.kit.advance(30)
    path.change("b1", branch="b")
    path.change("a2", branch="a")
    path.kit.advance(59)
    assert path.buildsets() == []
    path.kit.advance(1)
    assert sorted(path.buildsets()) == [["a2"], ["b1"]]
    path.kit.stop()


def test_a_disabled_scheduler_skips_what_comes_while_it_is_off(tmp_path: Path) -> None:
    config = configuration(lambda: [stable(), each()])
    path = BuildPath(tmp_path, config)
    ids = {scheduler["name"]: scheduler["schedulerid"] for scheduler in path.kit.get("schedulers")}
    path.kit.call(path.master.data.control, "enable", {"enabled": False}, ("schedulers", ids["each"]))
    path.change("r1", branch="x")
    path = path.crash_and_restart(config)
    path.change("r2", branch="x")
    path.kit.call(path.master.data.control, "enable", {"enabled": True}, ("schedulers", ids["each"]))
    path.change("r3", branch="x")
    path.kit.advance(100)
    assert path.buildsets() == [["r3"]]
    path.kit.stop()


def test_a_timer_rests_while_its_scheduler_is_off(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [stable()]))
    path.change("r1")
    path.kit.call(path.master.data.updates.schedulerEnable, 1, False)
    path.kit.advance(200)
    assert path.buildsets() == []
    path.kit.call(path.master.data.updates.schedulerEnable, 1, True)
    path.kit.pump()
    assert path.buildsets() == [["r1"]]
    path.kit.stop()


def test_a_stopped_master_skips_nothing(tmp_path: Path) -> None:
    """A change that was stored but not yet decided on when the master was killed is decided on at the next start."""
    config = configuration(lambda: [each()])
    path = BuildPath(tmp_path, config)
    adding = path.master.data.updates.addChange(
        author="me", revision="r1", branch="main", files=["f"], comments="", repository="repo"
    )
    while not adding.called:
        path.kit.reactor.advance(0)
    path = path.crash_and_restart(config)
    path.kit.pump()
    assert path.buildsets() == [["r1"]]
    path.kit.stop()


def test_a_new_scheduler_starts_with_the_next_change(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [forced()]))
    path.change("r1")
    path.kit.reconfig(configuration(lambda: [forced(), each()]))
    path.change("r2")
    assert path.buildsets() == [["r2"]]
    path.kit.stop()


def test_a_scheduler_that_was_removed_while_the_master_was_down_starts_with_the_next_change_too(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [forced(), each()]))
    path = path.crash_and_restart(configuration(lambda: [forced()]))
    path.change("r1")
    path.kit.reconfig(configuration(lambda: [forced(), each()]))
    path.change("r2")
    assert path.buildsets() == [["r2"]]
    path.kit.stop()


def test_a_scheduler_that_is_removed_is_run_by_no_master(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [forced(), each()]))
    path.kit.reconfig(configuration(lambda: [forced()]))
    assert {s["name"]: s["master"] is None for s in path.kit.get("schedulers")} == {"force": False, "each": True}
    path.kit.stop()


def test_what_a_disabled_scheduler_has_passed_over_stays_so_after_a_crash(tmp_path: Path) -> None:
    config = configuration(lambda: [each()])
    path = BuildPath(tmp_path, config)
    path.kit.call(path.master.data.updates.schedulerEnable, 1, False)
    path.change("r1")
    path.kit.call(path.master.data.updates.schedulerEnable, 1, True)
    path = path.crash_and_restart(config)
    path.kit.advance(100)
    assert path.buildsets() == []
    path.kit.stop()


def test_a_scheduler_that_was_removed_and_comes_back_starts_with_the_next_change(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [forced(), each()]))
    path.kit.reconfig(configuration(lambda: [forced()]))
    path.change("r1")
    path.kit.reconfig(configuration(lambda: [forced(), each()]))
    path.change("r2")
    assert path.buildsets() == [["r2"]]
    path.kit.stop()


def test_a_reconfigured_scheduler_uses_its_new_filter_and_keeps_its_timer(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [stable()]))
    path.change("r1")
    path.kit.advance(30)
    path.kit.reconfig(configuration(lambda: [stable(change_filter=util.ChangeFilter(branch="other"))]))
    path.change("r2")
    path.change("r3", branch="other")
    path.kit.advance(60)
    assert path.buildsets() == [["r3"]]
    path.kit.stop()


class Doubling(schedulers.AnyBranchScheduler.__mro__[2]):  # ReconfigurableBaseScheduler
    """A user's scheduler: two buildsets for each change."""

    async def activate(self) -> None:
        await super().activate()
        await self.startConsumingChanges()

    async def gotChange(self, change: Any, important: bool) -> None:
        for reason in ("one", "two"):
            await self.addBuildsetForChanges(reason=reason, changeids=[change.number])


def test_what_a_users_scheduler_adds_is_added_once_though_it_decides_twice(tmp_path: Path) -> None:
    """It was killed between its two buildsets: deciding again finds the first and adds the second."""
    config = configuration(lambda: [Doubling(name="double", builderNames=["b"])], collapseRequests=False)
    path = BuildPath(tmp_path, config)

    def crash_after_the_first(signal: str) -> None:
        if signal == "after-commit" and len(_stored_buildsets(tmp_path)) == 1:
            raise Crash

    path.master.db.probe = crash_after_the_first
    with pytest.raises(Crash):
        path.change("r1")
    assert len(_stored_buildsets(tmp_path)) == 1
    path = path.crash_and_restart(config)
    path.kit.pump()
    assert [b["reason"] for b in path.kit.get("buildsets", order=["bsid"])] == ["one", "two"]
    path.kit.stop()


class Crash(BaseException):
    """The process ends here."""


def _stored_buildsets(basedir: Path) -> list[Any]:
    with sqlite3.connect(basedir / "state.sqlite") as conn:
        return conn.execute("select id from buildsets").fetchall()


def test_a_callback_that_raises_is_a_reason_and_harms_no_other_scheduler(tmp_path: Path) -> None:
    def broken(change: Any) -> bool:
        raise RuntimeError("no such thing")

    path = BuildPath(
        tmp_path,
        configuration(lambda: [stable(fileIsImportant=broken, treeStableTimer=None), each()]),
    )
    path.change("r1")
    assert path.buildsets() == [["r1"]]
    (recorded,) = path.kit.call(path.master.db.read, reasons.of, "change", [1])
    assert (recorded.actor, recorded.verdict) == ("scheduler:stable", "error")
    assert recorded.detail == {"error": "RuntimeError: no such thing"}
    path.kit.stop()


def test_a_callback_that_never_answers_is_given_up(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [each(fileIsImportant=lambda change: defer.Deferred())]))
    path.change("r1")
    path.kit.advance(61)
    (recorded,) = path.kit.call(path.master.db.read, reasons.of, "change", [1])
    assert recorded.verdict == "error"
    assert "gave no answer within 60 s" in recorded.detail["error"]
    path.kit.stop()


# -- collapsing --------------------------------------------------------------------------------------------------------


def test_a_newer_request_supersedes_a_waiting_one_and_builds_its_changes(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [each()]))
    for revision in ("r1", "r2", "r3"):
        path.change(revision)
    path.attach()
    path.kit.pump()
    assert path.requests() == [(True, SKIPPED), (True, SKIPPED), (True, SUCCESS)]
    assert path.changes_of(1) == ["r1", "r2", "r3"]
    assert [b["results"] for b in path.kit.get("buildsets", order=["bsid"])] == [SKIPPED, SKIPPED, SUCCESS]
    path.kit.stop()


def test_a_claimed_request_is_not_superseded(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [each()], {"b": [steps.ShellCommand(command=["make"])]}))

    async def slow(command: Command) -> None:
        await command.sleep(10)
        command.rc(0)

    path.attach(script=slow)
    path.change("r1")
    path.kit.advance(1)
    path.change("r2")
    path.change("r3")
    path.kit.advance(30)
    assert path.requests() == [(True, SUCCESS), (True, SKIPPED), (True, SUCCESS)]
    assert path.changes_of(1) == ["r1"]
    assert path.changes_of(2) == ["r2", "r3"]
    path.kit.stop()


def test_a_collapse_function_decides_about_held_requests(tmp_path: Path) -> None:
    asked = []

    def same_author(master: Any, builder: Any, new: Any, old: Any) -> Any:
        asked.append((builder["name"], new["buildrequestid"], old["buildrequestid"]))
        return defer.succeed(old["buildrequestid"] == 1)

    path = BuildPath(tmp_path, configuration(lambda: [each()], collapseRequests=same_author))
    for revision in ("r1", "r2", "r3"):
        path.change(revision)
    path.kit.pump()
    assert asked == [("b", 2, 1), ("b", 3, 2)]
    assert path.requests() == [(True, SKIPPED), (False, -1), (False, -1)]
    path.kit.stop()


def test_the_documented_rule_can_be_asked_by_a_collapse_function(tmp_path: Path) -> None:
    from buildmaster.process.buildrequest import BuildRequest

    path = BuildPath(
        tmp_path,
        configuration(lambda: [each()], collapseRequests=lambda m, b, r1, r2: BuildRequest.canBeCollapsed(m, r1, r2)),
    )
    for branch in ("main", "main", "other"):
        path.change("r1", branch=branch)
    assert path.requests() == [(True, SKIPPED), (False, -1), (False, -1)]
    path.kit.stop()


def test_a_slow_collapse_function_holds_up_only_its_own_builders_new_request(tmp_path: Path) -> None:
    pending: list[defer.Deferred[bool]] = []

    def slow(master: Any, builder: Any, new: Any, old: Any) -> defer.Deferred[bool]:
        pending.append(defer.Deferred())
        return pending[-1]

    config = configuration(lambda: [each(builderNames=["b", "c"])], {"b": [], "c": []}, collapseRequests=slow)

    def only_b() -> dict[str, Any]:
        made = config()
        made["builders"][1].collapseRequests = False
        return made

    path = BuildPath(tmp_path, only_b)
    path.change("r1")
    path.change("r2")
    path.attach()
    path.kit.pump()
    assert sorted(path.builds()) == [("b", 1, SUCCESS), ("c", 1, SUCCESS), ("c", 2, SUCCESS)]
    why = path.kit.call(path.master.botmaster.why_waiting, 3)
    assert [cause.kind for cause in why] == ["held"]
    path.kit.advance(60)
    assert sorted(path.builds())[:2] == [("b", 1, SUCCESS), ("b", 2, SUCCESS)]
    path.kit.stop()


def test_held_requests_are_decided_on_after_a_restart(tmp_path: Path) -> None:
    """The function never answered; the process was killed; the next one asks it again."""
    answers: list[Any] = [defer.Deferred()]
    config = configuration(lambda: [each()], collapseRequests=lambda *args: answers[-1])
    path = BuildPath(tmp_path, config)
    path.change("r1")
    path.change("r2")
    answers.append(True)
    path = path.crash_and_restart(config, after=1)
    path.kit.pump()
    assert path.requests() == [(True, SKIPPED), (False, -1)]
    path.kit.stop()


# -- forcing, cancelling, priorities -----------------------------------------------------------------------------------


def test_force_adds_a_buildset_with_the_forms_properties(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [forced()]))
    buildsetid, requestids = path.force(reason="because", branch="main")
    assert requestids == {1: 1}
    (buildset,) = path.kit.get("buildsets")
    assert buildset["bsid"] == buildsetid
    assert buildset["reason"] == "A build was forced by 'me@x.org': because"
    assert path.kit.get("buildsets", buildsetid, "properties") == {
        "owner": ("me@x.org", "Force Build Form"),
        "reason": ("because", "Force Build Form"),
        "scheduler": ("force", "Scheduler"),
    }
    path.kit.stop()


def test_a_waiting_request_is_cancelled_at_once(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [forced()]))
    path.force()
    path.kit.call(path.master.data.control, "cancel", {"reason": "not needed"}, ("buildrequests", 1))
    assert path.requests() == [(True, CANCELLED)]
    (recorded,) = path.kit.call(path.master.db.read, reasons.of, "buildrequest", [1])
    assert (recorded.verdict, recorded.detail) == ("cancelled", {"reason": "not needed"})
    path.attach()
    path.kit.pump()
    assert path.builds() == []
    path.kit.stop()


async def endless(command: Command) -> None:
    await command.sleep(10_000)
    command.rc(0)


def test_the_build_of_a_cancelled_request_is_stopped(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [forced()], {"b": [steps.ShellCommand(command=["make"])]}))
    path.attach(script=endless)
    path.force()
    path.kit.advance(5)
    path.kit.call(path.master.data.control, "cancel", {"reason": "enough"}, ("buildrequests", 1))
    path.kit.advance(60)
    assert path.builds() == [("b", 1, CANCELLED)]
    assert path.requests() == [(True, CANCELLED)]
    path.kit.stop()


def test_a_cancel_outlasts_the_master(tmp_path: Path) -> None:
    """The master is killed after it was told to cancel and before the build has stopped: it is not built again."""
    config = configuration(lambda: [forced()], {"b": [steps.ShellCommand(command=["make"])]})
    path = BuildPath(tmp_path, config)

    async def deaf(command: Command) -> None:
        await defer.Deferred()  # nothing wakes it up

    path.attach(script=deaf)
    path.force()
    path.kit.advance(5)
    path.kit.call(path.master.data.control, "cancel", {"reason": "enough"}, ("buildrequests", 1))
    path = path.crash_and_restart(config)
    path.attach()
    path.kit.advance(60)
    assert path.builds() == [("b", 1, RETRY)]
    assert path.requests() == [(True, CANCELLED)]
    path.kit.stop()


def test_requests_are_built_by_priority_then_by_age(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [forced()], collapseRequests=False))
    order: list[int] = []
    path.master.mq.startConsuming(lambda key, body: order.append(body["buildrequestid"]), ("builds", None, "new"))
    for priority in (0, 1, 0, 1):
        path.force(priority=priority)
    path.kit.call(path.master.data.control, "set_priority", {"priority": 2}, ("buildrequests", 3))
    path.attach()
    path.kit.advance(10)
    assert order == [3, 2, 4, 1]
    path.kit.stop()


# -- distributing ------------------------------------------------------------------------------------------------------


def test_next_build_chooses_the_request(tmp_path: Path) -> None:
    def release_first(builder: Any, requests: list[Any]) -> Any:
        for request in requests:
            if request.source.branch == "release":
                return request
        return defer.succeed(requests[0])

    path = BuildPath(
        tmp_path,
        configuration(lambda: [each()], collapseRequests=False, builder_options={"nextBuild": release_first}),
    )
    for branch in ("main", "release", "main"):
        path.change("r", branch=branch)
    path.attach()
    path.kit.advance(1)
    found = path.kit.get("builds", order=["buildid"])
    assert [build["buildrequestid"] for build in found] == [2, 1, 3]
    path.kit.stop()


def test_next_worker_chooses_the_worker_and_may_refuse(tmp_path: Path) -> None:
    answers: list[str | None] = [None, "w2"]

    def next_worker(builder: Any, workers: list[Any], request: Any) -> Any:
        wanted = answers[0]
        return next((wfb for wfb in workers if wfb.worker.workername == wanted), None)

    path = BuildPath(
        tmp_path,
        configuration(lambda: [each()], workers=["w1", "w2"], builder_options={"nextWorker": next_worker}),
    )
    path.attach("w1")
    path.attach("w2")
    path.change("r1")
    assert path.builds() == []
    assert [c.text for c in path.kit.call(path.master.botmaster.why_waiting, 1)] == ["nextWorker chose no worker"]
    answers.pop(0)
    path.kit.advance(61)
    (build,) = path.kit.get("builds")
    assert path.kit.get("workers", build["workerid"])["name"] == "w2"
    path.kit.stop()


def test_can_start_build_sends_a_build_elsewhere(tmp_path: Path) -> None:
    def can_start(builder: Any, wfb: Any, request: Any) -> Any:
        return defer.succeed(wfb.worker.workername == "w2" and request.properties.getProperty("scheduler") == "each")

    path = BuildPath(
        tmp_path, configuration(lambda: [each()], workers=["w1", "w2"], builder_options={"canStartBuild": can_start})
    )
    path.attach("w1")
    path.change("r1")
    assert path.builds() == []
    path.attach("w2")
    path.kit.pump()
    (build,) = path.kit.get("builds")
    assert path.kit.get("workers", build["workerid"])["name"] == "w2"
    path.kit.stop()


def test_a_can_start_build_that_never_answers_holds_up_no_other_builder(tmp_path: Path) -> None:
    config = configuration(lambda: [each(builderNames=["b", "c"])], {"b": [], "c": []})

    def make() -> dict[str, Any]:
        made = config()
        made["builders"][0].canStartBuild = lambda builder, wfb, request: defer.Deferred()
        return made

    path = BuildPath(tmp_path, make)
    path.attach()
    path.change("r1")
    path.change("r2")
    path.kit.pump()
    assert [build[:2] for build in path.builds()] == [("c", 1), ("c", 2)]
    path.kit.advance(61)
    recorded = path.kit.call(path.master.db.read, reasons.of, "buildrequest", [3])
    assert [(r.actor, r.verdict) for r in recorded] == [("builder:b", "no answer")]
    path.kit.stop()


def test_prioritize_builders_orders_and_leaves_out(tmp_path: Path) -> None:
    def prioritize(master: Any, builders: list[Any]) -> list[Any]:
        builders.sort(key=lambda b: (b.getNewestCompleteTime(), b.getOldestRequestTime()))
        return sorted((b for b in builders if b.name != "never"), key=lambda b: b.name, reverse=True)

    names = ["a", "b", "never"]
    path = BuildPath(
        tmp_path,
        configuration(lambda: [each(builderNames=names)], {name: [] for name in names}, prioritizeBuilders=prioritize),
    )
    path.change("r1")
    path.attach()
    path.kit.advance(120)
    assert path.builds() == [("b", 1, SUCCESS), ("a", 1, SUCCESS)]
    path.kit.stop()


def test_a_builders_lock_keeps_requests_waiting_and_says_so(tmp_path: Path) -> None:
    lock = util.MasterLock("disk")

    def config() -> dict[str, Any]:
        made = configuration(
            lambda: [each(builderNames=["b", "c"])],
            {name: [steps.ShellCommand(command=["make"])] for name in ("b", "c")},
            workers=["w1", "w2"],
        )()
        for builder in made["builders"]:
            builder.locks = [lock.access("exclusive")]
        return made

    async def slow(command: Command) -> None:
        await command.sleep(10)
        command.rc(0)

    path = BuildPath(tmp_path, config)
    path.attach("w1", slow)
    path.attach("w2", slow)
    path.change("r1")
    path.kit.advance(5)
    path.change("r2")
    path.kit.advance(1)
    waiting = [r["buildrequestid"] for r in path.kit.get("buildrequests") if not r["claimed"]]
    why = path.kit.call(path.master.botmaster.why_waiting, waiting[-1])
    assert why[0].kind in ("lock", "workers")
    path.kit.advance(60)
    assert {build[2] for build in path.builds()} == {SUCCESS}
    path.kit.stop()


# -- losing things -----------------------------------------------------------------------------------------------------


def test_a_build_whose_master_is_killed_is_retried_once(tmp_path: Path) -> None:
    config = configuration(lambda: [each()], {"b": [steps.ShellCommand(command=["make"])]})
    path = BuildPath(tmp_path, config)
    path.attach(script=endless)
    path.change("r1")
    path.kit.advance(5)
    path = path.crash_and_restart(config, after=5)
    path.kit.pump()
    assert path.builds() == [("b", 1, RETRY)]
    assert path.requests() == [(False, -1)]
    path.attach()
    path.kit.advance(5)
    assert path.builds() == [("b", 1, RETRY), ("b", 2, SUCCESS)]
    assert path.requests() == [(True, SUCCESS)]
    path.kit.stop()


def test_after_five_retries_a_request_ends_as_exception(tmp_path: Path) -> None:
    config = configuration(lambda: [each()], {"b": [steps.ShellCommand(command=["make"])]})
    path = BuildPath(tmp_path, config)
    path.change("r1")
    for _ in range(6):
        worker = path.attach(script=endless)
        path.kit.advance(5)
        worker.drop()
        path.kit.advance(5)
    assert [results for _, _, results in path.builds()] == [RETRY] * 6
    assert path.requests() == [(True, EXCEPTION)]
    assert path.kit.get("buildsets", 1)["results"] == EXCEPTION
    path.kit.stop()


def test_a_clean_shutdown_waits_for_running_builds_and_starts_no_others(tmp_path: Path) -> None:
    path = BuildPath(
        tmp_path,
        configuration(lambda: [each()], {"b": [steps.ShellCommand(command=["make"])]}, collapseRequests=False),
    )

    async def slow(command: Command) -> None:
        await command.sleep(10)
        command.rc(0)

    path.attach(script=slow)
    path.change("r1")
    path.change("r2")
    path.kit.advance(1)
    down = path.master.botmaster.cleanShutdown(stopReactor=False)
    path.kit.advance(1)
    assert not down.called
    assert [c.kind for c in path.kit.call(path.master.botmaster.why_waiting, 2)] == ["shutting down"]
    path.kit.advance(20)
    assert down.called
    assert path.builds() == [("b", 1, SUCCESS)]
    path.kit.stop()


def test_a_clean_shutdown_can_be_called_off(tmp_path: Path) -> None:
    path = BuildPath(
        tmp_path,
        configuration(lambda: [each()], {"b": [steps.ShellCommand(command=["make"])]}, collapseRequests=False),
    )

    async def slow(command: Command) -> None:
        await command.sleep(10)
        command.rc(0)

    path.attach(script=slow)
    path.change("r1")
    path.change("r2")
    path.kit.advance(1)
    path.master.botmaster.cleanShutdown(stopReactor=False)
    path.master.botmaster.cancelCleanShutdown()
    path.kit.advance(30)
    assert path.builds() == [("b", 1, SUCCESS), ("b", 2, SUCCESS)]
    path.kit.stop()


def test_a_builder_that_leaves_the_configuration_finishes_its_build(tmp_path: Path) -> None:
    config = configuration(
        lambda: [each(builderNames=["b"]), each(name="other", builderNames=["c"], change_filter=NEVER)],
        {"b": [steps.ShellCommand(command=["make"])], "c": []},
    )

    async def slow(command: Command) -> None:
        await command.sleep(10)
        command.rc(0)

    path = BuildPath(tmp_path, config)
    path.attach(script=slow)
    path.change("r1")
    path.kit.advance(1)
    path.kit.reconfig(configuration(lambda: [each(builderNames=["c"])], {"c": []}))
    path.kit.advance(20)
    assert path.builds() == [("b", 1, SUCCESS)]
    assert list(path.master.botmaster.builders) == ["c"]
    path.kit.stop()


def test_why_a_request_waits(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [forced()], collapseRequests=False))
    path.force()
    path.force()
    why = path.kit.call(path.master.botmaster.why_waiting, 2)
    assert [(cause.kind, cause.text) for cause in why] == [
        ("no worker attached", "no worker of builder 'b' is connected: w"),
        ("behind", "1 request of this builder is served first"),
    ]
    path.kit.stop()


def test_twenty_changes_in_a_burst_are_one_build_of_the_newest(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [stable(treeStableTimer=5)]))
    for number in range(20):
        path.change(f"r{number}")
        path.kit.advance(0.2)
    path.attach()
    path.kit.advance(10)
    assert path.buildsets() == [["r19"]]
    assert path.changes_of(1) == [f"r{number}" for number in range(20)]
    path.kit.stop()


@pytest.mark.parametrize("attached", [False, True])
def test_nothing_waits_for_time_to_pass_when_it_could_be_built(tmp_path: Path, attached: bool) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [each()]))
    if attached:
        path.attach()
    path.change("r1")
    if not attached:
        path.attach()
    path.kit.pump()
    assert path.builds() == [("b", 1, SUCCESS)]
    with pytest.raises(NotFired):
        path.kit.wait_for(defer.Deferred())
    path.kit.stop()


def test_why_a_change_was_built_or_not(tmp_path: Path) -> None:
    def broken(change: Any) -> bool:
        raise RuntimeError("no such thing")

    path = BuildPath(
        tmp_path,
        configuration(
            lambda: [
                each(name="builds"),
                each(name="breaks", fileIsImportant=broken),
                each(name="finds unimportant", fileIsImportant=lambda change: False),
                each(name="refuses", change_filter=NEVER),
                each(name="refuses by a function", change_filter=util.ChangeFilter(branch_fn=lambda branch: False)),
                stable(name="waits"),
                forced(),
            ]
        ),
    )
    change = path.change("r1")
    verdicts = path.kit.call(path.master.db.read, explaining.why_change, change)
    assert {v.scheduler: (v.verdict, v.text) for v in verdicts} == {
        "builds": ("built", "it made buildset 1"),
        "breaks": ("error", "deciding on it failed: RuntimeError: no such thing"),
        "finds unimportant": ("unimportant", "fileIsImportant found it unimportant"),
        "refuses": ("refused", "its branch is 'main'; wanted: branch in ['never']"),
        "refuses by a function": ("refused", "its filter refused it: branch_fn said no to 'main'"),
        "waits": ("waiting", "it waits until the tree has been stable, at 1500000060"),
        "force": (
            "passed over",
            "it does not build changes, came after this one, was switched off then, or does not know its codebase",
        ),
    }
    path.kit.stop()
