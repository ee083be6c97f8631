"""The schema: created, checked, upgraded from every earlier revision with rows in it, and never somebody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from buildmaster.db import dialects, migrate, schema
from tests.contract.conftest import Place
from tests.support.servers import empty

ROWS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "0001": {
        "masters": [{"id": 1, "name": "m", "active": 1, "last_active": 1.5, "epoch": 3, "last_batch": 7}],
        "builders": [{"id": 1, "name": "ü", "tags": "[]"}],
        "sourcestamps": [
            {"id": 1, "content_hash": "x", "repository": "r", "codebase": "", "project": "", "created_at": 1.0}
        ],
        "buildsets": [{"id": 1, "reason": "why", "submitted_at": 1.0, "complete": 1, "properties": "{}"}],
        "buildrequests": [
            {"id": 1, "buildsetid": 1, "builderid": 1, "priority": 0, "state": 3, "submitted_at": 1.0, "waited_for": 0,
             "retries": 0}
        ],
    },
    "0002": {
        "buildsets": [
            {"id": 1, "external_idstring": "é" * 256, "reason": "", "submitted_at": 1.0, "complete": 0,
             "properties": "{}"}
        ],
    },
}  # fmt: skip
"""For each revision that was ever released, rows as it had them."""


def run_migrations(engine: sa.Engine, target: str) -> None:
    scripts = migrate._script_directory()
    with engine.connect() as conn, conn.begin():
        context = MigrationContext.configure(
            conn, opts={"version_table": schema.VERSION_TABLE, "fn": lambda rev, _: scripts._upgrade_revs(target, rev)}
        )
        with Operations.context(context):
            context.run_migrations()


@pytest.fixture
def engine(place: Place) -> Any:
    engine = dialects.create_engine(dialects.parse_url(place.url, str(place.basedir)), True)
    empty(engine)
    yield engine
    if place.server is not None:
        empty(engine)
    engine.dispose()


def differences(engine: sa.Engine) -> list[Any]:
    with engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"version_table": schema.VERSION_TABLE, "compare_type": True})
        return compare_metadata(context, schema.metadata)


def test_the_newest_revision_is_the_declared_schema(place: Place, engine: sa.Engine) -> None:
    run_migrations(engine, "head")
    assert differences(engine) == []
    assert migrate.known_revisions()[0] == schema.REVISION


def test_a_fresh_schema_is_the_declared_one(place: Place, engine: sa.Engine) -> None:
    with engine.connect() as conn:
        migrate.check(conn, create=True)
    assert differences(engine) == []


def test_every_earlier_revision_is_upgraded_with_its_rows(place: Place, engine: sa.Engine) -> None:
    for revision in migrate.known_revisions():
        empty(engine)
        run_migrations(engine, revision)
        before = sa.MetaData()
        with engine.connect() as conn, conn.begin():
            before.reflect(conn)
            for name, rows in ROWS[revision].items():
                conn.execute(before.tables[name].insert(), rows)
        assert migrate.upgrade(dialects.parse_url(place.url, str(place.basedir))) == (revision, schema.REVISION)
        assert differences(engine) == []
        with engine.connect() as conn, conn.begin():
            for name, rows in ROWS[revision].items():
                table = schema.metadata.tables[name]
                stored = conn.execute(sa.select(table)).mappings().one()
                assert {key: stored[key] for key in rows[0] if key in stored} == {
                    key: value for key, value in rows[0].items() if key in stored
                }


def test_somebody_elses_database_is_left_alone(place: Place, engine: sa.Engine) -> None:
    with engine.connect() as conn, conn.begin():
        conn.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        conn.execute(sa.text("CREATE TABLE changes (changeid INTEGER)"))
    url = dialects.parse_url(place.url, str(place.basedir))
    for attempt in (lambda: place.open(), lambda: migrate.upgrade(url)):
        with pytest.raises(migrate.Foreign, match="left as it is"):
            attempt()
    with engine.connect() as conn:
        assert sorted(sa.inspect(conn).get_table_names()) == ["alembic_version", "changes"]


def test_a_database_of_a_later_version_is_refused(place: Place, engine: sa.Engine) -> None:
    with engine.connect() as conn:
        migrate.check(conn, create=True)
        with conn.begin():
            conn.execute(sa.text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(migrate.TooNew, match="9999"):
        place.open()


def test_an_empty_database_is_not_filled_by_starting(place: Place, engine: sa.Engine, tmp_path: Path) -> None:
    db = place.unopened()
    with pytest.raises(migrate.NotCreated, match="upgrade-master"):
        place.wait(db.open())
    place.wait(db.close())
    with engine.connect() as conn:
        assert sa.inspect(conn).get_table_names() == []


def test_fresh_tables_tell_apart_what_differs_only_in_case(engine: sa.Engine) -> None:
    with engine.connect() as conn:
        migrate.check(conn, create=True)
        rows = [{"id": number, "name": name, "tags": "[]"} for number, name in enumerate(["a", "A", "é", "e"])]
        with conn.begin():
            conn.execute(sa.insert(schema.builders), rows)
        if conn.dialect.name in ("mysql", "mariadb"):
            query = "SELECT DISTINCT engine, table_collation FROM information_schema.tables"
            own = f"table_schema = DATABASE() AND table_name <> '{schema.VERSION_TABLE}'"
            assert conn.execute(sa.text(f"{query} WHERE {own}")).fetchall() == [("InnoDB", "utf8mb4_bin")]
