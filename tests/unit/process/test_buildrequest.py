"""Requests and changes as users' callbacks and builds see them."""

from __future__ import annotations

from typing import Any

from buildmaster.base import records
from buildmaster.base.moves import RequestState
from buildmaster.db.loading import LoadedRequest
from buildmaster.process.buildrequest import BuildRequest, TempChange, TempSourceStamp
from buildmaster.process.change import Change
from buildmaster.testing.sync import result_of


def stored(changeid: int, **more: Any) -> records.Change:
    fields: dict[str, Any] = {
        "author": "me",
        "comments": "why",
        "files": ["b", "a"],
        "committer": None,
        "revision": f"r{changeid}",
        "when_timestamp": 1_500_000_000,
        "branch": "main",
        "category": "c",
        "revlink": "",
        "properties": {"p": ("v", "Change")},
        "repository": "repo",
        "codebase": "",
        "project": "pr",
        "ssid": changeid,
    }
    return records.Change(changeid, **{**fields, **more})


def request(number: int, changes: list[records.Change], reason: str = "because", **stamp: Any) -> BuildRequest:
    row = records.Request(number, number, 1, 7, int(RequestState.PENDING), 1000.9, True)
    stamps = [records.SourceStamp("", "repo", "pr", "main", f"r{number}", ssid=number, **stamp)]
    loaded = LoadedRequest(row, reason, "s", None, None, {"x": (1, "Scheduler")}, stamps, changes)
    return BuildRequest.from_loaded(None, loaded, "b")


def test_a_request_has_the_documented_attributes() -> None:
    made = request(3, [stored(1)])
    assert (made.id, made.bsid, made.builderid, made.buildername, made.priority) == (3, 3, 1, "b", 7)
    assert (made.submittedAt, made.getSubmitTime(), made.waitedFor, made.reason) == (1000, 1000, True, "because")
    assert made.properties.getProperty("x") == 1
    assert made.source is made.sources[""]
    assert (made.source.branch, made.source.revision, made.source.repository) == ("main", "r3", "repo")
    assert [change.revision for change in made.source.changes] == ["r1"]


def test_merging_keeps_every_change_once_and_the_newest_version() -> None:
    one, two = request(1, [stored(1), stored(2)]), request(2, [stored(2), stored(3)])
    (merged,) = one.mergeSourceStampsWith([two])
    assert merged.revision == "r2"
    assert [change.number for change in merged.changes] == [1, 2, 3]
    assert one.mergeReasons([two, request(3, [], "else")]) == "because, else"


def test_a_patch_is_shown_in_parts() -> None:
    patch = records.Patch(b"diff", 2, "sub", "me", "why", 5)
    stamp = request(1, [], patch=patch).source
    assert isinstance(stamp, TempSourceStamp)
    assert (stamp.patch, stamp.patch_info) == ((2, b"diff", "sub"), ("me", "why"))
    assert stamp.asDict() == {
        "branch": "main",
        "revision": "r1",
        "repository": "repo",
        "project": "pr",
        "codebase": "",
        "patch_level": 2,
        "patch_body": "diff",
        "patch_subdir": "sub",
        "patch_author": "me",
        "patch_comment": "why",
    }
    assert stamp.asSSDict()["patch"]["patchid"] == 5


def test_properties_that_schedulers_set_decide_on_collapsing() -> None:
    properties = {"a": (1, "Scheduler"), "scheduler": ("s", "Scheduler"), "b": (2, "Force Build Form")}
    assert BuildRequest.filter_buildset_props_for_collapsing(properties) == {"a": 1}


def test_a_newer_request_is_never_collapsed_into_an_older_one() -> None:
    assert result_of(BuildRequest.canBeCollapsed(None, {"buildrequestid": 1}, {"buildrequestid": 2})) is False


def test_a_change_has_the_documented_attributes() -> None:
    change = Change.from_record(stored(4))
    assert (change.number, change.who, change.files, change.comments) == (4, "me", ["a", "b"], "why")
    assert (change.revision, change.when, change.branch, change.category) == ("r4", 1_500_000_000, "main", "c")
    assert change.properties.getProperty("p") == "v"
    assert (change.getShortAuthor(), change.getTime()) == ("me", "Fri 14 Jul 2017 02:40:00")
    assert change.asDict()["files"] == [{"name": "a", "url": None}, {"name": "b", "url": None}]
    assert "Changed By: me" in change.asText()
    again = result_of(Change.fromChdict(None, {**change.asChDict(), "sourcestamp": {"ssid": 4}}))
    assert (again, again.asDict()) == (change, change.asDict())


def test_a_change_of_a_source_stamp_is_one_too() -> None:
    change = TempChange(stored(4))
    assert isinstance(change, Change)
    assert change.asChDict()["changeid"] == 4
