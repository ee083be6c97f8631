"""What the documented connectors share."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.times import epoch2datetime
from buildmaster.db import hiding, query
from buildmaster.db.view import Row, View

When = datetime.datetime | float | None
"""A point in time as callers give it: an aware datetime, or seconds since the epoch."""


class DBConnectorComponent:
    """The documented base class; ``db`` is ``master.db``."""

    def __init__(self, connector: Any) -> None:
        self.db = connector

    def _write_about(self, kind: str, id: int, function: Any, *args: Any) -> Any:
        """A write job about a build or what belongs to it, without the secrets that the build has used."""
        return self.db.write(hiding.write_about, self.db.secrets, kind, id, function, *args)

    async def _one(self, view: View, scopes: Mapping[str, Any]) -> Row | None:
        return await self.db.read(query.fetch_one, view, scopes)

    async def _rows(
        self, view: View, scopes: Mapping[str, Any], filters: Mapping[str, Any] | None = None, spec: Any = None
    ) -> list[Row]:
        """The rows of a view in which all given scopes and fields have these values; None leaves one open."""
        wanted = {name: value for name, value in scopes.items() if value is not None}
        fields = {name: value for name, value in (filters or {}).items() if value is not None}
        page = await self.db.read(query.fetch, view, wanted, asked(fields, spec))
        return page.rows


class Model:
    """A documented record: its attributes also read as items, as in releases before 4.0."""

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None


@attrs.frozen
class Criterion:
    """A field has to have one value."""

    field: str
    values: Sequence[Any]
    op: str = "eq"


@attrs.frozen
class Asked:
    """Filters, and what a result specification says besides."""

    filters: Sequence[Any]
    fields: Any = None
    order: Any = None
    limit: Any = None
    offset: Any = None
    properties: Any = None


def asked(fields: Mapping[str, Any], spec: Any) -> Asked:
    """The specification of a read: these fields' values, and the caller's result specification, if any."""
    own = [Criterion(name, [value]) for name, value in fields.items()]
    if spec is None:
        return Asked(own)
    return Asked([*own, *(spec.filters or ())], None, spec.order, spec.limit, spec.offset)


def epoch(when: When) -> float | None:
    """A point in time as it is stored."""
    return when.timestamp() if isinstance(when, datetime.datetime) else when


def moment(when: When) -> datetime.datetime | None:
    """A point in time as it is shown."""
    return when if when is None or isinstance(when, datetime.datetime) else epoch2datetime(when)


def ids_of(conn: sa.Connection, statement: sa.Select) -> list[int]:
    """The first column of what a statement finds."""
    return list(conn.execute(statement).scalars())
