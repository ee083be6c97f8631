"""The documented connectors of ``master.db``, on every database."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from attrs import frozen
from twisted.internet import defer

from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.data.resultspec import Filter, ResultSpec
from buildmaster.db import masters
from buildmaster.db.documented import models
from buildmaster.db.documented.configured import ChangeSourceAlreadyClaimedError, SchedulerAlreadyClaimedError
from buildmaster.db.documented.connectors import CONNECTORS
from buildmaster.db.documented.requested import AlreadyClaimedError, AlreadyCompleteError, NotClaimedError
from buildmaster.db.logs import LogSlugExistsError
from buildmaster.db.users import UserTaken

UTC = datetime.UTC

pytestmark = pytest.mark.only_on("sqlite", "postgresql", "mariadb")


@frozen
class Opened:
    """A database on which a master lives."""

    place: Any
    db: Any
    masterid: int

    def __getattr__(self, name: str) -> Any:
        """``opened.builds("getBuild", 1)`` is the answer of that method of that connector."""
        connector = getattr(self.db, name)
        return lambda method, *args, **kwargs: self.place.wait(getattr(connector, method)(*args, **kwargs))


@pytest.fixture
def opened(place: Any) -> Opened:
    db = place.open()
    masterid, epoch, last = place.wait(db.write(masters.begin, "m"))
    place.wait(db.become(masterid, epoch, last))
    return Opened(place, db, masterid)


def build_of(opened: Opened, builder: str = "b", **more: Any) -> tuple[int, int, int]:
    """A builder, a request of a change, and a build; returns (builder, request, build) id."""
    builderid = opened.builders("findBuilderId", builder)
    ssid = opened.sourcestamps("findSourceStampId", branch="main", revision="r1", repository="repo")
    _, requestids = opened.buildsets("addBuildset", [ssid], "why", {}, [builderid], False, **more)
    requestid = requestids[builderid]
    opened.buildrequests("claimBuildRequests", [requestid])
    buildid, _ = opened.builds("addBuild", builderid, requestid, None, opened.masterid, "starting")
    return builderid, requestid, buildid


def test_every_connector_is_an_attribute_of_the_database(opened: Opened) -> None:
    assert {name: type(getattr(opened.db, name)) for name in CONNECTORS} == CONNECTORS
    assert opened.db.builds is opened.db.builds
    with pytest.raises(AttributeError, match="Database has no 'nonesuch'"):
        opened.db.nonesuch  # noqa: B018


def test_builders(opened: Opened) -> None:
    assert opened.builders("findBuilderId", "b", autoCreate=False) is None
    builderid = opened.builders("findBuilderId", "b")
    assert opened.builders("findBuilderId", "b", autoCreate=False) == builderid
    projectid = opened.projects("find_project_id", "p")
    opened.builders("updateBuilderInfo", builderid, "text", None, None, projectid, ["t"])
    opened.builders("addBuilderMaster", builderid, opened.masterid)
    opened.builders("addBuilderMaster", builderid, opened.masterid)
    expected = models.BuilderModel(builderid, "b", "text", None, None, projectid, ["t"], [opened.masterid])
    assert opened.builders("getBuilder", builderid) == expected
    assert expected["name"] == "b"
    with pytest.raises(KeyError):
        expected["nonesuch"]
    assert opened.builders("getBuilder", builderid + 1) is None
    other = opened.builders("findBuilderId", "c")
    assert [b.id for b in opened.builders("getBuilders")] == [builderid, other]
    assert [b.id for b in opened.builders("getBuilders", masterid=opened.masterid)] == [builderid]
    assert [b.id for b in opened.builders("getBuilders", projectid=projectid)] == [builderid]
    assert [p.name for p in opened.projects("get_active_projects")] == ["p"]
    opened.builders("removeBuilderMaster", builderid, opened.masterid)
    assert opened.builders("getBuilder", builderid).masterids == []


def test_projects(opened: Opened) -> None:
    assert opened.projects("find_project_id", "p", auto_create=False) is None
    projectid = opened.projects("find_project_id", "p")
    opened.projects("update_project_info", projectid, "slug", "text", "markdown", "<p>text</p>")
    expected = models.ProjectModel(projectid, "p", "slug", "text", "markdown", "<p>text</p>")
    assert opened.projects("get_project", projectid) == expected
    assert opened.projects("get_projects") == [expected]
    assert opened.projects("get_active_projects") == []


def test_masters(opened: Opened) -> None:
    other = opened.masters("findMasterId", "other")
    assert opened.masters("findMasterId", "other") == other
    assert not opened.masters("getMaster", other).active
    assert opened.masters("setMasterState", other, True)
    assert not opened.masters("setMasterState", other, True)
    assert [(one.name, one.active) for one in opened.masters("getMasters")] == [("m", True), ("other", True)]
    assert opened.masters("setMasterState", other, False)
    assert opened.masters("getMaster", 99) is None
    opened.masters("setAllMastersActiveLongTimeAgo")
    assert opened.masters("getMaster", other).last_active == datetime.datetime(1970, 1, 1, tzinfo=UTC)


def test_schedulers(opened: Opened) -> None:
    schedulerid = opened.schedulers("findSchedulerId", "s")
    assert opened.schedulers("getScheduler", schedulerid) == models.SchedulerModel(schedulerid, "s", True, None)
    opened.schedulers("setSchedulerMaster", schedulerid, opened.masterid)
    opened.schedulers("enable", schedulerid, False)
    assert opened.schedulers("get_scheduler_master", schedulerid) == opened.masterid
    expected = models.SchedulerModel(schedulerid, "s", False, opened.masterid)
    assert opened.schedulers("getSchedulers", active=True) == [expected]
    assert opened.schedulers("getSchedulers", active=False) == []
    assert opened.schedulers("getSchedulers", masterid=99) == []
    with pytest.raises(SchedulerAlreadyClaimedError):
        opened.schedulers("setSchedulerMaster", schedulerid, opened.masters("findMasterId", "other"))


def test_classified_changes(opened: Opened) -> None:
    schedulerid = opened.schedulers("findSchedulerId", "s")
    first = opened.changes("addChange", branch="main")
    second = opened.changes("addChange", branch=None)
    opened.schedulers("classifyChanges", schedulerid, {first: True, second: True})
    opened.schedulers("classifyChanges", schedulerid, {second: False})
    assert opened.schedulers("getChangeClassifications", schedulerid) == {first: True, second: False}
    assert opened.schedulers("getChangeClassifications", schedulerid, branch=None) == {second: False}
    opened.schedulers("flushChangeClassifications", schedulerid, less_than=second)
    assert opened.schedulers("getChangeClassifications", schedulerid) == {second: False}
    opened.schedulers("flushChangeClassifications", schedulerid)
    assert opened.schedulers("getChangeClassifications", schedulerid) == {}


def test_change_sources(opened: Opened) -> None:
    sourceid = opened.changesources("findChangeSourceId", "poller")
    opened.changesources("setChangeSourceMaster", sourceid, opened.masterid)
    expected = models.ChangeSourceModel(sourceid, "poller", opened.masterid)
    assert opened.changesources("getChangeSource", sourceid) == expected
    assert opened.changesources("getChangeSources", active=True, masterid=opened.masterid) == [expected]
    assert opened.changesources("getChangeSources", active=False) == []
    with pytest.raises(ChangeSourceAlreadyClaimedError):
        opened.changesources("setChangeSourceMaster", sourceid, opened.masters("findMasterId", "other"))


def test_workers(opened: Opened) -> None:
    workerid = opened.workers("findWorkerId", "w")
    builderid = opened.builders("findBuilderId", "b")
    opened.workers("workerConfigured", workerid, opened.masterid, [builderid])
    opened.workers("workerConnected", workerid, opened.masterid, {"version": "4"})
    opened.workers("set_worker_paused", workerid, True, "for a while")
    opened.workers("set_worker_graceful", workerid, True)
    place = models.BuilderMasterModel(builderid, opened.masterid)
    expected = models.WorkerModel(
        workerid, "w", {"version": "4"}, True, "for a while", True, [place], [opened.masterid]
    )
    assert opened.workers("getWorker", workerid) == expected
    assert opened.workers("getWorker", name="w", builderid=builderid) == expected
    assert opened.workers("getWorker", name="w", builderid=builderid + 1) is None
    assert opened.workers("getWorkers", masterid=opened.masterid, paused=True, graceful=True) == [expected]
    assert opened.workers("getWorkers", paused=False) == []
    opened.workers("workerDisconnected", workerid, opened.masterid)
    opened.workers("deconfigureAllWorkersForMaster", opened.masterid)
    found = opened.workers("getWorker", workerid)
    assert (found.configured_on, found.connected_to) == ([], [])
    with pytest.raises(TypeError, match="workerid or name"):
        opened.workers("getWorker", builderid=builderid)


def test_changes(opened: Opened) -> None:
    uid = opened.users("findUserByAttr", "me", "email", "me@x.org")
    when = datetime.datetime(2020, 1, 1, tzinfo=UTC)
    given = {"author": "me", "files": ["a.c"], "comments": "text", "revision": "1", "branch": "main", "uid": uid}
    place = {"repository": "r", "codebase": "c", "project": "p"}
    properties = {"x": (1, "Change")}
    first = opened.changes("addChange", when_timestamp=when, properties=properties, **given, **place)
    second = opened.changes("addChange", when_timestamp=when.timestamp() + 5, **given, **place)
    change = opened.changes("getChange", first)
    stamps = opened.sourcestamps("getSourceStamps")
    assert change == models.ChangeModel(
        first, "me", None, "text", "main", "1", "", when, None, stamps[0].ssid, [], "r", "c", "p", ["a.c"], properties
    )
    assert opened.changes("getChange", second).parent_changeids == [first]
    assert opened.changes("getChangeFromSSid", stamps[0].ssid).changeid == second
    assert opened.changes("getChange", 99) is None
    assert opened.changes("getChangeFromSSid", 99) is None
    assert opened.changes("getChangesCount") == 2
    assert opened.changes("getLatestChangeid") == second
    assert opened.changes("getChangeUids", first) == [uid]
    assert opened.changes("getParentChangeIds", "main", "r", "p", "c") == [second]
    assert opened.changes("getParentChangeIds", "other", "r", "p", "c") == []
    newest = ResultSpec(order=["-changeid"], limit=1)
    assert [one.changeid for one in opened.changes("getChanges", resultSpec=newest)] == [second]
    opened.changes("pruneChanges", 1)
    assert [one.changeid for one in opened.changes("getChanges")] == [second]


def test_source_stamps(opened: Opened) -> None:
    patch = {"patch_body": b"+x", "patch_level": 1, "patch_author": "me", "patch_comment": "c", "patch_subdir": "d"}
    ssid, before = opened.sourcestamps("findOrCreateId", branch="b", revision="1", repository="r", **patch)
    assert not before
    assert opened.sourcestamps("findOrCreateId", branch="b", revision="1", repository="r", **patch) == (ssid, True)
    stamp = opened.sourcestamps("getSourceStamp", ssid)
    assert (stamp.branch, stamp.revision, stamp.repository, stamp.codebase) == ("b", "1", "r", "")
    assert stamp.patch == models.PatchModel(stamp.patch.patchid, b"+x", 1, "me", "c", "d")
    assert stamp.created_at.tzinfo is UTC
    assert opened.sourcestamps("getSourceStamp", 99) is None
    _, _, buildid = build_of(opened)
    (of_build,) = opened.sourcestamps("getSourceStampsForBuild", buildid)
    assert (of_build.branch, of_build.patch) == ("main", None)
    assert opened.sourcestamps("get_sourcestamps_for_buildset", 1) == [of_build]
    assert opened.sourcestamps("getSourceStampsForBuild", 99) == []


def test_buildsets(opened: Opened) -> None:
    builderid = opened.builders("findBuilderId", "b")
    at = datetime.datetime(2020, 1, 1, tzinfo=UTC)
    stamp = {"branch": "main", "repository": "r"}
    properties = {"x": (1, "test")}
    bsid, requestids = opened.buildsets(
        "addBuildset", [stamp], "why", properties, [builderid], False, external_idstring="id", submitted_at=at
    )
    ssid = opened.sourcestamps("findSourceStampId", **stamp)
    found = opened.buildsets("getBuildset", bsid)
    assert found == models.BuildSetModel(bsid, "id", "why", at, results=-1, sourcestamps=[ssid])
    assert opened.buildrequests("getBuildRequest", requestids[builderid]).submitted_at == at
    assert opened.buildsets("getBuildsetProperties", bsid) == properties
    assert opened.buildsets("getBuildsetProperties", 99) == {}
    assert opened.buildsets("getBuildset", 99) is None
    other, _ = opened.buildsets("addBuildset", [{"branch": "y"}], "", {}, [], False)
    assert [one.bsid for one in opened.buildsets("getBuildsets")] == [bsid, other]
    assert [one.bsid for one in opened.buildsets("getBuildsets", complete=False)] == [bsid]
    assert [one.bsid for one in opened.buildsets("getRecentBuildsets", 1)] == [other]
    assert [one.bsid for one in opened.buildsets("getRecentBuildsets", 5)] == [bsid, other]
    assert [one.bsid for one in opened.buildsets("getRecentBuildsets", 5, branch="main", complete=False)] == [bsid]
    opened.buildsets("completeBuildset", bsid, FAILURE, at)
    ended = opened.buildsets("getBuildset", bsid)
    assert (ended.complete, ended.results, ended.complete_at) == (True, FAILURE, at)
    with pytest.raises(AlreadyCompleteError):
        opened.buildsets("completeBuildset", bsid, FAILURE)


def test_build_requests(opened: Opened) -> None:
    builderid = opened.builders("findBuilderId", "b")
    _, made = opened.buildsets("addBuildset", [{"branch": "main"}], "", {}, [builderid], True, priority=3)
    _, more = opened.buildsets("addBuildset", [{"branch": "other"}], "", {}, [builderid], False)
    first, second = made[builderid], more[builderid]
    found = opened.buildrequests("getBuildRequest", first)
    assert (found.buildername, found.priority, found.waited_for, found.claimed) == ("b", 3, True, False)
    assert opened.buildrequests("getBuildRequest", 99) is None

    def ids(**wanted: Any) -> list[int]:
        return [one.buildrequestid for one in opened.buildrequests("getBuildRequests", **wanted)]

    assert ids(builderid=builderid) == [first, second]
    assert ids(branch="main") == [first]
    assert ids(branch="main", repository="elsewhere") == []
    assert ids(bsid=found.buildsetid, complete=False) == [first]
    assert ids(resultSpec=ResultSpec(filters=[Filter("priority", "eq", [3])])) == [first]
    opened.buildrequests("claimBuildRequests", [first])
    assert ids(claimed=True) == ids(claimed=opened.masterid) == [first]
    assert ids(claimed=False) == [second]
    with pytest.raises(AlreadyClaimedError):
        opened.buildrequests("claimBuildRequests", [first, second])
    with pytest.raises(NotClaimedError):
        opened.buildrequests("completeBuildRequests", [first, second], SUCCESS)
    assert ids(complete=True) == []
    opened.buildrequests("unclaimBuildRequests", [first])
    opened.buildrequests("set_build_requests_priority", [first], 7)
    assert opened.buildrequests("getBuildRequest", first).priority == 7
    opened.buildrequests("claimBuildRequests", [first, second])
    opened.buildrequests("completeBuildRequests", [first, second], SUCCESS)
    assert ids(complete=True) == [first, second]


def test_builds(opened: Opened) -> None:
    changeid = opened.changes("addChange", branch="main", revision="r1", repository="repo")
    builderid, requestid, buildid = build_of(opened)
    opened.builds("setBuildStateString", buildid, "working")
    opened.builds("add_build_locks_duration", buildid, 5)
    opened.builds("setBuildProperty", buildid, "x", [1], "test")
    build = opened.builds("getBuild", buildid)
    assert build == models.BuildModel(
        buildid, 1, builderid, requestid, None, opened.masterid, build.started_at, None, 5, "working", None
    )
    assert opened.builds("getBuildByNumber", builderid, 1) == build
    assert opened.builds("getBuild", 99) is None
    assert opened.builds("getBuildProperties", buildid) == {"x": ([1], "test")}
    named = ResultSpec(filters=[Filter("name", "eq", ["y"])])
    assert opened.builds("getBuildProperties", buildid, named) == {}
    assert opened.builds("getBuilds", builderid=builderid, complete=False) == [build]
    assert opened.builds("getBuilds", buildrequestid=requestid, workerid=1) == []
    assert opened.builds("getBuildsForChange", changeid) == [build]
    assert [one.changeid for one in opened.changes("getChangesForBuild", buildid)] == [changeid]
    opened.builds("finishBuild", buildid, SUCCESS)
    assert opened.builds("getBuild", buildid).results == SUCCESS
    stamps = opened.sourcestamps("getSourceStampsForBuild", buildid)
    assert opened.builds("getPrevSuccessfulBuild", builderid, 2, stamps).id == buildid
    assert opened.builds("getPrevSuccessfulBuild", builderid, 1, stamps) is None
    _, _, child = build_of(opened, "c", parent_buildid=buildid, parent_relationship="Triggered from")
    assert [one.id for one in opened.builds("get_triggered_builds", buildid)] == [child]


def test_steps(opened: Opened) -> None:
    _, _, buildid = build_of(opened)
    stepid, number, name = opened.steps("addStep", buildid, "make", "pending")
    assert (number, name) == (0, "make")
    assert opened.steps("addStep", buildid, "make", "pending")[1:] == (1, "make_2")
    opened.steps("startStep", stepid, 1000, False)
    opened.steps("set_step_locks_acquired_at", stepid, 1005)
    opened.steps("setStepStateString", stepid, "making")
    for _ in range(2):
        opened.steps("addURL", stepid, "docs", "http://x")
    opened.steps("finishStep", stepid, FAILURE, True)
    step = opened.steps("getStep", stepid)
    at = datetime.datetime.fromtimestamp(1000, UTC)
    assert step == models.StepModel(
        stepid,
        0,
        "make",
        buildid,
        at,
        at + datetime.timedelta(seconds=5),
        step.complete_at,
        "making",
        FAILURE,
        [models.UrlModel("docs", "http://x")],
        True,
    )
    assert step.complete_at is not None
    assert opened.steps("getStep", buildid=buildid, number=0) == step
    assert opened.steps("getStep", buildid=buildid, name="make") == step
    assert opened.steps("getStep", buildid=buildid, name="other") is None
    assert opened.steps("getStep", 99) is None
    assert [one.name for one in opened.steps("getSteps", buildid)] == ["make", "make_2"]
    with pytest.raises(TypeError, match="stepid, or buildid with either number or name"):
        opened.steps("getStep", buildid=buildid)


def test_logs(opened: Opened) -> None:
    _, _, buildid = build_of(opened)
    stepid, _, _ = opened.steps("addStep", buildid, "make", "")
    opened.steps("startStep", stepid, 1000, True)
    logid = opened.logs("addLog", stepid, "stdio", "stdio", "s")
    with pytest.raises(LogSlugExistsError):
        opened.logs("addLog", stepid, "stdio", "stdio", "s")
    assert opened.logs("appendLog", logid, "oone\netwo\n") == (0, 1)
    assert opened.logs("appendLog", logid, "othree\n") == (2, 2)
    assert opened.logs("compressLog", logid) == 0
    opened.logs("finishLog", logid)
    expected = models.LogModel(logid, "stdio", "stdio", stepid, True, 3, "s")
    assert opened.logs("getLog", logid) == expected
    assert opened.logs("getLogBySlug", stepid, "stdio") == expected
    assert opened.logs("getLogs", stepid) == opened.logs("getLogs") == [expected]
    assert opened.logs("getLog", 99) is None
    opened.logs("compressLog", logid)
    assert opened.logs("getLogLines", logid, 1, 5) == "etwo\nothree\n"
    assert lines(opened, logid) == ["oone\n", "etwo\n", "othree\n"]
    assert lines(opened, logid, 1, 1) == ["etwo\n"]
    assert opened.logs("deleteOldLogChunks", 1000) == 0
    assert opened.logs("deleteOldLogChunks", 1001) == 1
    assert opened.logs("getLog", logid).type == "d"


def lines(opened: Opened, *args: Any) -> list[str]:
    """What iterating over a log's lines gives."""

    async def gather() -> list[str]:
        return [line async for line in opened.db.logs.iter_log_lines(*args)]

    found: list[str] = opened.place.wait(defer.ensureDeferred(gather()))
    return found


def test_state(opened: Opened) -> None:
    objectid = opened.state("getObjectId", "poller", "Class")
    assert opened.state("getObjectId", "poller", "Class") == objectid
    opened.state("setState", objectid, "last", {"a": [1]})
    assert opened.state("getState", objectid, "last") == {"a": [1]}
    assert opened.state("getState", objectid, "other", None) is None
    with pytest.raises(KeyError):
        opened.state("getState", objectid, "other")
    assert opened.state("atomicCreateState", objectid, "once", lambda: 1) == 1
    assert opened.state("atomicCreateState", objectid, "once", lambda: 2) == 1


def test_tags(opened: Opened) -> None:
    fast = opened.tags("findTagId", "fast")
    assert opened.tags("findTagId", "fast") == fast != opened.tags("findTagId", "slow")


def test_users(opened: Opened) -> None:
    uid = opened.users("findUserByAttr", "me", "email", "me@x.org")
    assert opened.users("findUserByAttr", "other", "email", "me@x.org") == uid
    opened.users("updateUser", uid, bb_username="me", bb_password="pw")
    opened.users("updateUser", uid=uid, identifier="myself", attr_type="git", attr_data="Me <me@x.org>")
    attributes = {"email": "me@x.org", "git": "Me <me@x.org>"}
    expected = models.UserModel(uid, "myself", "me", "pw", attributes)
    assert opened.users("getUser", uid) == opened.users("getUserByUsername", "me") == expected
    assert opened.users("getUsers") == [models.UserModel(uid, "myself", "me", "pw")]
    assert opened.users("identifierToUid", "myself") == uid
    assert opened.users("getUser", 99) is None
    second = opened.users("findUserByAttr", "second", "email", "second@x.org")
    with pytest.raises(UserTaken, match="belongs to another user"):
        opened.users("updateUser", second, identifier="myself")
    with pytest.raises(TypeError, match="go together"):
        opened.users("updateUser", second, bb_username="x")
    opened.users("removeUser", uid)
    assert opened.users("identifierToUid", "myself") is None
