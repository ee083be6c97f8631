"""Taking over what a real Buildbot 4.3 has stored: ``data/buildbot_4_3.json`` holds the rows of one that was killed.

It had built ``main`` with each way to compress logs, was building ``long`` and ``parent`` (which waits for a child),
kept changes for a scheduler with a stable timer and one by the clock, and had two try builds of the same patch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from buildmaster.cli.import_buildbot import class_here
from buildmaster.cli.main import group
from buildmaster.db import dialects, importing, log_text, migrate, schema, storing
from buildmaster.db.buildbot_rows import INTERRUPTED
from buildmaster.db.buildbot_tables import PAGE
from tests.contract.conftest import Place
from tests.support.buildbot_database import SAMPLE, buildbot, in_file
from tests.support.servers import empty

pytestmark = [pytest.mark.only_on("sqlite", "postgresql", "mariadb"), pytest.mark.needs("lz4", "brotli")]
NOW = 2e9


def change(url: sa.URL, *statements: str) -> None:
    """Execute statements there."""
    engine = dialects.create_engine(url, True)
    with engine.begin() as conn:
        for statement in statements:
            conn.execute(sa.text(statement))
    engine.dispose()


def imported(old: sa.URL, new: sa.URL, **options: Any) -> dict[str, list[Any]]:
    """What an import gives: the rows by table."""
    importing.import_history(old, new, lambda line: None, NOW, class_here, **options)
    engine = dialects.create_engine(new, False)
    with engine.connect() as conn:
        migrate.check(conn)
        found = {
            table.name: list(conn.execute(sa.select(table).order_by(*table.primary_key.columns)))
            for table in schema.metadata.sorted_tables
        }
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The rows of an import from SQLite into SQLite."""
    path = tmp_path_factory.mktemp("import")
    return imported(buildbot(in_file(path / "old.sqlite")), in_file(path / "new.sqlite"))


def test_from_and_into_every_database(place: Place, tmp_path: Path, rows: dict[str, list[Any]]) -> None:
    there = dialects.parse_url(place.url, str(tmp_path))
    old = buildbot(in_file(tmp_path / "old.sqlite"))
    engine = dialects.create_engine(there, True)
    try:
        assert imported(old, there) == rows
        empty(engine)
        assert imported(buildbot(there), in_file(tmp_path / "another.sqlite")) == rows
    finally:
        empty(engine)
        engine.dispose()


def test_ids_and_numbers_stay(rows: dict[str, list[Any]]) -> None:
    sample = json.loads(SAMPLE.read_text(encoding="utf-8"))
    for name in ("builds", "buildrequests", "buildsets", "changes", "steps", "logs", "builders", "workers"):
        assert [row.id for row in rows[name]] == sorted(row[0] for row in sample[name]["rows"])
    main = next(row for row in rows["builders"] if row.name == "main")
    assert json.loads(main.tags) == ["t1", "t2"]
    assert [row.number for row in rows["builds"] if row.builderid == main.id] == list(range(1, 8))


def test_logs_of_every_compression(rows: dict[str, list[Any]]) -> None:
    plain = {row.logid: log_text.decompress(row.content, row.compression) for row in rows["log_chunks"]}
    assert {row.compressed for row in _sample("logchunks")} == set(range(6))
    outputs = [row for row in rows["logs"] if row.name == "stdio" and b"no newline" in plain.get(row.id, b"")]
    assert len(outputs) == 7
    for row in outputs:
        (chunk,) = [chunk for chunk in rows["log_chunks"] if chunk.logid == row.id]
        lines = plain[row.id].decode().split("\n")
        letters = log_text.with_prefixes(plain[row.id], log_text.parse_runs(chunk.channels)).decode().split("\n")
        assert len(lines) - 1 == chunk.last_line + 1 == row.num_lines
        assert [line for line in letters if line.startswith("e")] == ["eerr"]
        assert [line for line in lines if line.startswith("out")] == [f"out ü {number}" for number in range(40)]
    assert sorted({plain[row.id] for row in rows["logs"] if row.name == "text"}) == [b"one\n\nthree\n"]
    assert {row.type for row in rows["logs"]} == {"s", "t", "h"}


def _sample(table: str) -> list[Any]:
    """The rows of a table of the sample."""
    found = json.loads(SAMPLE.read_text(encoding="utf-8"))[table]
    columns = list(found["columns"])
    return [type("Row", (), dict(zip(columns, row, strict=True))) for row in found["rows"]]


def test_what_was_running_begins_again(rows: dict[str, list[Any]]) -> None:
    interrupted = [row for row in rows["builds"] if row.results == 5]
    assert [(row.complete, row.complete_at, row.state_string) for row in interrupted] == [(1, NOW, INTERRUPTED)] * 2
    assert all(row.complete for row in rows["builds"])
    ids = {row.id for row in interrupted}
    assert {row.results for row in rows["steps"] if row.buildid in ids and row.state_string == INTERRUPTED} == {5}
    waiting = [row for row in rows["buildrequests"] if row.state == 1]
    assert {row.id for row in waiting} == {row.buildrequestid for row in interrupted}
    (child,) = [row for row in rows["buildrequests"] if row.results == 6]
    parent = next(row for row in rows["buildsets"] if row.id == child.buildsetid).parent_buildid
    assert (child.state, child.complete_at, parent in ids) == (3, NOW, True)


def test_a_request_whose_build_has_ended_is_not_built_again(tmp_path: Path) -> None:
    old = buildbot(in_file(tmp_path / "old.sqlite"))
    change(old, "UPDATE buildrequests SET complete = 0, complete_at = NULL, results = -1 WHERE id = 2")
    found = imported(old, in_file(tmp_path / "new.sqlite"))
    (request,) = [row for row in found["buildrequests"] if row.id == 2]
    build = next(row for row in found["builds"] if row.buildrequestid == 2)
    assert (request.state, request.results, request.complete_at) == (3, 0, build.complete_at)


def test_changes_users_and_what_schedulers_keep(rows: dict[str, list[Any]]) -> None:
    by_hand = rows["changes"][0]
    assert json.loads(by_hand.files) == ["f1", "f2"]
    assert json.loads(by_hand.properties) == {"prop": ["val", "Change"]}
    names = {row.id: row.name for row in rows["schedulers"]}
    kept = {(names[row.schedulerid], row.changeid) for row in rows["scheduler_changes"]}
    assert kept == {("slow", 1), ("slow", 2), ("slow", 3), ("night", 2), ("night", 3)}
    timers = {(row.schedulerid, row.timer) for row in rows["scheduler_timers"]}
    assert timers == {(row.schedulerid, row.timer) for row in rows["scheduler_changes"]}
    assert [(names[row.schedulerid], row.fire_time) for row in rows["scheduler_firings"]] == [("per", 1795277411)]
    assert rows["changes"][1].uid == rows["users"][0].id
    objects = {row.id: (row.name, row.class_name) for row in rows["objects"]}
    state = {(*objects[row.objectid], row.name) for row in rows["object_state"]}
    assert ("/srv/old/repo", "GitPoller", "lastRev") in state
    assert ("www", "buildmaster.www.service.WWWService", "session_secret") in state


def test_patches_properties_data_and_test_results(rows: dict[str, list[Any]]) -> None:
    assert [row.body for row in rows["patches"]] == [b"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n"] * 2
    patched = [row.content_hash for row in rows["sourcestamps"] if row.patchid]
    assert len(set(patched)) == 2
    properties = json.loads(next(row.properties for row in rows["build_properties"] if row.buildid == 2))
    assert properties["made"] == [{"a": [1, None]}, "SetProperty"]
    assert rows["build_data"][0].value == b"\x00value"
    assert [(row.test_name, row.test_code_path, row.line) for row in rows["test_results"][:2]] == [
        ("t.one", "a.py", 3),
        ("t.two", None, None),
    ]
    assert {row.scheduler for row in rows["buildsets"]} == {
        "per",
        "f-main",
        "f-long",
        "f-parent",
        "child",
        "longchild",
        "try",
    }


def test_tables_of_more_than_a_page(tmp_path: Path) -> None:
    old = buildbot(in_file(tmp_path / "old.sqlite"))
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < {2 * PAGE + 200})"
    change(
        old,
        f"{numbers} INSERT INTO changes SELECT i, 'a', NULL, 'c', 'b', 'r', '', 1, NULL, '', '', '', 3, NULL FROM n",
        f"{numbers} INSERT INTO change_files SELECT i, 'file ' || i FROM n",
    )
    found = imported(old, in_file(tmp_path / "new.sqlite"))
    assert [json.loads(row.files) for row in found["changes"] if row.id >= 100] == [
        [f"file {number}"] for number in range(100, 2 * PAGE + 201)
    ]


@pytest.mark.parametrize(
    ("statements", "error", "words"),
    [
        (
            ["UPDATE alembic_version SET version_num = '060'"],
            importing.NotBuildbot,
            "of revision 060; those of Buildbot 4.3",
        ),
        (["DROP TABLE alembic_version"], importing.NotBuildbot, "not the database of a Buildbot master"),
        (["DELETE FROM builds WHERE id = 3"], storing.CopyFailed, "--ignore-fk-error-rows"),
    ],
)
def test_what_cannot_be_imported(tmp_path: Path, statements: list[str], error: Any, words: str) -> None:
    old = buildbot(in_file(tmp_path / "old.sqlite"))
    change(old, *statements)
    with pytest.raises(error, match=words):
        imported(old, in_file(tmp_path / "new.sqlite"))


def test_rows_that_refer_to_nothing_are_left_out(tmp_path: Path, rows: dict[str, list[Any]]) -> None:
    old = buildbot(in_file(tmp_path / "old.sqlite"))
    change(old, "DELETE FROM builds WHERE id = 3")
    found = imported(old, in_file(tmp_path / "new.sqlite"), skip_orphans=True)
    assert len(found["builds"]) == len(rows["builds"]) - 1
    assert 3 not in {row.buildid for row in found["steps"]}


def test_a_scheduler_may_wait_for_a_change_that_is_not_there(tmp_path: Path) -> None:
    old = buildbot(in_file(tmp_path / "old.sqlite"))
    change(old, "DELETE FROM changes WHERE changeid = 1")
    with pytest.raises(storing.CopyFailed, match=r"'scheduler_changes'.*--ignore-fk-error-rows"):
        imported(old, in_file(tmp_path / "new.sqlite"))
    found = imported(old, in_file(tmp_path / "another.sqlite"), skip_orphans=True)
    assert {row.changeid for row in found["scheduler_changes"]} == {2, 3}
    assert {row.timer for row in found["scheduler_timers"]} == {row.timer for row in found["scheduler_changes"]}


def test_a_database_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    old, new = buildbot(in_file(tmp_path / "old.sqlite")), in_file(tmp_path / "new.sqlite")
    before = (tmp_path / "old.sqlite").read_bytes()
    imported(old, new)
    assert (tmp_path / "old.sqlite").read_bytes() == before
    with pytest.raises(storing.NotEmpty, match="is not empty"):
        imported(old, new)


CONFIG = """
from buildmaster.plugins import schedulers, util, worker
c = BuildmasterConfig = {
    "workers": [worker.Worker("w", "pw")],
    "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
    "builders": [util.BuilderConfig(name="main", workernames=["w"], factory=util.BuildFactory())],
    "schedulers": [schedulers.AnyBranchScheduler(name="slow", builderNames=["main"])],
}
"""


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "buildbot.tac").write_text("")
    buildbot(in_file(tmp_path / "old" / "state.sqlite"))
    call = CliRunner().invoke
    assert call(group, ["create-master", str(tmp_path / "new")]).exit_code == 0
    (tmp_path / "new" / "master.cfg").write_text(CONFIG)
    told = call(group, ["import-buildbot", str(tmp_path / "nothing"), str(tmp_path / "new")])
    assert (told.exit_code, "does not exist. Name the directory of a Buildbot master" in told.output) == (1, True)
    told = call(group, ["import-buildbot", str(tmp_path / "old"), str(tmp_path / "new")])
    assert told.exit_code == 0, told.output
    assert "builds: 19 rows" in told.output
    assert "19 builds among them. Start the master" in told.output
    told = call(group, ["import-buildbot", "-q", str(tmp_path / "old"), str(tmp_path / "new")])
    assert (told.exit_code, "is not empty" in told.output) == (1, True)
