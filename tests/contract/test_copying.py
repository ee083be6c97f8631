"""Copying a database from one kind to another, and making one smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from buildmaster.db import compacting, copying, dialects, logs, migrate, schema, storing
from buildmaster.db.log_text import METHODS, Compression
from tests.contract.conftest import Place

ON = pytest.mark.only_on("sqlite", "postgresql", "mariadb")


def value_of(table: sa.Table, column: sa.Column[Any], number: int) -> Any:
    """Some value that fits; whatever refers to a row refers to one there is, in its own table to a later one."""
    for key in column.foreign_keys:
        return number % 3 + 1 if key.column.table is table else number
    if isinstance(column.type, sa.LargeBinary):
        return b"\x00\xff" * number
    if isinstance(column.type, sa.Double):
        return number + 0.25
    if isinstance(column.type, sa.Integer):
        return number
    text = f"{column.name} ü\U0001f600 {number}"
    return text[-(getattr(column.type, "length", None) or 99) :]


def everything(conn: sa.Connection) -> dict[str, list[Any]]:
    with conn.begin():
        return {
            table.name: [tuple(row) for row in conn.execute(sa.select(table).order_by(*table.primary_key.columns))]
            for table in schema.metadata.sorted_tables
            if table.name != "id_blocks"
        }


def unchecked(conn: sa.Connection) -> None:
    """Let rows of an SQLite database refer to what is not there."""
    dbapi: Any = conn.connection.dbapi_connection
    dbapi.execute("PRAGMA foreign_keys=OFF")


def filled(path: Path) -> sa.URL:
    """An SQLite database with rows in every table."""
    url = dialects.parse_url(f"sqlite:///{path}", "/")
    engine = dialects.create_engine(url, True)
    with engine.connect() as conn:
        migrate.check(conn, create=True)
        unchecked(conn)
        with conn.begin():
            conn.execute(sa.delete(schema.journal_head))
            for table in schema.metadata.sorted_tables:
                rows = [{c.name: value_of(table, c, number) for c in table.columns} for number in (1, 2, 3)]
                conn.execute(sa.insert(table), rows)
    engine.dispose()
    return url


def look(url: sa.URL) -> dict[str, list[Any]]:
    engine = dialects.create_engine(url, False)
    with engine.connect() as conn:
        found = everything(conn)
    engine.dispose()
    return found


@ON
def test_a_copy_and_its_copy_have_the_same_rows(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "GROUP_ROWS", 2)
    source = filled(tmp_path / "source.sqlite")
    there = dialects.parse_url(place.url, str(tmp_path))
    back = dialects.parse_url("sqlite:///back.sqlite", str(tmp_path))
    said: list[str] = []
    copied = copying.copy(source, there, said.append)
    assert set(copied.values()) == {3}
    assert set(copied) == set(schema.metadata.tables) - {"id_blocks"}
    assert "builds: 3 rows" in said
    assert look(there) == look(source)
    copying.copy(there, back, said.append)
    assert look(back) == look(source)
    with pytest.raises(storing.NotEmpty, match="the destination is not empty"):
        copying.copy(source, there, said.append)


@ON
def test_rows_that_refer_to_nothing_end_a_copy_or_are_left_out(place: Place, tmp_path: Path) -> None:
    source = filled(tmp_path / "source.sqlite")
    engine = dialects.create_engine(source, True)
    with engine.connect() as conn:
        unchecked(conn)
        with conn.begin():
            conn.execute(sa.update(schema.logs).where(schema.logs.c.id == 2).values(stepid=77))
            conn.execute(
                sa.update(schema.codebase_commits).where(schema.codebase_commits.c.id == 1).values(parent_commitid=88)
            )
    engine.dispose()
    there = dialects.parse_url(place.url, str(tmp_path))
    other = dialects.parse_url("sqlite:///other.sqlite", str(tmp_path))
    with pytest.raises(
        storing.CopyFailed, match=r"table 'codebase_commits', rows \{'id': 1\}: .*--ignore-fk-error-rows"
    ):
        copying.copy(source, other, lambda line: None)
    said: list[str] = []
    copied = copying.copy(source, there, said.append, skip_orphans=True)
    assert (copied["logs"], copied["steps"]) == (2, 3)
    assert "logs: 2 rows, 1 left out that refer to rows which do not exist" in said
    found = look(there)
    assert [row[0] for row in found["logs"]] == [1, 3]


@ON
def test_logs_are_joined_and_compressed_anew_when_asked_for(place: Place, tmp_path: Path) -> None:
    url = dialects.parse_url(place.url, str(tmp_path))
    lines = [f"{'line ' * 50}{number}\n" for number in range(6)]

    def piece(logid: int, first: int) -> dict[str, Any]:
        text = (lines[first] + lines[first + 1]).encode()
        return {"logid": logid, "first_line": first, "last_line": first + 1, "raw_bytes": len(text),
                "compression": METHODS["raw"][0], "channels": "o1e1", "content": text}  # fmt: skip

    copying.copy(filled(tmp_path / "source.sqlite"), url, lambda line: None)
    engine = dialects.create_engine(url, True)
    with engine.connect() as conn, conn.begin():
        conn.execute(sa.delete(schema.log_chunks))
        conn.execute(sa.update(schema.logs).values(type="s", complete=1))
        conn.execute(sa.update(schema.logs).where(schema.logs.c.id == 3).values(complete=0))
        conn.execute(
            sa.insert(schema.log_chunks), [piece(1, 0), piece(1, 2), piece(1, 4), piece(2, 0), piece(3, 0), piece(3, 2)]
        )
    engine.dispose()

    def stored() -> tuple[list[Any], str]:
        engine = dialects.create_engine(url, False)
        with engine.connect() as conn, conn.begin():
            rows = conn.execute(sa.select(schema.log_chunks).order_by("logid", "first_line")).all()
            text = logs.read_lines(conn, 1, 0, 99)
        engine.dispose()
        return [(row.logid, row.first_line, row.last_line, row.compression) for row in rows], text

    def compact(method: str, again: bool) -> compacting.Saved:
        return compacting.compact(url, Compression(method), again, lambda line: None)

    raw, gz = METHODS["raw"][0], METHODS["gz"][0]
    unfinished = [(3, 0, 1, raw), (3, 2, 3, raw)]
    text = "".join("oe"[number % 2] + line for number, line in enumerate(lines))
    assert compact("raw", False) == compacting.Saved(2, 1, 0)
    assert stored() == ([(1, 0, 5, raw), (2, 0, 1, raw), *unfinished], text)
    assert compact("gz", False) == compacting.Saved(2, 0, 0)
    assert compact("gz", True).changed == 2
    assert stored() == ([(1, 0, 5, gz), (2, 0, 1, gz), *unfinished], text)
    assert compact("gz", True).changed == 0
