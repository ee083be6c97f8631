"""Reads of resources: a view, the path it is reached by and a result specification become one SQL statement.

A read costs the driver's work and one small function per row.  Related rows come by one query for all rows of an
answer, never one per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.db.fields import Related
from buildmaster.db.plans import Binder, Plan, chunks, plan_by_ids, plan_of, plan_of_one
from buildmaster.db.view import Row, Spec, View

COUNT_AHEAD = 1000
"""How many rows after the page are counted for the total; a larger collection reports this many more."""

_MOST_KEYS = 16384


@attrs.frozen
class Page:
    """The rows of an answer, and how many there are in all (None: not asked for)."""

    rows: list[Row]
    total: int | None = None


def fetch(conn: sa.Connection, view: View, scopes: Mapping[str, Any], spec: Spec | None = None) -> Page:
    """The page of a view's rows that the path (``scopes``) and the specification select.

    Raises :class:`~.fields.BadSpec` when a field, filter or order can't be used.
    """
    values: dict[str, Any] = {}
    binder = Binder(values)
    plan = plan_of(conn.dialect, view, scopes, spec, binder)
    raws = plan.statement.run(conn, values)
    wanted = _properties(spec)
    make = plan.make
    rows = [make(raw, wanted) for raw in raws]
    for name, field in plan.related:
        _relate(conn, rows, name, field)
    return Page(rows, len(rows) if spec is None else _total(conn, plan, spec, len(rows), values))


def fetch_one(conn: sa.Connection, view: View, scopes: Mapping[str, Any], spec: Spec | None = None) -> Row | None:
    """The one row that the path selects, or None; only fields and properties of the specification count."""
    values: dict[str, Any] = {}
    wanted = _properties(spec)
    plan = plan_of_one(conn.dialect, view, tuple(scopes), spec)
    for name, value in scopes.items():
        values["s_" + name] = value
    values["limit_"], values["offset_"] = 1, 0
    raws = plan.statement.run(conn, values)
    if not raws:
        return None
    row = plan.make(raws[0], wanted)
    for name, field in plan.related:
        _relate(conn, [row], name, field)
    return row


def fetch_among(conn: sa.Connection, view: View, keys: Iterable[int], spec: Spec, field: str | None = None) -> Page:
    """The page that the specification selects of the rows with these ids; of very many ids the largest count.

    With ``field`` it is that field, not the id, that has to be one of ``keys``.
    """
    wanted = sorted(set(keys))[-_MOST_KEYS:]
    if not wanted:
        return Page([], 0)
    among = _Among(field or view.key, next(iter(chunks(wanted, len(wanted)))))
    narrowed = _Selection(
        [among, *(spec.filters or ())], spec.fields, spec.order, spec.limit, spec.offset, spec.properties
    )
    return fetch(conn, view, {}, narrowed)


def fetch_by_ids(conn: sa.Connection, view: View, ids: Iterable[int]) -> dict[int, Row]:
    """Whole resources by id, in as few queries as the databases' limits allow."""
    found: dict[int, Row] = {}
    for keys in chunks(sorted(set(ids))):
        plan = plan_by_ids(conn.dialect, view, len(keys))
        raws = plan.statement.run(conn, {f"p{n}": key for n, key in enumerate(keys)})
        rows = [plan.make(raw, None) for raw in raws]
        for name, field in plan.related:
            _relate(conn, rows, name, field)
        found.update((row[view.key], row) for row in rows)
    return found


@attrs.frozen
class _Among:
    field: str
    values: Sequence[Any]
    op: str = "in"


@attrs.frozen
class _Selection:
    filters: Sequence[Any]
    fields: Any = None
    order: Any = None
    limit: Any = None
    offset: Any = None
    properties: Any = None


def _properties(spec: Spec | None) -> frozenset[str] | None:
    if spec is None or not spec.properties:
        return None
    return frozenset(name for asked in spec.properties for name in asked.values)


def _total(conn: sa.Connection, plan: Plan, spec: Spec, found: int, values: Mapping[str, Any]) -> int:
    """How many there are in all; counted only when the page does not tell."""
    offset = spec.offset or 0
    last_page = spec.limit is None or found < spec.limit
    if last_page and (found or not offset):
        return offset + found
    assert plan.count is not None
    bound = offset + (spec.limit or 0) + COUNT_AHEAD
    return plan.count.run(conn, {**values, "limit_": bound})[0][0]


def _relate(conn: sa.Connection, rows: Sequence[Row], name: str, field: Related) -> None:
    keys = sorted({row[name] for row in rows if row[name] is not None})
    found: dict[Any, Any] = {}
    for part in chunks(keys):
        found.update(field.load(conn, part))
    for row in rows:
        key = row[name]
        row[name] = found[key] if key in found else field.empty()
