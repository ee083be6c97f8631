"""What ``master.data`` promises of workers, schedulers, codebases and results of tests, on every database."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.conftest import Place
from tests.support.core import CoreMaster

T0 = 1_700_000_000


@pytest.fixture
def master(place: Place) -> CoreMaster:
    return CoreMaster(place)


# -- the rest ------------------------------------------------------------------------------------------------------


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
    assert master.hear(heard, 5)[0][0] == "codebases/1/commits/1/new"


def test_test_results(master: CoreMaster) -> None:
    master.add_build(sourcestamps=[{"codebase": "cb", "revision": "r1"}])
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
    master.add_build()
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
