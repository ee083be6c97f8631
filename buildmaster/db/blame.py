"""From changes to builds and back, through buildsets, source stamps and superseded requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from buildmaster.db import codebases, included, schema, views
from buildmaster.db.query import Page, fetch_among, fetch_one
from buildmaster.db.view import Spec

_requests = schema.buildrequests
_listed, _stamped, _changes = schema.buildset_changes, schema.buildset_sourcestamps, schema.changes
_PART = 500


def changes_of_build(conn: sa.Connection, where: Mapping[str, Any], spec: Spec) -> Page:
    """The changes that a build includes; ``where`` are the scopes that name it."""
    build = fetch_one(conn, views.BUILDS, where)
    changeids = included.change_ids(conn, build["buildrequestid"]) if build is not None else []
    return fetch_among(conn, views.CHANGES, changeids, spec)


def builds_of_change(conn: sa.Connection, changeid: int, spec: Spec) -> Page:
    """The builds that include a change, those that took it over from another request too."""
    return fetch_among(conn, views.BUILDS, requests_of_change(conn, changeid), spec, "buildrequestid")


def requests_of_change(conn: sa.Connection, changeid: int) -> set[int]:
    """The requests that a change led to, and those that took them over."""
    by_list = (
        sa.select(_requests.c.id)
        .join(_listed, _listed.c.buildsetid == _requests.c.buildsetid)
        .where(_listed.c.changeid == changeid)
    )
    by_stamp = (
        sa.select(_requests.c.id)
        .join(_stamped, _stamped.c.buildsetid == _requests.c.buildsetid)
        .join(_changes, _changes.c.sourcestampid == _stamped.c.sourcestampid)
        .where(_changes.c.id == changeid)
    )
    found: set[int] = set()
    ahead = set(conn.execute(sa.union(by_list, by_stamp)).scalars())
    while ahead:  # a server may cut a long recursion short; go on from where it stopped until nothing is new
        found |= ahead
        ahead = _successors(conn, ahead) - found
    return found


def _successors(conn: sa.Connection, requestids: Collection[int]) -> set[int]:
    """Those who took these requests over, directly or through others."""
    found: set[int] = set()
    for part in _parts(requestids):
        chain = (
            sa.select(_requests.c.superseded_by.label("id"))
            .where(_requests.c.id.in_(part), _requests.c.superseded_by.is_not(None))
            .cte("chain", recursive=True)
        )
        chain = chain.union(
            sa.select(_requests.c.superseded_by)
            .join(chain, chain.c.id == _requests.c.id)
            .where(_requests.c.superseded_by.is_not(None))
        )
        found.update(conn.execute(sa.select(chain.c.id)).scalars())
    return found


def result_sets_of_commits(conn: sa.Connection, codebaseid: int, commitid1: int, commitid2: int, spec: Spec) -> Page:
    """The test result sets of builds of the commits between two commits, both and their fork included."""
    fork = codebases.fork_of(conn, codebaseid, commitid1, commitid2)
    commits = {fork.common, *fork.to1, *fork.to2, commitid1, commitid2} if fork is not None else set()
    return fetch_among(conn, views.TEST_RESULT_SETS, _builds_of_commits(conn, codebaseid, commits), spec, "buildid")


def _builds_of_commits(conn: sa.Connection, codebaseid: int, commits: Collection[int]) -> set[int]:
    found: set[int] = set()
    for part in _parts(commits):
        query = (
            sa.select(schema.builds.c.id)
            .join(_requests, _requests.c.id == schema.builds.c.buildrequestid)
            .join(_stamped, _stamped.c.buildsetid == _requests.c.buildsetid)
            .join(schema.sourcestamps, schema.sourcestamps.c.id == _stamped.c.sourcestampid)
            .join(schema.codebases, schema.codebases.c.name == schema.sourcestamps.c.codebase)
            .join(
                schema.codebase_commits,
                sa.and_(
                    schema.codebase_commits.c.codebaseid == schema.codebases.c.id,
                    schema.codebase_commits.c.revision == schema.sourcestamps.c.revision,
                ),
            )
            .where(schema.codebases.c.id == codebaseid, schema.codebase_commits.c.id.in_(part))
        )
        found.update(conn.execute(query).scalars())
    return found


def _parts(ids: Iterable[int]) -> Iterable[list[int]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), _PART):
        yield ordered[start : start + _PART]
