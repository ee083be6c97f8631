"""A Buildbot database: the rows of a real one (``tests/contract/data/buildbot_4_3.json``), in tables of any kind."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from buildmaster.db import dialects
from tests.support.facts import DATA

SAMPLE = DATA / "buildbot_4_3.json"
TYPES: dict[str, Any] = {
    "INTEGER": sa.Integer,
    "SMALLINT": sa.SmallInteger,
    "VARCHAR": sa.String(1024),
    "TEXT": sa.Text,
    "BLOB": sa.LargeBinary,
}


def buildbot(url: sa.URL) -> sa.URL:
    """Make the sample's tables there; returns ``url``."""
    engine = dialects.create_engine(url, True)
    with engine.begin() as conn:
        for name, found in json.loads(SAMPLE.read_text(encoding="utf-8")).items():
            columns = [sa.Column(column, TYPES[kind]) for column, kind in found["columns"].items()]
            table = sa.Table(name, sa.MetaData(), *columns, mysql_charset="utf8mb4")
            table.create(conn)
            rows = [dict(zip(found["columns"], map(_value, row), strict=True)) for row in found["rows"]]
            if rows:
                conn.execute(sa.insert(table), rows)
    engine.dispose()
    return url


def _value(given: Any) -> Any:
    return base64.b64decode(given["base64"]) if isinstance(given, dict) else given


def in_file(path: Path) -> sa.URL:
    return dialects.parse_url(f"sqlite:///{path}", "/")
