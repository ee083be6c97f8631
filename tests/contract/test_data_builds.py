"""What ``master.data`` promises of buildsets, requests, builds, steps and logs, on every database."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from buildmaster.base.results import SUCCESS
from buildmaster.base.times import UTC
from buildmaster.data.base import ListResult
from buildmaster.data.exceptions import (
    InvalidActionException,
    InvalidControlException,
    InvalidPathError,
)
from buildmaster.data.resultspec import Filter, Property, ResultSpec
from buildmaster.properties.values import Properties
from tests.contract.conftest import Place
from tests.support.core import CoreMaster

T0 = 1_700_000_000


@pytest.fixture
def master(place: Place) -> CoreMaster:
    return CoreMaster(place)


# -- buildsets and requests ----------------------------------------------------------------------------------------


def test_a_buildset_lists_its_source_stamps_and_requests(master: CoreMaster) -> None:
    heard = master.listen(None, None, "new")
    one, two = master.update("findBuilderId", "one"), master.update("findBuilderId", "two")
    bsid, brids = master.update(
        "addBuildset",
        False,
        scheduler="sched",
        sourcestamps=[
            {"codebase": "a", "revision": "1", "branch": None},
            {"codebase": "b", "patch_body": b"\xff\0", "patch_level": 1, "patch_author": "me", "patch_comment": "c"},
        ],
        reason="because",
        properties={"p": (1, "Scheduler")},
        builderids=[one, two],
        external_idstring="ext",
        priority=7,
    )
    buildset = master.get(("buildsets", bsid))
    stamps = buildset["sourcestamps"]
    assert [(s["codebase"], s["revision"], s["patch"] and s["patch"]["body"]) for s in stamps] == [
        ("a", "1", None),
        ("b", None, b"\xff\0"),
    ]
    assert {k: v for k, v in buildset.items() if k not in ("sourcestamps", "submitted_at")} == {
        "bsid": bsid,
        "external_idstring": "ext",
        "reason": "because",
        "rebuilt_buildid": None,
        "complete": False,
        "complete_at": None,
        "results": -1,
        "parent_buildid": None,
        "parent_relationship": None,
    }
    assert isinstance(buildset["submitted_at"], int)
    assert buildset.scheduler == "sched"
    assert [s["ssid"] for s in master.get(("buildsets", bsid, "sourcestamps"))] == [s["ssid"] for s in stamps]
    assert master.get(("buildsets", bsid, "properties")) == {"p": (1, "Scheduler")}
    assert master.get(("buildsets", bsid, "properties_list")) == [{"name": "p", "value": "1", "source": "Scheduler"}]
    requests = master.get("buildrequests")
    assert [(r["buildrequestid"], r["builderid"], r["priority"]) for r in requests] == [
        (brids[one], one, 7),
        (brids[two], two, 7),
    ]
    assert [r["builderid"] for r in master.get(("builders", two, "buildrequests"))] == [two]
    master.hear(heard, 3)
    assert dict(heard)[f"buildsets/{bsid}/new"] == {**buildset, "scheduler": "sched"}
    assert dict(heard)[f"buildrequests/{brids[one]}/new"] == requests[0]


def test_a_request_is_told_under_three_keys(master: CoreMaster) -> None:
    three = [master.listen("buildrequests", None, None), master.listen("builders", None, "buildrequests", None, None)]
    three.append(master.listen("buildsets", None, "builders", None, "buildrequests", None, None))
    build = master.add_build()
    for heard in three:
        master.hear(heard, 2)
    r, b, s = build["brid"], build["builderid"], build["bsid"]
    assert [key for key, _ in three[0]] == [f"buildrequests/{r}/new", f"buildrequests/{r}/claimed"]
    assert three[1][0][0] == f"builders/{b}/buildrequests/{r}/new"
    assert three[2][1][0] == f"buildsets/{s}/builders/{b}/buildrequests/{r}/claimed"
    assert [body["claimed"] for _, body in three[0]] == [False, True]


def test_pending_requests_are_those_not_claimed(master: CoreMaster) -> None:
    builderid = master.update("findBuilderId", "b")
    ids = [master.update("addBuildset", False, sourcestamps=[], builderids=[builderid])[1][builderid] for _ in range(4)]
    master.update("claimBuildRequests", [ids[0]])
    master.wait(master.data.control("cancel", {"reason": "no"}, ("buildrequests", ids[1])))
    pending = master.get("buildrequests", filters=[Filter("claimed", "eq", [False])])
    assert [r["buildrequestid"] for r in pending] == ids[2:]
    assert master.update("claimBuildRequests", [ids[0], ids[2]]) is False
    master.update("unclaimBuildRequests", [ids[0]])
    assert master.update("claimBuildRequests", [ids[0], ids[2]]) is True
    done = master.get("buildrequests", filters=[Filter("complete", "ne", [False])])
    assert [(r["buildrequestid"], r["results"], r["claimed"]) for r in done] == [(ids[1], 6, True)]
    assert master.update("completeBuildRequests", [ids[0]], SUCCESS) is True
    assert master.update("completeBuildRequests", [ids[0]], SUCCESS) is False


def test_a_request_serves_its_properties_and_its_reason(master: CoreMaster) -> None:
    build = master.add_build(properties={"p": ("v", "test"), "q": (2, "test")})
    assert master.get(("buildrequests", build["brid"]))["properties"] is None
    assert master.get(("buildrequests", build["brid"])).reason == "why"
    spec = ResultSpec(properties=[Property("properties", "eq", ["q"])])
    found = master.wait(master.data.get_with_resultspec(("buildrequests",), spec))
    assert found[0]["properties"] == {"q": (2, "test")}
    with pytest.raises(AttributeError, match="this resource has no 'nothing'"):
        _ = found[0].nothing


def test_priority_can_be_changed(master: CoreMaster) -> None:
    builderid = master.update("findBuilderId", "b")
    _, brids = master.update("addBuildset", False, sourcestamps=[], builderids=[builderid])
    master.wait(master.data.control("set_priority", {"priority": 12}, ("buildrequests", brids[builderid])))
    assert master.get(("buildrequests", brids[builderid]))["priority"] == 12
    with pytest.raises(InvalidActionException, match="'priority' is missing"):
        master.wait(master.data.control("set_priority", {}, ("buildrequests", brids[builderid])))


# -- builds --------------------------------------------------------------------------------------------------------


def test_a_build_is_found_in_every_documented_way(master: CoreMaster) -> None:
    build = master.add_build()
    paths: list[Any] = [
        ("builds", build["buildid"]),
        ("builders", build["builderid"], "builds", 1),
        "builders/b/builds/1",
    ]
    lists = ["builds", "builders/1/builds", "builders/b/builds", "buildrequests/1/builds", "workers/1/builds"]
    found = [master.get(path) for path in paths] + [master.get(path)[0] for path in lists]
    assert {b["buildid"] for b in found} == {build["buildid"]}
    assert {k: found[0][k] for k in ("number", "complete", "complete_at", "results", "properties")} == {
        "number": 1,
        "complete": False,
        "complete_at": None,
        "results": None,
        "properties": {},
    }
    assert isinstance(found[0]["started_at"], datetime.datetime)
    assert master.get("builds/99") is None
    assert master.get("builders/nobody/builds") == ListResult([], total=0)


def test_the_events_of_a_build_tell_its_state_then(master: CoreMaster) -> None:
    heard = master.listen("builds", None, None)
    by_builder = master.listen("builders", None, "builds", None, None)
    build = master.add_build()
    master.update("setBuildStateString", build["buildid"], "building")
    master.update("add_build_locks_duration", build["buildid"], 4)
    master.update("finishBuild", build["buildid"], SUCCESS)
    master.hear(heard, 3)
    master.hear(by_builder, 3)
    assert [(key, b["state_string"], b["complete"], b["results"]) for key, b in heard] == [
        ("builds/1/new", "created", False, None),
        ("builds/1/update", "building", False, None),
        ("builds/1/finished", "building", True, SUCCESS),
    ]
    assert heard[0][1]["started_at"].tzinfo is UTC
    assert [key for key, _ in by_builder] == [f"builders/1/builds/1/{e}" for e in ("new", "update", "finished")]
    assert heard[2][1] == master.get("builds/1")
    assert heard[2][1]["locks_duration_s"] == 4


def test_build_properties(master: CoreMaster) -> None:
    build = master.add_build()
    heard = master.listen("builds", None, "properties", "update")
    props = Properties()
    props.setProperty("a", 1, "here")
    props.setProperty("b", ["x"], "there")
    master.update("setBuildProperties", build["buildid"], props)
    props.setProperty("a", 2, "here")
    master.update("setBuildProperties", build["buildid"], props)
    master.update("setBuildProperty", build["buildid"], "c", None, "me")
    assert master.get("builds/1/properties") == {"a": (2, "here"), "b": (["x"], "there"), "c": (None, "me")}
    assert master.get("builders/1/builds/1/properties") == master.get("builds/1/properties")
    assert [body for _, body in master.hear(heard, 3)] == [
        {"a": (1, "here"), "b": (["x"], "there")},
        {"a": (2, "here")},
        {"c": (None, "me")},
    ]
    listed = master.get("builds/1/property_list", order=["-name"])
    assert [(p["name"], p["value"]) for p in listed] == [("c", "null"), ("b", '["x"]'), ("a", "2")]
    spec = ResultSpec(properties=[Property("properties", "eq", ["a", "c"])], fields=["properties"])
    found = master.wait(master.data.get_with_resultspec(("builds", 1), spec))
    assert found == {"properties": {"a": (2, "here"), "c": (None, "me")}}


def test_a_build_includes_the_changes_of_requests_it_took_over(master: CoreMaster) -> None:
    class Collapsing:
        def collapse_modes(self, builderids: Any) -> dict[int, str]:
            return dict.fromkeys(builderids, "builtin")

    master.botmaster = Collapsing()  # type: ignore[attr-defined]
    builderid, workerid = master.update("findBuilderId", "b"), master.update("findWorkerId", "w")
    for n in range(3):
        master.update("addChange", author="a", comments="", revision=str(n), branch="main", repository="r")
        ssid = master.get(("changes", n + 1))["sourcestamp"]["ssid"]
        _, brids = master.update("addBuildset", False, "s", sourcestamps=[ssid], builderids=[builderid])
    master.update("claimBuildRequests", [brids[builderid]])
    master.update("addBuild", builderid, brids[builderid], workerid)
    assert [c["changeid"] for c in master.get("builds/1/changes")] == [3, 2, 1]
    assert [c["changeid"] for c in master.get("builders/1/builds/1/changes", limit=2)] == [3, 2]
    assert [b["buildid"] for b in master.get("changes/1/builds")] == [1]
    assert master.get("changes/99/builds") == ListResult([], total=0)


def test_triggered_builds(master: CoreMaster) -> None:
    parent = master.add_build()
    child = master.add_build("c", parent_buildid=parent["buildid"], parent_relationship="Triggered from")
    assert [b["buildid"] for b in master.get(("builds", parent["buildid"], "triggered_builds"))] == [child["buildid"]]


def test_stop_is_asked_of_whoever_runs_the_build(master: CoreMaster) -> None:
    heard = master.listen("control", None, None, None)
    build = master.add_build()
    master.wait(master.data.control("stop", {"reason": "enough", "results": 6}, "builders/b/builds/1"))
    master.wait(master.data.control("cancel", {"reason": "too late"}, ("buildrequests", build["brid"])))
    assert master.hear(heard, 2) == [
        ("control/builds/1/stop", {"reason": "enough", "owner": None, "results": 6}),
        ("control/buildrequests/1/cancel", {"reason": "too late", "owner": None}),
    ]
    with pytest.raises(InvalidPathError):
        master.wait(master.data.control("stop", {}, "builds/77"))
    with pytest.raises(InvalidControlException, match="no action 'explode'"):
        master.wait(master.data.control("explode", {}, "builds/1"))


def test_a_rebuild_asks_for_the_same_again(master: CoreMaster) -> None:
    master.add_build(properties={"p": (1, "Scheduler")})
    bsid, brids = master.wait(master.data.control("rebuild", {}, "builds/1"))
    assert list(brids) == [1]
    again = master.get(("buildsets", bsid))
    assert (again["reason"], again["rebuilt_buildid"]) == ("rebuild", 1)
    assert again["sourcestamps"] == master.get("buildsets/1")["sourcestamps"]
    assert master.get(("buildsets", bsid, "properties")) == {"p": (1, "Scheduler")}


# -- steps and logs ------------------------------------------------------------------------------------------------


def test_steps_are_found_by_number_and_name(master: CoreMaster) -> None:
    master.add_build()
    heard = master.listen("builds", None, "steps", None, None)
    assert master.update("addStep", 1, "make") == (1, 0, "make")
    assert master.update("addStep", 1, "make") == (2, 1, "make_2")
    master.update("startStep", 1, started_at=T0, locks_acquired=True)
    master.update("setStepStateString", 1, "making")
    master.update("addStepURL", 1, "u", "http://x")
    master.update("addStepURL", 1, "u", "http://x")
    master.update("finishStep", 1, SUCCESS, True)
    step = master.get("builds/1/steps/make")
    ended = step.pop("complete_at")
    assert ended.tzinfo is UTC
    assert step == {
        "stepid": 1,
        "number": 0,
        "name": "make",
        "buildid": 1,
        "started_at": datetime.datetime.fromtimestamp(T0, UTC),
        "locks_acquired_at": datetime.datetime.fromtimestamp(T0, UTC),
        "complete": True,
        "results": SUCCESS,
        "state_string": "making",
        "urls": [{"name": "u", "url": "http://x"}],
        "hidden": True,
    }
    for path in ("steps/1", "builds/1/steps/0", "builders/1/builds/1/steps/make", "builders/b/builds/1/steps/0"):
        assert master.get(path)["stepid"] == 1
    for path in ("builds/1/steps", "builders/1/builds/1/steps", "builders/b/builds/1/steps"):
        assert [s["name"] for s in master.get(path)] == ["make", "make_2"]
    assert [key.split("/")[-1] for key, _ in master.hear(heard, 6)] == [
        "new",
        "new",
        "started",
        "updated",
        "updated",
        "finished",
    ]
    assert heard[5][1] == {**step, "complete_at": ended}


def test_logs_are_read_by_lines_and_whole(master: CoreMaster) -> None:
    master.add_build()
    master.update("addStep", 1, "make")
    heard = master.listen("logs", None, None)
    assert master.update("addLog", 1, "stdio", "s") == 1
    assert master.update("addLog", 1, "a b", "t") == 2
    assert master.update("appendLog", 1, "oone\nee\nhtwo\n") == (0, 2)
    assert master.update("appendLog", 1, "othree\n") == (3, 3)
    master.update("finishLog", 1)
    assert master.update("compressLog", 1) >= 0
    log = master.get("logs/1")
    assert log == {
        "logid": 1,
        "name": "stdio",
        "slug": "stdio",
        "stepid": 1,
        "complete": True,
        "num_lines": 4,
        "type": "s",
    }
    for prefix in ("steps/1", "builds/1/steps/make", "builds/1/steps/0", "builders/1/builds/1/steps/0"):
        assert master.get(prefix + "/logs/stdio") == log
        assert [lg["slug"] for lg in master.get(prefix + "/logs")] == ["stdio", "a_b"]
        chunk = master.get(prefix + "/logs/stdio/contents", offset=1, limit=2)
        assert chunk == {"logid": 1, "firstline": 1, "content": "ee\nhtwo\n"}
    assert master.get("logs/1/contents")["content"] == "oone\nee\nhtwo\nothree\n"
    assert master.get("logchunks", filters=[Filter("logid", "eq", [1])], limit=1)["content"] == "oone\n"
    assert master.get("logs/9/contents") is None
    raw = master.get("logs/1/raw")
    assert raw == {
        "raw": "one\ne\ntwo\nthree\n",
        "mime-type": "text/plain",
        "filename": "b_build_1_step_make_log_stdio",
    }
    assert master.get("builds/1/steps/make/logs/stdio/text")["raw"] == "one\ne\nthree\n"
    assert [key for key, _ in master.hear(heard, 4)][-1] == "logs/1/finished"
