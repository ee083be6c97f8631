"""Changes: what a source reported, stored once and never altered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from buildmaster.base.records import Change, NewChange, SourceStamp
from buildmaster.db import schema, sourcestamps
from buildmaster.db.memory import memory_of
from buildmaster.db.txn import Txn

_changes = schema.changes
_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder().decode

LARGEST_FACT = 50_000
"""Characters of files and comments up to which a change's fact carries all of it."""

_parent = (
    sa.select(_changes.c.id)
    .where(_changes.c.line_key == sa.bindparam("line_"))
    .order_by(_changes.c.line_key.desc(), _changes.c.id.desc())
    .limit(1)
)
_by_idempotency_key = sa.select(_changes.c.id).where(_changes.c.idempotency_key == sa.bindparam("key_"))


def line_key(codebase: str, project: str, repository: str, branch: str | None) -> str:
    """What a change shares with those before and after it on its line of development."""
    return hashlib.sha1(_encode([codebase, project, repository, branch])).hexdigest()


def add(txn: Txn, new: NewChange) -> int:
    """Store a change and tell; returns its id, or that of the change stored before under the same idempotency key."""
    known = _known(txn, new.idempotency_key)
    if known is not None:
        return known
    change = _to_record(txn, new)
    line = line_key(new.codebase, new.project, new.repository, new.branch)
    txn.insert(
        _changes,
        id=change.changeid,
        author=change.author,
        committer=change.committer,
        comments=change.comments,
        files=_encode(list(change.files)).decode(),
        branch=change.branch,
        revision=change.revision,
        revlink=change.revlink,
        when_timestamp=change.when_timestamp,
        category=change.category,
        repository=change.repository,
        codebase=change.codebase,
        project=change.project,
        properties=_encode(change.properties).decode(),
        parent_changeid=change.parent_changeids[0] if change.parent_changeids else None,
        sourcestampid=change.ssid,
        uid=new.uid,
        received_at=txn.now(),
        line_key=line,
        idempotency_key=new.idempotency_key,
    )
    memory = memory_of(txn)
    memory.stage(("line", line), change.changeid)
    memory.stage(("changed", change.ssid), True)
    if new.idempotency_key is not None:
        memory.stage(("change key", new.idempotency_key), change.changeid)
    txn.note("change", "new", **to_fields(change))
    return change.changeid


def _known(txn: Txn, key: str | None) -> int | None:
    if key is None:
        return None
    staged = memory_of(txn).get(("change key", key))
    return staged or txn.execute(_by_idempotency_key, {"key_": key}, touches=()).scalar()


def _to_record(txn: Txn, new: NewChange) -> Change:
    line = line_key(new.codebase, new.project, new.repository, new.branch)
    parent = memory_of(txn).get(("line", line))
    if parent is None:
        parent = txn.execute(_parent, {"line_": line}, touches=()).scalar()
    ssid = sourcestamps.find_or_add(
        txn, SourceStamp(new.codebase, new.repository, new.project, new.branch, new.revision)
    )
    return Change(
        changeid=txn.new_id("changes"),
        author=new.author,
        comments=new.comments,
        files=list(new.files),
        committer=new.committer,
        revision=new.revision,
        when_timestamp=new.when_timestamp,
        branch=new.branch,
        category=new.category,
        revlink=new.revlink,
        properties=dict(new.properties),
        repository=new.repository,
        codebase=new.codebase,
        project=new.project,
        ssid=ssid,
        parent_changeids=[] if parent is None else [parent],
    )


_LARGE = ("files", "comments", "properties")


def to_fields(change: Change) -> dict[str, Any]:
    """A change as the fields of its fact; without the parts without bounds if they are large."""
    fields = {
        "changeid": change.changeid,
        "author": change.author,
        "committer": change.committer,
        "revision": change.revision,
        "when_timestamp": change.when_timestamp,
        "branch": change.branch,
        "category": change.category,
        "revlink": change.revlink,
        "repository": change.repository,
        "codebase": change.codebase,
        "project": change.project,
        "ssid": change.ssid,
        "parent_changeids": list(change.parent_changeids),
    }
    if len(change.comments) + sum(map(len, change.files)) + len(change.properties) * 100 <= LARGEST_FACT:
        fields.update(files=list(change.files), comments=change.comments, properties=dict(change.properties))
    return fields


def from_fields(fields: Any) -> Change | None:
    """The change that a fact carries; None if it was too large for that and must be read."""
    if any(name not in fields for name in _LARGE):
        return None
    properties = {name: (value, source) for name, (value, source) in fields["properties"].items()}
    return Change(**{**fields, "properties": properties})


def from_row(row: Any) -> Change:
    """The record of a row of ``changes``."""
    return Change(
        changeid=row.id,
        author=row.author,
        comments=row.comments,
        files=_decode(row.files),
        committer=row.committer,
        revision=row.revision,
        when_timestamp=row.when_timestamp,
        branch=row.branch,
        category=row.category,
        revlink=row.revlink,
        properties={name: (value, source) for name, (value, source) in _decode(row.properties).items()},
        repository=row.repository,
        codebase=row.codebase,
        project=row.project,
        ssid=row.sourcestampid,
        parent_changeids=[] if row.parent_changeid is None else [row.parent_changeid],
    )


def get(conn: sa.Connection, changeid: int) -> Change | None:
    """The change with this id."""
    row = conn.execute(sa.select(_changes).where(_changes.c.id == changeid)).first()
    return None if row is None else from_row(row)


_many = sa.select(_changes).where(_changes.c.id.in_(sa.bindparam("ids_", expanding=True))).order_by(_changes.c.id)


def get_many(conn: sa.Connection, changeids: Iterable[int]) -> list[Change]:
    """These changes, oldest first; unknown ids are left out."""
    wanted = sorted(set(changeids))
    found: list[Change] = []
    for start in range(0, len(wanted), 500):
        found += [from_row(row) for row in conn.execute(_many, {"ids_": wanted[start : start + 500]})]
    return found


def latest(conn: sa.Connection, codebase: str, repository: str | None = None, branch: Any = ...) -> Change | None:
    """The newest change of a codebase, of this repository and branch if they are given."""
    query = sa.select(_changes).where(_changes.c.codebase == codebase).order_by(_changes.c.id.desc()).limit(1)
    if repository is not None:
        query = query.where(_changes.c.repository == repository)
    if branch is not ...:
        query = query.where(_changes.c.branch == branch)
    row = conn.execute(query).first()
    return None if row is None else from_row(row)


def ids_of_sourcestamps(conn: sa.Connection, ssids: Sequence[int]) -> list[int]:
    """The changes that refer to one of these source stamps, oldest first."""
    query = sa.select(_changes.c.id).where(_changes.c.sourcestampid.in_(ssids)).order_by(_changes.c.id)
    return list(conn.execute(query).scalars())


def prune(txn: Txn, keep: int, after: int = 0, count: int = 200) -> tuple[int, int | None]:
    """Delete changes that are not among the newest ``keep``, of the ``count`` oldest whose ids are above ``after``.

    A change stays that a buildset is of, or that a scheduler has not decided on.  Returns how many were deleted, and
    the id from which to go on (None: that was the last).
    """
    txn.flush()
    newest = sa.select(_changes.c.id).order_by(_changes.c.id.desc()).offset(keep).limit(1)
    horizon = txn.execute(newest, touches=()).scalar()
    if horizon is None:
        return 0, None
    query = sa.select(_changes.c.id).where(_changes.c.id > after, _changes.c.id <= horizon)
    unread = _oldest_unread(txn)
    if unread is not None:
        query = query.where(_changes.c.received_at < unread)
    looked_at = list(txn.execute(query.order_by(_changes.c.id).limit(count), touches=()).scalars())
    if not looked_at:
        return 0, None
    doomed = sa.select(_changes.c.id).where(_changes.c.id.in_(looked_at), *_unused())
    ids = list(txn.execute(doomed, touches=()).scalars())
    if ids:
        txn.execute(sa.delete(_changes).where(_changes.c.id.in_(ids)))
    return len(ids), looked_at[-1] if len(looked_at) == count else None


def _oldest_unread(txn: Txn) -> Any:
    """When the oldest fact was noted that a consumer has not read; None if all have read all."""
    lowest = txn.execute(sa.select(sa.func.min(schema.cursors.c.position)), touches=()).scalar()
    if lowest is None:
        return None
    facts = schema.journal
    query = sa.select(facts.c.at).where(facts.c.position > lowest).order_by(facts.c.position).limit(1)
    return txn.execute(query, touches=()).scalar()


def _unused() -> list[Any]:
    """What holds for changes to which nothing refers."""
    stamps, listed, waiting = schema.buildset_sourcestamps, schema.buildset_changes, schema.scheduler_changes
    return [
        ~sa.exists().where(listed.c.changeid == _changes.c.id),
        ~sa.exists().where(stamps.c.sourcestampid == _changes.c.sourcestampid),
        ~sa.exists().where(waiting.c.changeid == _changes.c.id),
    ]
