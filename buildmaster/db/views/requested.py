"""What is to be built: source stamps, changes, buildsets and their requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.db import schema as s
from buildmaster.db.fields import Epoch, Flag, Json, Nested, Number, Related, Text, TextList
from buildmaster.db.query import fetch_by_ids
from buildmaster.db.view import Row, View
from buildmaster.db.views.making import by_key, fields_of, never_ended, scopes_of, sourced

_p = s.patches.c


def _patch(raw: Sequence[Any]) -> Row | None:
    if raw[0] is None:
        return None
    return Row(patchid=raw[0], body=bytes(raw[1]), level=raw[2], subdir=raw[3], author=raw[4], comment=raw[5])


SOURCESTAMPS = View(
    "sourcestamps",
    s.sourcestamps,
    "ssid",
    {
        **fields_of(s.sourcestamps, "revision", "branch", "repository", "project", "codebase", ssid="id"),
        "patch": Nested((_p.id, _p.body, _p.level, _p.subdir, _p.author, _p.comment), _patch, ("patch",)),
        **fields_of(s.sourcestamps, "created_at"),
    },
    scopes_of(
        ssid=s.sourcestamps.c.id,
        buildsetid=(s.buildset_sourcestamps.c.buildsetid, "buildsets"),
    ),
    {
        "patch": (s.patches, _p.id == s.sourcestamps.c.patchid, True),
        "buildsets": (
            s.buildset_sourcestamps,
            s.buildset_sourcestamps.c.sourcestampid == s.sourcestamps.c.id,
            False,
        ),
    },
)


def _load_sourcestamps(conn: sa.Connection, keys: Sequence[int]) -> dict[int, Row]:
    return fetch_by_ids(conn, SOURCESTAMPS, keys)


CHANGES = View(
    "changes",
    s.changes,
    "changeid",
    {
        **fields_of(s.changes, changeid="id"),
        "parent_changeids": Related(
            columns=(s.changes.c.parent_changeid,),
            load=lambda conn, keys: {key: [key] for key in keys},
            member=lambda p: s.changes.c.parent_changeid == p,
        ),
        **fields_of(s.changes, "author", "committer"),
        "files": TextList(s.changes.c.files, nullable=False),
        **fields_of(s.changes, "comments", "revision", "when_timestamp", "branch", "category", "revlink"),
        "properties": Json(s.changes.c.properties, nullable=False, make=sourced),
        **fields_of(s.changes, "repository", "project", "codebase"),
        "sourcestamp": Related(columns=(s.changes.c.sourcestampid,), load=_load_sourcestamps, empty=lambda: None),
    },
    scopes_of(changeid=s.changes.c.id, ssid=s.changes.c.sourcestampid),
    newest_first=True,
)

_load_links = by_key(
    lambda keys: (
        sa.select(s.buildset_sourcestamps.c.buildsetid, s.buildset_sourcestamps.c.sourcestampid)
        .where(s.buildset_sourcestamps.c.buildsetid.in_(keys))
        .order_by(s.buildset_sourcestamps.c.buildsetid, s.buildset_sourcestamps.c.sourcestampid)
    ),
    lambda row: row[1],
)


def _load_buildset_sources(conn: sa.Connection, keys: Sequence[int]) -> dict[int, list[Row]]:
    links = _load_links(conn, keys)
    stamps = fetch_by_ids(conn, SOURCESTAMPS, {ssid for ssids in links.values() for ssid in ssids})
    return {bsid: [stamps[ssid] for ssid in ssids if ssid in stamps] for bsid, ssids in links.items()}


BUILDSETS = View(
    "buildsets",
    s.buildsets,
    "bsid",
    {
        **fields_of(s.buildsets, "external_idstring", "reason", "rebuilt_buildid", bsid="id"),
        "submitted_at": Epoch(s.buildsets.c.submitted_at, nullable=False),
        **fields_of(s.buildsets, "complete"),
        "complete_at": Epoch(s.buildsets.c.complete_at),
        "results": never_ended(s.buildsets.c.results),
        "sourcestamps": Related(columns=(s.buildsets.c.id.label("sources_key"),), load=_load_buildset_sources),
        **fields_of(s.buildsets, "parent_buildid", "parent_relationship"),
    },
    scopes_of(bsid=s.buildsets.c.id),
    attributes={"scheduler": Text(s.buildsets.c.scheduler)},
)

_r = s.buildrequests.c


def _in_state(*states: RequestState) -> Any:
    """The condition that a request is in one of these states; a list, because a range is not sought in an index."""
    return _r.state.in_([sa.literal_column(str(int(state))) for state in states])


BUILDREQUESTS = View(
    "buildrequests",
    s.buildrequests,
    "buildrequestid",
    {
        **fields_of(s.buildrequests, "buildsetid", "builderid", "priority", buildrequestid="id"),
        "claimed": Flag(
            _r.state,
            yes=_in_state(RequestState.CLAIMED, RequestState.COMPLETE),
            no=_in_state(RequestState.HELD, RequestState.PENDING),
            make=lambda state: state >= RequestState.CLAIMED,
        ),
        **fields_of(s.buildrequests, "claimed_at", "claimed_by_masterid"),
        "complete": Flag(
            _r.state.label("complete_state"),
            yes=_in_state(RequestState.COMPLETE),
            no=_in_state(RequestState.HELD, RequestState.PENDING, RequestState.CLAIMED),
            make=lambda state: state >= RequestState.COMPLETE,
        ),
        "results": never_ended(_r.results),
        **fields_of(s.buildrequests, "submitted_at", "complete_at", "waited_for"),
        "properties": Json(s.buildsets.c.properties, ("buildset",), nullable=False, make=sourced),
    },
    scopes_of(
        buildrequestid=_r.id,
        builderid=_r.builderid,
        buildsetid=_r.buildsetid,
        buildername=(s.builders.c.name, "builder"),
    ),
    {
        "buildset": (s.buildsets, s.buildsets.c.id == _r.buildsetid, False),
        "builder": (s.builders, s.builders.c.id == _r.builderid, False),
    },
    attributes={"reason": Text(s.buildsets.c.reason, ("buildset",)), "superseded_by": Number(_r.superseded_by)},
    on_request={"properties": lambda: None},
)
