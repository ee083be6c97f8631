"""Buildsets: one decision to build, with one request for each builder.

Adding one stores the whole decision at once: the buildset, its source stamps, the changes that led to it, and its
requests, of which each may supersede an older one by the built-in collapse rule.  All of it or nothing is committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import msgspec
import sqlalchemy as sa

from buildmaster.base.collapse import match_key
from buildmaster.base.moves import RequestState
from buildmaster.base.records import NewBuildset, SourceStamp
from buildmaster.db import collapsing, ending, included, requests, schema, sourcestamps
from buildmaster.db.memory import memory_of
from buildmaster.db.txn import Txn

_buildsets, _requests = schema.buildsets, schema.buildrequests
_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder().decode

_by_idempotency_key = sa.select(_buildsets.c.id).where(_buildsets.c.idempotency_key == sa.bindparam("key_"))


class UnknownSourceStamp(ValueError):
    """The buildset names a source stamp that does not exist."""


class UnknownParent(ValueError):
    """The buildset names a parent build that does not exist."""


def add(txn: Txn, new: NewBuildset) -> tuple[int, dict[int, int]]:
    """Store a buildset with its requests and tell.

    Returns (buildset id, request id by builder id); those of the buildset stored before if there is one with the same
    idempotency key.  A buildset without builders is complete at once.
    """
    known = _known(txn, new.idempotency_key)
    if known is not None:
        return known
    stamps = _stored_stamps(txn, new.sourcestamps)
    changeids = new.changeids or _inherited_changes(txn, new.parent_buildid, stamps)
    buildsetid, fields = _store(txn, new, stamps, changeids)
    txn.note("buildset", "new", **fields)
    key = match_key(stamps, new.properties)
    requestids = {builderid: _add_request(txn, buildsetid, builderid, new, key) for builderid in new.builderids}
    if not requestids:
        txn.note("buildset", "complete", **fields)
    if new.idempotency_key is not None:
        memory_of(txn).stage(("buildset key", new.idempotency_key), (buildsetid, requestids))
    return buildsetid, requestids


def _store(
    txn: Txn, new: NewBuildset, stamps: Iterable[SourceStamp], changeids: Iterable[int]
) -> tuple[int, dict[str, Any]]:
    """Store the row of a buildset, its source stamps and changes; returns its id and the fields of its facts."""
    buildsetid = txn.new_id("buildsets")
    empty = not new.builderids
    row = {
        "external_idstring": new.external_idstring,
        "reason": new.reason,
        "scheduler": new.scheduler,
        "submitted_at": txn.now(),
        "complete": int(empty),
        "complete_at": txn.now() if empty else None,
        "results": 0 if empty else None,
        "parent_buildid": new.parent_buildid,
        "parent_relationship": new.parent_relationship,
        "rebuilt_buildid": new.rebuilt_buildid,
    }
    encoded = _encode(new.properties).decode()
    txn.insert(_buildsets, id=buildsetid, properties=encoded, idempotency_key=new.idempotency_key, **row)
    ssids = sorted({stamp.ssid for stamp in stamps if stamp.ssid is not None})
    txn.insert_many(schema.buildset_sourcestamps, [{"buildsetid": buildsetid, "sourcestampid": ssid} for ssid in ssids])
    txn.insert_many(
        schema.buildset_changes, [{"buildsetid": buildsetid, "changeid": changeid} for changeid in set(changeids)]
    )
    return buildsetid, {"bsid": buildsetid, "buildsetid": buildsetid, "ssids": ssids, **row, "complete": empty}


def _known(txn: Txn, key: str | None) -> tuple[int, dict[int, int]] | None:
    if key is None:
        return None
    staged = memory_of(txn).get(("buildset key", key))
    if staged is not None:
        return staged
    found = txn.execute(_by_idempotency_key, {"key_": key}, touches=()).scalar()
    return None if found is None else (found, request_ids(txn.conn, found))


def _stored_stamps(txn: Txn, given: Iterable[SourceStamp | int]) -> list[SourceStamp]:
    """The source stamps, each with its id and whether changes refer to it."""
    named = {stamp for stamp in given if isinstance(stamp, int)}
    known = sourcestamps.get_many(txn.conn, named) if named else {}
    if len(known) != len(named):
        txn.flush()
        known = sourcestamps.get_many(txn.conn, named)
    if len(known) != len(named):
        raise UnknownSourceStamp(f"there is no source stamp {min(named - set(known))}")
    stamps = []
    for stamp in given:
        record = known[stamp] if isinstance(stamp, int) else stamp
        ssid, fresh = sourcestamps.find_or_create(txn, record)
        # one that was stored just now has no changes yet; another is looked up, unless its giver knows
        has_changes = False if fresh and record.has_changes is None else record.has_changes
        stamps.append(attrs.evolve(record, ssid=ssid, has_changes=has_changes))
    unsure = {stamp.ssid for stamp in stamps if stamp.has_changes is None and stamp.ssid is not None}
    if not unsure:
        return stamps
    changed = sourcestamps.with_changes(txn, unsure)
    return [attrs.evolve(s, has_changes=s.ssid in changed) if s.has_changes is None else s for s in stamps]


def _inherited_changes(txn: Txn, parent_buildid: int | None, stamps: Sequence[SourceStamp]) -> list[int]:
    """The changes of the parent's build in those codebases where the child builds from changes too."""
    codebases = {stamp.codebase for stamp in stamps if stamp.has_changes}
    if parent_buildid is None or not codebases:
        return []
    parent = txn.execute(
        sa.select(schema.builds.c.buildrequestid).where(schema.builds.c.id == parent_buildid), touches=(schema.builds,)
    ).scalar()
    if parent is None:
        raise UnknownParent(f"there is no build {parent_buildid} to be the parent of a buildset")
    changeids = included.change_ids(txn.conn, parent)
    column = schema.changes.c
    query = sa.select(column.id).where(column.id.in_(changeids), column.codebase.in_(codebases))
    return list(txn.execute(query, touches=()).scalars()) if changeids else []


def _add_request(txn: Txn, buildsetid: int, builderid: int, new: NewBuildset, key: str | None) -> int:
    """One builder's request; by the built-in rule it supersedes the pending one with the same key."""
    mode = new.collapse.get(builderid)
    state = RequestState.HELD if mode == "custom" else RequestState.PENDING
    older: list[int] = []
    if mode == "builtin" and key is not None:
        older = collapsing.pending_with_key(txn, builderid, key)
    requestid = requests.add(
        txn,
        buildsetid=buildsetid,
        builderid=builderid,
        priority=new.priority,
        state=state,
        waited_for=new.waited_for,
        key=key,
    )
    if older:
        collapsing.supersede(txn, older, requestid)
    return requestid


def request_ids(conn: sa.Connection, buildsetid: int) -> dict[int, int]:
    """The requests of a buildset by builder id."""
    query = sa.select(_requests.c.builderid, _requests.c.id).where(_requests.c.buildsetid == buildsetid)
    return {row.builderid: row.id for row in conn.execute(query)}


def get(conn: sa.Connection, buildsetid: int) -> Any:
    """The row of this buildset, or None."""
    return conn.execute(sa.select(_buildsets).where(_buildsets.c.id == buildsetid)).first()


def properties(conn: sa.Connection, buildsetid: int) -> dict[str, tuple[Any, str]]:
    """The properties of a buildset; empty for an unknown one."""
    text = conn.execute(sa.select(_buildsets.c.properties).where(_buildsets.c.id == buildsetid)).scalar()
    return decode_properties(text or "{}")


def decode_properties(text: str) -> dict[str, tuple[Any, str]]:
    """Stored properties: name → (value, source)."""
    return {name: (value, source) for name, (value, source) in _decode(text).items()}


def sourcestamp_ids(conn: sa.Connection, buildsetid: int) -> list[int]:
    """The source stamps of a buildset by id."""
    links = schema.buildset_sourcestamps
    query = sa.select(links.c.sourcestampid).where(links.c.buildsetid == buildsetid).order_by(links.c.sourcestampid)
    return list(conn.execute(query).scalars())


def change_ids(conn: sa.Connection, buildsetid: int) -> list[int]:
    """All the changes that led to this buildset, oldest first."""
    links = schema.buildset_changes
    query = sa.select(links.c.changeid).where(links.c.buildsetid == buildsetid).order_by(links.c.changeid)
    return list(conn.execute(query).scalars())


def complete_if_done(txn: Txn, buildsetid: int) -> int | None:
    """End a buildset whose requests are all complete; returns its results, or None if it goes on or had ended."""
    query = sa.select(_buildsets.c.complete, _buildsets.c.id).where(_buildsets.c.id == buildsetid).with_for_update()
    row = txn.execute(query).first()
    if row is None or row.complete:
        return None
    finished = ending.finished_buildsets(txn, [buildsetid])
    ending.end_buildsets(txn, finished, txn.now())
    return finished.get(buildsetid)


def overdue(conn: sa.Connection) -> list[int]:
    """Incomplete buildsets of which no request is incomplete: what the reconciler has to end."""
    open_requests = (
        sa.select(_requests.c.id)
        .where(_requests.c.buildsetid == _buildsets.c.id, _requests.c.state != RequestState.COMPLETE)
        .exists()
    )
    query = sa.select(_buildsets.c.id).where(_buildsets.c.complete == 0, ~open_requests)
    return list(conn.execute(query).scalars())
