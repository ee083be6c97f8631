"""Source stamps and their patches: stored once for each content, found again by a hash of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from buildmaster.base.records import Patch, SourceStamp
from buildmaster.db import schema
from buildmaster.db.memory import memory_of
from buildmaster.db.txn import Txn

_stamps, _patches = schema.sourcestamps, schema.patches
_by_hash = sa.select(_stamps.c.id).where(_stamps.c.content_hash == sa.bindparam("hash_"))
_encode = msgspec.json.encode


def content_hash(stamp: SourceStamp) -> str:
    """What identifies a source stamp's content, patch included."""
    parts: list[Any] = [stamp.branch, stamp.revision, stamp.repository, stamp.codebase, stamp.project]
    if stamp.patch is not None:
        patch = stamp.patch
        body = hashlib.sha1(patch.body).hexdigest()
        parts += [body, patch.level, patch.subdir, patch.author, patch.comment]
    return hashlib.sha1(_encode(parts)).hexdigest()


def find_or_add(txn: Txn, stamp: SourceStamp) -> int:
    """The id of the stored source stamp with this content, which is stored if it is new."""
    return find_or_create(txn, stamp)[0]


def find_or_create(txn: Txn, stamp: SourceStamp) -> tuple[int, bool]:
    """The id of the stored source stamp with this content, and whether it was stored just now."""
    if stamp.ssid is not None:
        return stamp.ssid, False
    hashed = content_hash(stamp)
    memory = memory_of(txn)
    known = memory.get(("sourcestamp", hashed))
    if known is not None:
        return known, False
    # a stamp that waits in this transaction would be in the memory, so nothing need be sent before looking
    found = txn.execute(_by_hash, {"hash_": hashed}, touches=()).scalar()
    if found is not None:
        memory.confirm(("sourcestamp", hashed), found)
        return found, False
    ssid = txn.new_id("sourcestamps")
    txn.insert(
        _stamps,
        id=ssid,
        content_hash=hashed,
        branch=stamp.branch,
        revision=stamp.revision,
        patchid=None if stamp.patch is None else _add_patch(txn, stamp.patch),
        repository=stamp.repository,
        codebase=stamp.codebase,
        project=stamp.project,
        created_at=txn.now(),
    )
    memory.stage(("sourcestamp", hashed), ssid)
    return ssid, True


def _add_patch(txn: Txn, patch: Patch) -> int:
    patchid = txn.new_id("patches")
    txn.insert(
        _patches,
        id=patchid,
        level=patch.level,
        body=patch.body,
        author=patch.author,
        comment=patch.comment,
        subdir=patch.subdir,
    )
    return patchid


_columns = (
    *(_stamps.c[name] for name in ("id", "branch", "revision", "repository", "codebase", "project", "created_at")),
    _patches.c.id.label("patchid"),
    _patches.c.level,
    _patches.c.body,
    _patches.c.author,
    _patches.c.comment,
    _patches.c.subdir,
)
_query = sa.select(*_columns).select_from(_stamps.outerjoin(_patches, _stamps.c.patchid == _patches.c.id))


def from_row(row: Any) -> SourceStamp:
    """The record of a row of source stamp and patch."""
    patch = None
    if row.patchid is not None:
        patch = Patch(row.body, row.level, row.subdir or ".", row.author, row.comment, row.patchid)
    return SourceStamp(
        codebase=row.codebase,
        repository=row.repository,
        project=row.project,
        branch=row.branch,
        revision=row.revision,
        patch=patch,
        ssid=row.id,
        created_at=row.created_at,
    )


def get(conn: sa.Connection, ssid: int) -> SourceStamp | None:
    """The source stamp with this id."""
    return get_many(conn, [ssid]).get(ssid)


def get_many(conn: sa.Connection, ssids: Iterable[int]) -> dict[int, SourceStamp]:
    """Source stamps by id; unknown ids are left out."""
    wanted = sorted(set(ssids))
    found: dict[int, SourceStamp] = {}
    for start in range(0, len(wanted), 500):
        rows = conn.execute(_query.where(_stamps.c.id.in_(wanted[start : start + 500])))
        found.update((row.id, from_row(row)) for row in rows)
    return found


_links = schema.buildset_sourcestamps
_of_buildsets = (
    sa.select(*_columns, _links.c.buildsetid)
    .select_from(
        _links.join(_stamps, _links.c.sourcestampid == _stamps.c.id).outerjoin(
            _patches, _stamps.c.patchid == _patches.c.id
        )
    )
    .where(_links.c.buildsetid.in_(sa.bindparam("ids_", expanding=True)))
    .order_by(_stamps.c.id)
)


def of_buildsets(conn: sa.Connection, buildsetids: Sequence[int]) -> dict[int, list[SourceStamp]]:
    """The source stamps of each buildset, in the order of their ids."""
    found: dict[int, list[SourceStamp]] = {buildsetid: [] for buildsetid in buildsetids}
    wanted = sorted(found)
    for start in range(0, len(wanted), 500):
        for row in conn.execute(_of_buildsets, {"ids_": wanted[start : start + 500]}):
            found[row.buildsetid].append(from_row(row))
    return found


def with_changes(txn: Txn, ssids: Iterable[int]) -> set[int]:
    """Which of these source stamps changes refer to."""
    memory = memory_of(txn)
    unknown = [ssid for ssid in ssids if not memory.get(("changed", ssid))]
    known = set(ssids) - set(unknown)
    if not unknown:
        return known
    column = schema.changes.c.sourcestampid
    for ssid in txn.execute(sa.select(column).where(column.in_(unknown)).distinct(), touches=()).scalars():
        memory.confirm(("changed", ssid), True)
        known.add(ssid)
    return known
