"""What ``master.data`` promises, on every database."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.aio import as_deferred
from buildmaster.base.results import RETRY, SUCCESS
from buildmaster.base.times import UTC
from buildmaster.data.base import EndpointKind, ListResult
from buildmaster.data.exceptions import (
    InvalidActionException,
    InvalidControlException,
    InvalidPathError,
    InvalidQueryParameter,
)
from buildmaster.data.incoming import InvalidChange
from buildmaster.data.resultspec import Filter, Property, ResultSpec
from buildmaster.db import schema, users
from buildmaster.properties.values import Properties
from tests.contract.conftest import Place
from tests.support.core import CoreMaster

T0 = 1_700_000_000


@pytest.fixture
def master(place: Place) -> CoreMaster:
    return CoreMaster(place)


def add_build(master: CoreMaster, builder: str = "b", **buildset: Any) -> dict[str, Any]:
    """A running build of a new buildset, with all that has to be there for it."""
    builderid = master.update("findBuilderId", builder)
    workerid = master.update("findWorkerId", "w1")
    stamps = buildset.pop("sourcestamps", [{"codebase": "", "repository": "r", "branch": "main"}])
    bsid, brids = master.update(
        "addBuildset", False, "s", sourcestamps=stamps, builderids=[builderid], reason="why", **buildset
    )
    master.update("claimBuildRequests", [brids[builderid]])
    buildid, number = master.update("addBuild", builderid, brids[builderid], workerid)
    return {"buildid": buildid, "number": number, "builderid": builderid, "bsid": bsid, "brid": brids[builderid]}


# -- masters -------------------------------------------------------------------------------------------------------------


def test_a_master_is_there_with_its_name(master: CoreMaster) -> None:
    found = master.get(("masters", 1))
    assert {name: found[name] for name in ("masterid", "name", "active")} == {
        "masterid": 1,
        "name": "here",
        "active": True,
    }
    assert found["last_active"].tzinfo is UTC


def test_a_stopped_master_frees_all_it_held(master: CoreMaster) -> None:
    build = add_build(master)
    master.update("updateBuilderList", master.masterid, ["b", "c"])
    heard = master.listen("masters", None, None)
    schedulerid = master.update("findSchedulerId", "s")
    assert master.update("trySetSchedulerMaster", schedulerid, master.masterid) is True
    master.update("masterStopped", "here", master.masterid)
    assert master.hear(heard, 1) == [("masters/1/stopped", {"masterid": 1, "name": "here", "active": False})]
    assert master.get("builders/1")["masterids"] == []
    assert master.get(("schedulers", schedulerid))["master"] is None
    assert master.get(("builds", build["buildid"]))["results"] == RETRY
    request = master.get(("buildrequests", build["brid"]))
    assert (request["claimed"], request["complete"]) == (False, False)


def test_a_silent_master_is_expired_by_another(place: Place) -> None:
    silent = CoreMaster(place, "silent")
    add_build(silent)
    master = CoreMaster(place, "loud")
    master.update("expireMasters")
    assert master.get("masters/1")["active"] is True
    master.wait(master.db.write(_forget_lease, 1))
    master.update("expireMasters")
    assert [m["active"] for m in master.get("masters", order=["masterid"])] == [False, True]
    assert master.get("builds/1")["results"] == RETRY


def _forget_lease(txn: Any, masterid: int) -> None:
    txn.update(schema.masters, masterid, lease_until=1.0)


# -- builders ------------------------------------------------------------------------------------------------------------


def test_builders_are_told_when_they_come_and_go(master: CoreMaster) -> None:
    heard = master.listen("builders", None, None)
    master.update("updateBuilderList", 1, ["a", "b"])
    master.update("updateBuilderList", 1, ["b", "c"])
    body = {"masterid": 1}
    assert sorted(master.hear(heard, 4)[:2]) == [
        ("builders/1/started", {"builderid": 1, "name": "a", **body}),
        ("builders/2/started", {"builderid": 2, "name": "b", **body}),
    ]
    assert [key for key, _ in heard[2:]] == ["builders/1/stopped", "builders/3/started"]
    assert [b["name"] for b in master.get("masters/1/builders")] == ["b", "c"]


def test_a_builder_s_description_is_told_once(master: CoreMaster) -> None:
    master.update("updateBuilderList", 1, ["a"])
    heard = master.listen("builders", None, "update")
    projectid = master.update("find_project_id", "p")
    for _ in range(2):
        master.update("updateBuilderInfo", 1, "d", None, None, projectid, ["x", "y"])
    master.update("updateBuilderInfo", 1, "e", "markdown", "<p>e</p>", projectid, [])
    expected = {
        "builderid": 1,
        "name": "a",
        "masterids": [1],
        "description": "d",
        "description_format": None,
        "description_html": None,
        "projectid": projectid,
        "tags": ["x", "y"],
    }
    assert master.hear(heard, 2) == [
        ("builders/1/update", expected),
        (
            "builders/1/update",
            {
                **expected,
                "description": "e",
                "description_format": "markdown",
                "description_html": "<p>e</p>",
                "tags": [],
            },
        ),
    ]
    assert master.get("builders/a") == heard[1][1]
    assert [b["name"] for b in master.get(("projects", projectid, "builders"))] == ["a"]
    assert master.get("projects/p")["active"] is True


def test_builders_are_found_by_tag_and_master(master: CoreMaster) -> None:
    master.update("updateBuilderList", 1, ["a", "b", "c"])
    for builderid, tags in ((1, ["x", "y"]), (2, ["y,x"]), (3, [])):
        master.update("updateBuilderInfo", builderid, None, None, None, None, tags)

    def names(*filters: Filter) -> list[str]:
        return [b["name"] for b in master.get("builders", filters=list(filters))]

    assert names(Filter("tags", "contains", ["x"])) == ["a"]
    assert names(Filter("tags", "contains", ["x", "y,x"])) == ["a", "b"]
    assert names(Filter("masterids", "contains", [1]), Filter("name", "ge", ["b"])) == ["b", "c"]
    assert names(Filter("masterids", "contains", [2])) == []


# -- changes -------------------------------------------------------------------------------------------------------------


def test_a_change_has_all_that_was_said_of_it(master: CoreMaster) -> None:
    heard = master.listen("changes", None, "new")
    changeid = master.update(
        "addChange",
        files=["a.c", "dir/ü.h"],
        comments="fix\nit",
        author="joe <joe@x>",
        committer="ann",
        revision="abc",
        when_timestamp=T0,
        branch="main",
        category="tests",
        revlink="http://r/abc",
        properties={"p": [1, {"x": None}]},
        repository="git://r",
        project="proj",
        codebase="cb",
    )
    change = master.get(("changes", str(changeid)))
    created = change["sourcestamp"].pop("created_at")
    assert change == {
        "changeid": 1,
        "parent_changeids": [],
        "author": "joe <joe@x>",
        "committer": "ann",
        "files": ["a.c", "dir/ü.h"],
        "comments": "fix\nit",
        "revision": "abc",
        "when_timestamp": T0,
        "branch": "main",
        "category": "tests",
        "revlink": "http://r/abc",
        "properties": {"p": ([1, {"x": None}], "Change")},
        "repository": "git://r",
        "project": "proj",
        "codebase": "cb",
        "sourcestamp": {
            "ssid": 1,
            "revision": "abc",
            "branch": "main",
            "repository": "git://r",
            "project": "proj",
            "codebase": "cb",
            "patch": None,
        },
    }
    change["sourcestamp"]["created_at"] = created
    assert master.hear(heard, 1) == [("changes/1/new", change)]
    assert change.author == "joe <joe@x>"


def test_changes_are_listed_newest_first(master: CoreMaster) -> None:
    for n in range(3):
        master.update("addChange", author="a", comments=str(n), revision=str(n), branch="main")
    changes = master.get("changes")
    assert [(c["changeid"], c["parent_changeids"]) for c in changes] == [(3, [2]), (2, [1]), (1, [])]
    assert [c["changeid"] for c in master.get("changes", order=["changeid"], limit=2)] == [1, 2]
    assert [c["changeid"] for c in master.get("sourcestamps/2/changes")] == [2]


def test_the_configuration_completes_changes(master: CoreMaster) -> None:
    master.config.codebaseGenerator = lambda change: {"r1": "one"}[change["repository"]]
    master.config.revlink = lambda revision, repository: f"{repository}/{revision}"
    master.update("addChange", author="a", revision="5", repository="r1", category=lambda change: change["author"] * 2)
    change = master.get("changes/1")
    assert (change["codebase"], change["revlink"], change["category"]) == ("one", "r1/5", "aa")


def test_an_author_of_a_known_source_becomes_a_user(master: CoreMaster) -> None:
    for _ in range(3):
        master.update("addChange", author="joe", comments="", src="git")
    master.update("addChange", author="ann", comments="", src="nothing known")
    assert [u["identifier"] for u in master.wait(master.db.read(users.get_all))] == ["joe"]
    assert [master.wait(master.db.read(users.of_change, n)) for n in (1, 2, 3, 4)] == [[1], [1], [1], []]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("author", 5),
        ("author", "x" * 10_001),
        ("files", "a.c"),
        ("files", [None]),
        ("comments", ["x"]),
        ("when_timestamp", "now"),
        ("when_timestamp", -1),
        ("when_timestamp", 1e300),
        ("when_timestamp", float("nan")),
        ("when_timestamp", True),
        ("branch", {}),
        ("properties", [1]),
        ("properties", {"p": object()}),
        ("project", 1),
        ("codebase", "c" * 257),
        ("category", 1),
    ],
)
@pytest.mark.only_on("inline")
def test_an_absurd_change_is_refused_by_the_name_of_the_field(master: CoreMaster, field: str, value: Any) -> None:
    with pytest.raises(InvalidChange, match=rf"addChange: .*{field.removesuffix('s').replace('propertie', 'propert')}"):
        master.update("addChange", **{"author": "a", "comments": "c", field: value})
    assert len(master.get("changes")) == 0


def test_a_change_with_characters_no_database_holds_is_stored_without_them(master: CoreMaster) -> None:
    master.update("addChange", author="a\0b", comments="x\udc80y", files=[b"\xff", "ok"])
    change = master.get("changes/1")
    assert (change["author"], change["comments"], change["files"]) == (
        "a\ufffdb",
        "x\ufffd\ufffd\ufffdy",
        ["\ufffd", "ok"],
    )


def test_changes_that_come_together_are_stored_together(master: CoreMaster) -> None:
    master.update("addChange", author="a", comments="")
    before = master.db.counters["commits"]
    adding = [as_deferred(master.data.updates.addChange(author="a", comments=str(n), src="git")) for n in range(50)]
    assert sorted(master.wait(defer.gatherResults(adding))) == list(range(2, 52))
    assert master.db.counters["commits"] - before <= 5


# -- buildsets and requests ------------------------------------------------------------------------------------------------


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
    build = add_build(master)
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
    build = add_build(master, properties={"p": ("v", "test"), "q": (2, "test")})
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


# -- builds --------------------------------------------------------------------------------------------------------------


def test_a_build_is_found_in_every_documented_way(master: CoreMaster) -> None:
    build = add_build(master)
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
    build = add_build(master)
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
    build = add_build(master)
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
    parent = add_build(master)
    child = add_build(master, "c", parent_buildid=parent["buildid"], parent_relationship="Triggered from")
    assert [b["buildid"] for b in master.get(("builds", parent["buildid"], "triggered_builds"))] == [child["buildid"]]


def test_stop_is_asked_of_whoever_runs_the_build(master: CoreMaster) -> None:
    heard = master.listen("control", "builds", None, "stop")
    build = add_build(master)
    master.wait(master.data.control("stop", {"reason": "enough", "results": 6}, "builders/b/builds/1"))
    master.wait(master.data.control("cancel", {"reason": "too late"}, ("buildrequests", build["brid"])))
    assert master.hear(heard, 2) == [
        ("control/builds/1/stop", {"reason": "enough", "owner": None, "results": 6}),
        ("control/builds/1/stop", {"reason": "too late", "owner": None}),
    ]
    with pytest.raises(InvalidPathError):
        master.wait(master.data.control("stop", {}, "builds/77"))
    with pytest.raises(InvalidControlException, match="no action 'explode'"):
        master.wait(master.data.control("explode", {}, "builds/1"))


def test_a_rebuild_asks_for_the_same_again(master: CoreMaster) -> None:
    add_build(master, properties={"p": (1, "Scheduler")})
    bsid, brids = master.wait(master.data.control("rebuild", {}, "builds/1"))
    assert list(brids) == [1]
    again = master.get(("buildsets", bsid))
    assert (again["reason"], again["rebuilt_buildid"]) == ("rebuild", 1)
    assert again["sourcestamps"] == master.get("buildsets/1")["sourcestamps"]
    assert master.get(("buildsets", bsid, "properties")) == {"p": (1, "Scheduler")}


# -- steps and logs ----------------------------------------------------------------------------------------------------------


def test_steps_are_found_by_number_and_name(master: CoreMaster) -> None:
    add_build(master)
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
    add_build(master)
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
    assert [key for key, _ in master.hear(heard, 4)][-1] == "logs/1/finished"


# -- the rest --------------------------------------------------------------------------------------------------------------------


def test_workers_where_they_are_connected_and_what_they_serve(master: CoreMaster) -> None:
    heard = master.listen("workers", None, None)
    builderid = master.update("findBuilderId", "b")
    workerid = master.update("findWorkerId", "w.example")
    master.update("workerConfigured", workerid, 1, [builderid])
    master.update("workerConnected", workerid, 1, {"admin": "me"})
    master.update("set_worker_paused", workerid, True, "broken")
    expected = {
        "workerid": workerid,
        "name": "w.example",
        "connected_to": [{"masterid": 1}],
        "configured_on": [{"masterid": 1, "builderid": builderid}],
        "workerinfo": {"admin": "me"},
        "paused": True,
        "pause_reason": "broken",
        "graceful": False,
    }
    for path in (
        "workers/1",
        "workers/w.example",
        "masters/1/workers/1",
        "masters/1/builders/1/workers/w.example",
        "builders/1/workers/1",
        "builders/b/workers/1",
    ):
        assert master.get(path) == expected
    for path in ("workers", "masters/1/workers", "masters/1/builders/1/workers", "builders/1/workers"):
        assert master.get(path).data == [expected]
    assert master.get("masters/2/workers").data == []
    assert [b["name"] for b in master.get("workers/1/builders")] == ["b"]
    master.update("workerMissing", workerid, 1, T0, ["a@x"])
    master.update("workerDisconnected", workerid, 1)
    master.update("deconfigureAllWorkersForMaster", 1)
    assert [key for key, _ in master.hear(heard, 4)] == [
        "workers/1/connected",
        "workers/1/state_updated",
        "workers/1/missing",
        "workers/1/disconnected",
    ]
    assert heard[0][1]["connected_to"] == [{"masterid": 1}]
    assert (heard[2][1]["last_connection"], heard[2][1]["notify"]) == (T0, ["a@x"])
    assert heard[3][1]["connected_to"] == []
    assert master.get("workers/1")["configured_on"] == []


def test_a_worker_is_asked_to_act(master: CoreMaster) -> None:
    heard = master.listen("control", "worker", None, None)
    master.update("findWorkerId", "w")
    for action in ("stop", "kill", "pause", "unpause"):
        master.wait(master.data.control(action, {"reason": "r", "owner": "me"}, "workers/w"))
    assert [key for key, _ in master.hear(heard, 4)] == [
        f"control/worker/1/{action}" for action in ("stop", "kill", "pause", "unpause")
    ]
    assert heard[0][1] == {"reason": "r", "owner": "me"}


def test_schedulers_and_change_sources_belong_to_one_living_master(place: Place) -> None:
    one, two = CoreMaster(place, "one"), CoreMaster(place, "two")
    sid, cid = one.update("findSchedulerId", "s"), one.update("findChangeSourceId", "c")
    assert one.update("trySetSchedulerMaster", sid, 1) is True
    assert two.update("trySetSchedulerMaster", sid, two.masterid) is False
    assert one.update("trySetChangeSourceMaster", cid, 1) is True
    assert two.update("trySetChangeSourceMaster", cid, two.masterid) is False
    assert [s["master"]["name"] for s in two.get("masters/1/schedulers")] == ["one"]
    assert two.get(("masters", two.masterid, "changesources")).data == []
    one.update("trySetSchedulerMaster", sid, None)
    assert two.update("trySetSchedulerMaster", sid, two.masterid) is True
    heard = two.listen("schedulers", None, "updated")
    two.wait(two.data.control("enable", {"enabled": False}, ("schedulers", sid)))
    assert [(key, body["enabled"], body["master"]["name"]) for key, body in two.hear(heard, 1)] == [
        (f"schedulers/{sid}/updated", False, "two")
    ]
    assert two.get(("schedulers", sid))["enabled"] is False


def test_codebases_branches_and_commits(master: CoreMaster) -> None:
    heard = master.listen("codebases", None, "commits", None, "new")
    projectid = master.update("find_project_id", "p")
    assert master.update("find_project_id", "nope", auto_create=False) is None
    codebaseid = master.update("find_codebase_id", projectid=projectid, name="cb")
    assert master.update("find_codebase_id", projectid=projectid, name="cb") == codebaseid
    master.update("update_codebase_info", codebaseid=codebaseid, projectid=projectid, slug="sl")
    master.update("update_project_info", projectid, "ps", "text", "markdown", "<p>text</p>")
    parents = {"r1": None, "r2": 1, "r3": 2, "r4": 2, "r5": 4}
    for revision, parent in parents.items():
        master.update(
            "add_commit",
            codebaseid=codebaseid,
            author="a",
            comments="c",
            when_timestamp=T0,
            revision=revision,
            parent_commitid=parent,
        )
    master.update("update_branch", codebaseid=codebaseid, name="main", commitid=3, last_timestamp=T0)
    assert master.get(("projects", projectid, "codebases", "cb"))["slug"] == "sl"
    assert master.get("projects/p")["description_html"] == "<p>text</p>"
    assert master.get(("codebases", codebaseid, "branches"))[0]["commitid"] == 3
    assert master.get(("codebases", codebaseid, "commits_by_revision", "r4"))["parent_commitid"] == 2
    assert [c["revision"] for c in master.get("codebases/1/commits", limit=2)] == ["r1", "r2"]
    graph = master.get("codebases/1/commit_range/3/5/commits_common_parent")
    assert graph == {"common": 2, "to1": [3], "to2": [4, 5]}
    assert master.get("codebases/1/commit_range/1/5/commits_common_parent") == {
        "common": 1,
        "to1": [],
        "to2": [2, 4, 5],
    }
    assert master.get("codebases/1/commit_range/1/77/commits_common_parent") is None
    assert [key for key, _ in master.hear(heard, 5)][0] == "codebases/1/commits/1/new"


def test_test_results(master: CoreMaster) -> None:
    add_build(master, sourcestamps=[{"codebase": "cb", "revision": "r1"}])
    master.update("addStep", 1, "test")
    heard = master.listen("test_result_sets", None, None)
    setid = master.update("addTestResultSet", 1, 1, 1, "d", "cat", "ms")
    results = [
        {"test_name": "t", "value": "1"},
        {"test_code_path": "x.py", "line": 4, "value": "2", "duration_ns": 10**12},
    ]
    master.update("addTestResults", 1, setid, results)
    master.update("completeTestResultSet", setid, tests_passed=2)
    paths = ["test_result_sets", "builders/1/test_result_sets", "builders/b/test_result_sets"]
    for path in [*paths, "builds/1/test_result_sets", "steps/1/test_result_sets"]:
        assert [(s["test_result_setid"], s["complete"], s["tests_passed"]) for s in master.get(path)] == [
            (setid, True, 2)
        ]
    found = master.get(("test_result_sets", setid, "results"))
    assert [(r["test_name"], r["test_code_path"], r["line"], r["duration_ns"], r["value"]) for r in found] == [
        ("t", None, None, None, "1"),
        (None, "x.py", 4, 10**12, "2"),
    ]
    assert [key for key, _ in master.hear(heard, 2)] == ["test_result_sets/1/new", "test_result_sets/1/completed"]
    projectid = master.update("find_project_id", "p")
    codebaseid = master.update("find_codebase_id", projectid=projectid, name="cb")
    for revision, parent in (("r0", None), ("r1", 1)):
        master.update(
            "add_commit",
            codebaseid=codebaseid,
            author="a",
            comments="",
            when_timestamp=T0,
            revision=revision,
            parent_commitid=parent,
        )
    ranged = master.get(("codebases", codebaseid, "commit_range", 1, 2, "test_result_sets"))
    assert [s["test_result_setid"] for s in ranged] == [setid]
    with pytest.raises(KeyError, match="value"):
        master.update("addTestResults", 1, setid, [{"test_name": "x"}])


def test_build_data(master: CoreMaster) -> None:
    add_build(master)
    master.update("setBuildData", 1, "cov", b"\0\xff", "here")
    master.update("setBuildData", 1, "cov", b"\0\xff!", "there")
    expected = {"buildid": 1, "name": "cov", "length": 3, "value": None, "source": "there"}
    assert master.get("builds/1/data").data == [expected]
    assert master.get("builders/b/builds/1/data/cov") == expected
    raw = master.get("builders/1/builds/1/data/cov/value")
    assert raw == {"raw": b"\0\xff!", "mime-type": "application/octet-stream", "filename": "cov"}
    assert master.get("builds/1/data/none/value") is None


def test_force_schedulers_live_in_memory(master: CoreMaster) -> None:
    class Field:
        def getSpec(self) -> dict[str, Any]:
            return {"name": "reason"}

    class Force:
        name, buttonName, label, enabled = "force", "button", "Force it", True
        builderNames = ["b"]
        all_fields = [Field()]

        def force(self, owner: str | None, **kwargs: Any) -> Any:
            return owner, kwargs

    master.schedulers = [Force(), object()]
    master.update("findBuilderId", "b")
    expected = {
        "name": "force",
        "button_name": "button",
        "label": "Force it",
        "builder_names": ["b"],
        "enabled": True,
        "all_fields": [{"name": "reason"}],
    }
    assert master.get("forceschedulers").data == [expected]
    assert master.get("forceschedulers/force") == expected
    assert master.get("forceschedulers/other") is None
    assert master.get("builders/1/forceschedulers").data == [expected]
    assert master.get("builders/b/forceschedulers", fields=["name"]).data == [{"name": "force"}]
    assert master.get("builders/c/forceschedulers").data == []
    forced = master.wait(master.data.control("force", {"owner": "me", "x": 1}, "forceschedulers/force"))
    assert forced == ("me", {"x": 1})


# -- reading in general ------------------------------------------------------------------------------------------------------------


def test_a_page_knows_how_many_there_are(master: CoreMaster) -> None:
    for n in range(7):
        master.update("findBuilderId", f"b{n}")
    page = master.get("builders", limit=2, offset=4, order=["-name"])
    assert ([b["name"] for b in page], page.total, page.limit, page.offset) == (["b2", "b1"], 7, 2, 4)
    assert master.get("builders", limit=0).total == 7
    assert (master.get("builders", offset=5).total, master.get("builders", limit=5, offset=50).total) == (7, 7)
    filtered = master.get("builders", filters=[Filter("builderid", "gt", [2])], limit=3)
    assert (len(filtered), filtered.total) == (3, 5)


def test_only_the_fields_asked_for_are_given(master: CoreMaster) -> None:
    master.update("findBuilderId", "b")
    assert master.get("builders", fields=["name"]).data == [{"name": "b"}]
    assert "tags" not in master.get("builders/1", fields=["-tags", "-masterids"])
    with pytest.raises(InvalidQueryParameter, match="builders have no field 'x'"):
        master.get("builders", fields=["x"])
    with pytest.raises(InvalidQueryParameter, match="order by 'tags'"):
        master.get("builders", order=["tags"])
    with pytest.raises(InvalidQueryParameter, match="filter on 'builderid': 'x' is not a whole number"):
        master.get("builders", filters=[Filter("builderid", "eq", ["x"])])


def test_unknown_paths_are_refused(master: CoreMaster) -> None:
    for path in ("nothing", "builds/x", ("builds", 1, "nothing"), "builders/1/builds/x", "masters/a"):
        with pytest.raises(InvalidPathError):
            master.wait(master.data.get(path))


def test_get_sees_what_was_queued_before_it(master: CoreMaster) -> None:
    for n in range(5):
        master.data.updates.findBuilderId(f"b{n}")
    assert len(master.get("builders")) == 5


def test_the_api_describes_itself(master: CoreMaster) -> None:
    links = [link["name"] for link in master.get("")]
    assert {"builders", "builds", "changes", "masters", "schedulers", "workers"} <= set(links)
    specs = {spec["path"]: spec for spec in master.get("application.spec")}
    assert specs["builders/n:builderid"]["type_spec"]["fields"][7] == {
        "name": "tags",
        "type": "list",
        "type_spec": {"type": "list", "of": {"name": "string"}},
    }
    endpoint, kwargs = master.data.getEndpoint(("builds", "5", "steps"))
    assert (endpoint.kind, kwargs) == (EndpointKind.COLLECTION, {"buildid": 5})
