"""Codebases of projects, with their branches and commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import msgspec
import sqlalchemy as sa

from buildmaster.base.strings import force_identifier
from buildmaster.db import schema
from buildmaster.db.txn import Txn

_codebases, _commits, _branches = schema.codebases, schema.codebase_commits, schema.codebase_branches


def find_id(txn: Txn, projectid: int, name: str, auto_create: bool = True) -> int | None:
    """The id of a project's codebase; with ``auto_create`` it is stored if it is new, else None."""
    query = sa.select(_codebases.c.id).where(_codebases.c.projectid == projectid, _codebases.c.name == name)
    found = txn.execute(query, touches=(_codebases,)).scalar()
    if found is None and auto_create:
        found = txn.new_id("codebases")
        slug = force_identifier(name)
        txn.insert(_codebases, id=found, projectid=projectid, name=name, slug=slug)
        txn.note("codebase", "new", codebaseid=found, projectid=projectid, name=name, slug=slug)
    return found


def update_info(txn: Txn, codebaseid: int, projectid: int, slug: str) -> bool:
    """Store what a codebase's configuration says of it, and tell if that is new; False if there is no such one."""
    row = txn.execute(sa.select(_codebases).where(_codebases.c.id == codebaseid), touches=(_codebases,)).first()
    if row is None:
        return False
    if (row.projectid, row.slug) != (projectid, slug):
        txn.update(_codebases, codebaseid, projectid=projectid, slug=slug)
        txn.note("codebase", "update", codebaseid=codebaseid, projectid=projectid, name=row.name, slug=slug)
    return True


@attrs.frozen
class NewCommit:
    """A commit as it is reported."""

    codebaseid: int
    author: str
    comments: str
    when_timestamp: int  # epoch seconds
    revision: str
    committer: str | None = None
    files: Sequence[str] | None = None
    parent_commitid: int | None = None


def add_commit(txn: Txn, new: NewCommit) -> int:
    """Store a commit and tell; returns its id, or that of the commit of this revision stored before."""
    query = sa.select(_commits.c.id).where(_commits.c.codebaseid == new.codebaseid, _commits.c.revision == new.revision)
    known = txn.execute(query, touches=(_commits,)).scalar()
    if known is not None:
        return known
    commitid = txn.new_id("codebase_commits")
    fields = attrs.asdict(new)
    files = fields.pop("files")
    encoded = None if files is None else msgspec.json.encode(list(files)).decode()
    txn.insert(_commits, id=commitid, files=encoded, **fields)
    txn.note("commit", "new", commitid=commitid, **fields)
    return commitid


def find_commit_id(txn: Txn, codebaseid: int, revision: str) -> int | None:
    """The id of the commit of this revision, if it is stored."""
    query = sa.select(_commits.c.id).where(_commits.c.codebaseid == codebaseid, _commits.c.revision == revision)
    return txn.execute(query, touches=(_commits,)).scalar()


def update_branch(txn: Txn, codebaseid: int, name: str, commitid: int | None = None, last_timestamp: int = 0) -> int:
    """Store where a branch stands and tell; returns its id."""
    query = sa.select(_branches).where(_branches.c.codebaseid == codebaseid, _branches.c.name == name)
    row = txn.execute(query, touches=(_branches,)).first()
    values: dict[str, Any] = {"commitid": commitid, "last_timestamp": last_timestamp}
    if row is None:
        branchid, event = txn.new_id("codebase_branches"), "new"
        txn.insert(_branches, id=branchid, codebaseid=codebaseid, name=name, **values)
    else:
        branchid, event = row.id, "update"
        txn.update(_branches, branchid, **values)
    txn.note("branch", event, branchid=branchid, codebaseid=codebaseid, name=name, **values)
    return branchid


@attrs.frozen
class Fork:
    """How two commits are related: their newest common ancestor, and the ways from it to each of them."""

    common: int
    to1: Sequence[int]
    to2: Sequence[int]


def fork_of(conn: sa.Connection, codebaseid: int, commitid1: int, commitid2: int, page: int = 200) -> Fork | None:
    """Follow the parents of two commits until they meet; None if they never do."""
    ways: list[list[int]] = [[commitid1], [commitid2]]
    seen: list[dict[int, int]] = [{commitid1: 0}, {commitid2: 0}]
    ends: list[int | None] = [commitid1, commitid2]
    parents: dict[int, int | None] = {}
    if commitid1 == commitid2:
        return Fork(commitid1, [], []) if _known(conn, codebaseid, commitid1) else None
    while any(end is not None for end in ends):
        for side in (0, 1):
            end = ends[side]
            if end is None:
                continue
            if end not in parents:
                _read_parents(conn, codebaseid, end, page, parents)
            ends[side] = parent = parents.get(end)
            if parent is None or parent in seen[side]:
                ends[side] = None
                continue
            if parent in seen[1 - side]:
                return _meet(ways, side, seen[1 - side][parent], parent)
            seen[side][parent] = len(ways[side])
            ways[side].append(parent)
    return None


def _meet(ways: Sequence[Sequence[int]], side: int, length: int, common: int) -> Fork:
    mine, others = list(ways[side]), list(ways[1 - side][:length])
    to = {side: mine[::-1], 1 - side: others[::-1]}
    return Fork(common, to[0], to[1])


def _known(conn: sa.Connection, codebaseid: int, commitid: int) -> bool:
    query = sa.select(_commits.c.id).where(_commits.c.id == commitid, _commits.c.codebaseid == codebaseid)
    return conn.execute(query).first() is not None


def _read_parents(conn: sa.Connection, codebaseid: int, start: int, page: int, into: dict[int, int | None]) -> None:
    """The parents of a commit and of those stored before it: most of its ancestors are among them."""
    query = (
        sa.select(_commits.c.id, _commits.c.parent_commitid)
        .where(_commits.c.codebaseid == codebaseid, _commits.c.id <= start)
        .order_by(_commits.c.id.desc())
        .limit(page)
    )
    into.update((row.id, row.parent_commitid) for row in conn.execute(query))
    into.setdefault(start, None)
