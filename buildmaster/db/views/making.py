"""What views are made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from buildmaster.db import schema as s
from buildmaster.db.fields import Blob, Field, Flag, Moment, Nested, Number, Text
from buildmaster.db.plans import KeyedStatement
from buildmaster.db.view import Scope

_decode = msgspec.json.Decoder().decode


def sourced(text: str) -> dict[str, tuple[Any, str]]:
    """Stored properties: name to (value, source)."""
    return {name: (value, source) for name, (value, source) in _decode(text).items()}


def fields_of(table: sa.Table, *names: str, **renamed: str) -> dict[str, Field | Nested]:
    """Fields that are a column as it stands, by the column's type; ``renamed`` maps a field to its column."""
    return {name: _field(table.c[column]) for name, column in {**renamed, **{n: n for n in names}}.items()}


def _field(column: sa.Column) -> Field:
    nullable = bool(column.nullable)
    if column.type is s.Flag or isinstance(column.type, sa.SmallInteger):
        return Number(column, nullable=nullable) if column.name == "results" else Flag(column)
    if isinstance(column.type, sa.Integer):
        return Number(column, nullable=nullable)
    if isinstance(column.type, sa.Float):
        return Moment(column, nullable=nullable)
    if isinstance(column.type, sa.LargeBinary):
        return Blob(column, nullable=nullable)
    return Text(column, nullable=nullable)


def scopes_of(**columns: Any) -> dict[str, Scope]:
    """Scopes by the name of the path's part: a column, or a tuple of a column and the joins it needs."""
    found = {}
    for name, value in columns.items():
        column, *joins = value if isinstance(value, tuple) else (value,)
        text = isinstance(column.type, sa.String)
        found[name] = Scope(column, tuple(joins), sa.Text() if text else sa.BigInteger())
    return found


def never_ended(column: sa.Column) -> Number:
    """Results of what need not be complete: -1 until it is, as documented."""
    return Number(sa.func.coalesce(column, sa.literal_column("-1")), nullable=False)


def by_key(
    select: Callable[[list[sa.BindParameter]], sa.Select], build: Callable[[Any], Any]
) -> Callable[[sa.Connection, Sequence[int]], dict[int, list[Any]]]:
    """A loader of lists: the statement's first column is the key that the lists are gathered by."""
    statement = KeyedStatement(select)

    def load(conn: sa.Connection, keys: Sequence[int]) -> dict[int, list[Any]]:
        found: dict[int, list[Any]] = {}
        for row in statement.run(conn, keys):
            found.setdefault(row[0], []).append(build(row))
        return found

    return load
