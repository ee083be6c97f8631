"""What ``master.data`` promises of reading, masters, builders and changes, on every database."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.aio import as_deferred
from buildmaster.base.results import RETRY
from buildmaster.base.times import UTC
from buildmaster.data.base import EndpointKind
from buildmaster.data.exceptions import (
    InvalidPathError,
    InvalidQueryParameter,
)
from buildmaster.data.incoming import InvalidChange
from buildmaster.data.resultspec import Filter
from buildmaster.db import schema, users
from tests.contract.conftest import Place
from tests.support.core import CoreMaster

T0 = 1_700_000_000


@pytest.fixture
def master(place: Place) -> CoreMaster:
    return CoreMaster(place)


# -- reading in general --------------------------------------------------------------------------------------------


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


# -- masters -------------------------------------------------------------------------------------------------------


def test_a_master_is_there_with_its_name(master: CoreMaster) -> None:
    found = master.get(("masters", 1))
    assert {name: found[name] for name in ("masterid", "name", "active")} == {
        "masterid": 1,
        "name": "here",
        "active": True,
    }
    assert found["last_active"].tzinfo is UTC


def test_a_stopped_master_frees_all_it_held(master: CoreMaster) -> None:
    build = master.add_build()
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
    silent.add_build()
    master = CoreMaster(place, "loud")
    master.update("expireMasters")
    assert master.get("masters/1")["active"] is True
    master.wait(master.db.write(_forget_lease, 1))
    master.update("expireMasters")
    assert [m["active"] for m in master.get("masters", order=["masterid"])] == [False, True]
    assert master.get("builds/1")["results"] == RETRY


def _forget_lease(txn: Any, masterid: int) -> None:
    txn.update(schema.masters, masterid, lease_until=1.0)


# -- builders ------------------------------------------------------------------------------------------------------


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


# -- changes -------------------------------------------------------------------------------------------------------


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
    assert master.db.counters["commits"] - before <= 12  # a batch ends after 20 ms, so more on a slow machine
