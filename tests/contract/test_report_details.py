"""What a report reads, on every database: details of builds in few queries, who is responsible, whose turn it is."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.results import FAILURE, RETRY, SUCCESS
from buildmaster.db import details, journal, masters, turns
from buildmaster.db.details import Wants
from tests.contract.conftest import Place
from tests.support.core import CoreMaster


@pytest.fixture
def master(place: Place) -> CoreMaster:
    return CoreMaster(place)


def finished(master: CoreMaster, results: int | None, **more: Any) -> dict[str, Any]:
    made = master.add_build(**more)
    if results is not None:
        master.update("finishBuild", made["buildid"], results)
    return made


def read(master: CoreMaster, function: Any, *args: Any) -> Any:
    return master.wait(master.db.read(function, *args))


def test_the_build_before(master: CoreMaster) -> None:
    """Of the same builder, complete, and not one that was to be retried."""
    made = [
        finished(master, results, builder=b)
        for b, results in (("a", SUCCESS), ("a", RETRY), ("a", None), ("b", FAILURE))
    ]
    last = [finished(master, FAILURE, builder=builder) for builder in ("a", "b", "c")]
    found = read(master, details.previous_of, last)
    assert {key: build["buildid"] for key, build in found.items()} == {
        last[0]["buildid"]: made[0]["buildid"],
        last[1]["buildid"]: made[3]["buildid"],
    }


def test_all_details_of_several_builds(master: CoreMaster) -> None:
    one, two = finished(master, SUCCESS, builder="a"), finished(master, FAILURE, builder="b")
    master.update("setBuildProperty", one["buildid"], "p", 1, "test")
    stepid, _, _ = master.update("addStep", one["buildid"], "compile")
    logid = master.update("addLog", stepid, "stdio", "s")
    master.update("appendLog", logid, "ohello\n" * 3)
    stored = [master.get(("builds", each["buildid"])) for each in (one, two)]
    wants = Wants(
        properties=True, steps=True, logs=True, previous=True, content=lambda log: log["stepname"] == "compile"
    )
    first, second = read(master, details.of_builds, stored, wants)
    assert (first["builder"]["name"], second["builder"]["name"]) == ("a", "b")
    assert (first["buildset"]["bsid"], second["buildset"]["bsid"]) == (one["bsid"], two["bsid"])
    assert (first["properties"], second["properties"]) == ({"p": (1, "test")}, {})
    [step] = first["steps"]
    [log] = step["logs"]
    assert (step["name"], log["stepname"], log["content"]["content"]) == ("compile", "compile", "ohello\n" * 3)
    assert (second["steps"], first["parentbuild"], first["prev_build"]) == ([], None, None)


def test_of_a_long_log_the_end_is_reported(master: CoreMaster) -> None:
    made = finished(master, SUCCESS)
    stepid, _, _ = master.update("addStep", made["buildid"], "compile")
    logid = master.update("addLog", stepid, "stdio", "s")
    for n in range(5):
        master.update("appendLog", logid, f"o{n}\n" * 100)
    content = read(master, details.log_content, master.get(("logs", logid)), 650)
    lines = content["content"].split("\n")
    assert (lines[-2], len(lines) - 1 + content["firstline"]) == ("o4", 500)
    assert content["firstline"] > 0


def test_who_is_responsible(master: CoreMaster) -> None:
    change = master.update(
        "addChange", author="al <al@x>", files=[], comments="", revision="1", repository="r", branch="main"
    )
    ssid = master.get(("changes", change))["sourcestamp"]["ssid"]
    patched = {"codebase": "p", "repository": "r", "patch_body": b"x", "patch_author": "pat", "patch_level": 1}
    made = finished(master, SUCCESS, sourcestamps=[ssid, patched], properties={"owner": ("own", "s")})
    master.update("setBuildProperty", made["buildid"], "owners", ["o1", "al <al@x>"], "test")
    assert read(master, details.authors_of_build, made["buildid"]) == {"al <al@x>", "pat", "o1"}
    assert read(master, details.authors_of_buildset, made["bsid"]) == {"al <al@x>", "pat", "own"}
    assert read(master, details.authors_of_sourcestamp, ssid) == {"al <al@x>"}
    assert read(master, details.authors_of_build, 999) == set()


def test_the_turn_is_held_by_one_who_lives(master: CoreMaster) -> None:
    def write(function: Any, *args: Any) -> Any:
        return master.wait(master.db.write(function, *args))

    here = master.masterid
    there = write(masters.begin, "there")[0]
    assert [write(turns.take, "reporter:r", who) for who in (here, there, here)] == [True, False, True]
    write(masters.stop, here)
    assert [write(turns.take, "reporter:r", who) for who in (there, here)] == [True, False]
    for name in ("reporter:r", "reporter:mine"):
        write(journal.open_cursor, name)
    assert write(turns.take, "reporter:mine", here)
    write(turns.forget, ["reporter:r", "reporter:mine"], here)
    assert sorted(read(master, journal.cursors, "reporter:")) == ["reporter:r"]
