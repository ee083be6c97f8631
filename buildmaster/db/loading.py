"""All that a build has to know of its requests, in a handful of statements for any number of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.records import Change, Request, SourceStamp
from buildmaster.db import buildsets, changes, included, requests, schema, sourcestamps


@attrs.frozen
class LoadedRequest:
    """A request with its buildset, sources and changes."""

    request: Request
    reason: str
    scheduler: str | None
    external_idstring: str | None
    parent_buildid: int | None
    properties: Mapping[str, tuple[Any, str]]
    stamps: Sequence[SourceStamp]
    changes: Sequence[Change]  # those of superseded requests included, oldest first


def load(conn: sa.Connection, requestids: Iterable[int]) -> dict[int, LoadedRequest]:
    """These requests by id; unknown ids are left out."""
    return of_requests(conn, requests.get_many(conn, requestids))


def of_requests(conn: sa.Connection, found: Sequence[Request]) -> dict[int, LoadedRequest]:
    """What belongs to requests whose own rows are known, by request id."""
    if not found:
        return {}
    buildsetids = sorted({request.buildsetid for request in found})
    sets = _buildsets(conn, buildsetids)
    stamps = sourcestamps.of_buildsets(conn, buildsetids)
    changeids = included.change_ids_of_many(conn, [request.requestid for request in found])
    records = {c.changeid: c for c in changes.get_many(conn, {i for ids in changeids.values() for i in ids})}
    return {
        request.requestid: LoadedRequest(
            request=request,
            reason=sets[request.buildsetid].reason,
            scheduler=sets[request.buildsetid].scheduler,
            external_idstring=sets[request.buildsetid].external_idstring,
            parent_buildid=sets[request.buildsetid].parent_buildid,
            properties=buildsets.decode_properties(sets[request.buildsetid].properties),
            stamps=stamps[request.buildsetid],
            changes=[records[changeid] for changeid in changeids[request.requestid]],
        )
        for request in found
    }


_SETS = sa.select(schema.buildsets).where(schema.buildsets.c.id.in_(sa.bindparam("ids_", expanding=True)))


def _buildsets(conn: sa.Connection, buildsetids: Sequence[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for start in range(0, len(buildsetids), 500):
        rows = conn.execute(_SETS, {"ids_": buildsetids[start : start + 500]})
        found.update((row.id, row) for row in rows)
    return found
