"""What a report tells of a build beside its row: request, buildset, builder, steps, logs, the build before.

Everything about all builds of a report is read on one connection with one query a kind, never one a row; only the text
of logs, which lies in pieces, takes one a log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.results import RETRY
from buildmaster.db import build_properties, buildsets, included, logs, schema, views
from buildmaster.db.query import fetch_among, fetch_by_ids
from buildmaster.db.view import Row

_builds = schema.builds

LOG_CHARACTERS = 4_000_000
"""How much text of one log a report holds; of a longer log it is the end."""


@attrs.frozen
class Wants:
    """Which details are to be read."""

    request: bool = True  # the request, and the build that caused it
    properties: bool = False
    steps: bool = False
    logs: bool = False
    previous: bool = False
    content: Callable[[Mapping[str, Any]], bool] | None = None
    """Whether the text of a log (which has its ``stepname``) is wanted; None: of none."""


@attrs.frozen
class _All:
    """Every row, in this order."""

    order: Sequence[str] | None = None
    filters: Sequence[Any] = ()
    fields: Any = None
    limit: int | None = None
    offset: int | None = None
    properties: Any = None


def of_builds(conn: sa.Connection, builds: Sequence[Mapping[str, Any]], wants: Wants) -> list[dict[str, Any]]:
    """The details of each build, to be added to it, in the order of the builds."""
    found: list[dict[str, Any]] = [{} for _ in builds]
    _add_requests(conn, builds, found, wants.request)
    builders = fetch_by_ids(conn, views.BUILDERS, {build["builderid"] for build in builds})
    stored = _properties_of(conn, builds) if wants.properties else {}
    before = previous_of(conn, builds) if wants.previous else {}
    steps = _steps_of(conn, [build["buildid"] for build in builds], wants) if wants.steps or wants.logs else {}
    for build, details in zip(builds, found, strict=True):
        details["builder"] = builders.get(build["builderid"])
        if wants.properties:
            details["properties"] = stored.get(build["buildid"], {})
        if wants.steps or wants.logs:
            details["steps"] = steps.get(build["buildid"], [])
        if wants.previous:
            details["prev_build"] = before.get(build["buildid"])
    return found


def _add_requests(
    conn: sa.Connection, builds: Sequence[Mapping[str, Any]], found: list[dict[str, Any]], whole: bool
) -> None:
    asked = fetch_by_ids(conn, views.BUILDREQUESTS, {build["buildrequestid"] for build in builds})
    sets = fetch_by_ids(conn, views.BUILDSETS, {request["buildsetid"] for request in asked.values()})
    parents = _parents(conn, sets.values()) if whole else {}
    for build, details in zip(builds, found, strict=True):
        request = asked.get(build["buildrequestid"])
        buildset = None if request is None else sets.get(request["buildsetid"])
        details["buildset"] = buildset
        if whole:
            if request is not None:
                request["properties"] = None
            details["buildrequest"] = request
            details["parentbuild"], details["parentbuilder"] = _parent_of(buildset, parents)


Parents = Mapping[int, tuple[Row, Row | None]]


def _parent_of(buildset: Row | None, parents: Parents) -> tuple[Row | None, Row | None]:
    return (None, None) if buildset is None else parents.get(buildset["parent_buildid"] or 0, (None, None))


def _parents(conn: sa.Connection, buildsets: Iterable[Row]) -> Parents:
    ids = {buildset["parent_buildid"] for buildset in buildsets} - {None}
    parents = fetch_by_ids(conn, views.BUILDS, ids) if ids else {}
    builders = fetch_by_ids(conn, views.BUILDERS, {build["builderid"] for build in parents.values()})
    return {buildid: (build, builders.get(build["builderid"])) for buildid, build in parents.items()}


def _properties_of(conn: sa.Connection, builds: Sequence[Mapping[str, Any]]) -> Mapping[int, Any]:
    return build_properties.get_many(conn, [build["buildid"] for build in builds])


# -- the build before --------------------------------------------------------------------------------------------------


def previous_of(conn: sa.Connection, builds: Sequence[Mapping[str, Any]]) -> dict[int, Row]:
    """By build, the newest complete one of the same builder before it that was not to be retried."""
    earlier = _builds.alias("earlier")
    number = (
        sa.select(sa.func.max(earlier.c.number))
        .where(
            earlier.c.builderid == _builds.c.builderid,
            earlier.c.number < _builds.c.number,
            earlier.c.complete == 1,
            earlier.c.results != RETRY,
        )
        .scalar_subquery()
    )
    before = _builds.alias("before")
    query = (
        sa.select(_builds.c.id, before.c.id.label("before_id"))
        .select_from(_builds)
        .join(before, sa.and_(before.c.builderid == _builds.c.builderid, before.c.number == number))
        .where(_builds.c.id.in_(sorted({build["buildid"] for build in builds})))
    )
    pairs = {row.id: row.before_id for row in conn.execute(query)}
    found = fetch_by_ids(conn, views.BUILDS, pairs.values())
    return {buildid: found[before_id] for buildid, before_id in pairs.items()}


# -- steps and logs ----------------------------------------------------------------------------------------------------


def _steps_of(conn: sa.Connection, buildids: Collection[int], wants: Wants) -> dict[int, list[Row]]:
    steps = fetch_among(conn, views.STEPS, buildids, _All(order=("number",)), "buildid").rows
    by_build: dict[int, list[Row]] = {}
    for step in steps:
        by_build.setdefault(step["buildid"], []).append(step)
    if wants.logs:
        _add_logs(conn, steps, wants)
    return by_build


def _add_logs(conn: sa.Connection, steps: Sequence[Row], wants: Wants) -> None:
    by_id = {step["stepid"]: step for step in steps}
    for step in steps:
        step["logs"] = []
    for log in fetch_among(conn, views.LOGS, by_id, _All(order=("logid",)), "stepid").rows:
        step = by_id[log["stepid"]]
        log["stepname"] = step["name"]
        if wants.content is not None and wants.content(log):
            log["content"] = log_content(conn, log)
        step["logs"].append(log)


def log_content(conn: sa.Connection, log: Mapping[str, Any], most: int = LOG_CHARACTERS) -> dict[str, Any]:
    """The text of a log, as ``/logs/n/contents`` has it; of a log longer than ``most`` characters its end."""
    first = _first_line_of_end(conn, log["logid"], most)
    return {"logid": log["logid"], "firstline": first, "content": logs.read_lines(conn, log["logid"], first, 2**62)}


def _first_line_of_end(conn: sa.Connection, logid: int, most: int) -> int:
    chunks = schema.log_chunks.c
    total, first = 0, 0
    query = sa.select(chunks.first_line, chunks.raw_bytes).where(chunks.logid == logid)
    for row in conn.execute(query.order_by(chunks.first_line.desc())):
        total += row.raw_bytes
        if total > most and first:
            return first
        first = int(row.first_line)
    return first


# -- requests without a build ------------------------------------------------------------------------------------------


def of_request(conn: sa.Connection, buildrequest: Mapping[str, Any]) -> dict[str, Any]:
    """Builder, buildset, properties and parent of a request that has no build yet."""
    buildset = fetch_by_ids(conn, views.BUILDSETS, [buildrequest["buildsetid"]]).get(buildrequest["buildsetid"])
    builder = fetch_by_ids(conn, views.BUILDERS, [buildrequest["builderid"]]).get(buildrequest["builderid"])
    parents = _parents(conn, [buildset] if buildset is not None else [])
    build, parentbuilder = _parent_of(buildset, parents)
    asked = buildsets.properties(conn, buildrequest["buildsetid"])
    return {
        "builder": builder,
        "buildset": buildset,
        "properties": asked,
        "parentbuild": build,
        "parentbuilder": parentbuilder,
    }


def builds_of_buildset(conn: sa.Connection, buildsetid: int) -> list[Row]:
    """The builds of a buildset, those that were retried included, in the order of their ids."""
    query = (
        sa.select(_builds.c.id)
        .join(schema.buildrequests, schema.buildrequests.c.id == _builds.c.buildrequestid)
        .where(schema.buildrequests.c.buildsetid == buildsetid)
        .order_by(_builds.c.id)
    )
    return list(fetch_by_ids(conn, views.BUILDS, conn.execute(query).scalars().all()).values())


# -- people ------------------------------------------------------------------------------------------------------------


def authors_of_build(conn: sa.Connection, buildid: int) -> set[str]:
    """Authors of the changes and patches that a build includes, and who its properties say asked for it."""
    found = conn.execute(
        sa.select(_builds.c.buildrequestid, schema.buildrequests.c.buildsetid)
        .join(schema.buildrequests, schema.buildrequests.c.id == _builds.c.buildrequestid)
        .where(_builds.c.id == buildid)
    ).first()
    if found is None:
        return set()
    authors = _authors_of_changes(conn, included.change_ids(conn, found.buildrequestid))
    authors |= _authors_of_patches(conn, found.buildsetid)
    return authors | owners(build_properties.get(conn, buildid) or {})


def authors_of_buildset(conn: sa.Connection, buildsetid: int) -> set[str]:
    """The same for a buildset."""
    asked = conn.execute(
        sa.select(schema.buildrequests.c.id).where(schema.buildrequests.c.buildsetid == buildsetid)
    ).scalars()
    changes = {one for ids in included.change_ids_of_many(conn, list(asked)).values() for one in ids}
    authors = _authors_of_changes(conn, sorted(changes)) | _authors_of_patches(conn, buildsetid)
    return authors | owners(buildsets.properties(conn, buildsetid))


def authors_of_sourcestamp(conn: sa.Connection, ssid: int) -> set[str]:
    """Authors of the changes of a source stamp and of its patch."""
    changes = conn.execute(sa.select(schema.changes.c.author).where(schema.changes.c.sourcestampid == ssid)).scalars()
    patch = conn.execute(
        sa.select(schema.patches.c.author)
        .join(schema.sourcestamps, schema.sourcestamps.c.patchid == schema.patches.c.id)
        .where(schema.sourcestamps.c.id == ssid)
    ).scalars()
    return {author for author in [*changes, *patch] if author}


def owners(properties: Mapping[str, tuple[Any, str]]) -> set[str]:
    """Those whom the properties ``owner`` and ``owners`` name."""
    owner = properties.get("owner", (None, ""))[0]
    several = properties.get("owners", (None, ""))[0]
    named = [owner] if owner else []
    if isinstance(several, list | tuple):
        named.extend(several)
    return {str(one) for one in named if one}


def _authors_of_changes(conn: sa.Connection, changeids: Sequence[int]) -> set[str]:
    found = fetch_by_ids(conn, views.CHANGES, changeids) if changeids else {}
    return {change["author"] for change in found.values() if change["author"]}


def _authors_of_patches(conn: sa.Connection, buildsetid: int) -> set[str]:
    links, stamps, patches = schema.buildset_sourcestamps, schema.sourcestamps, schema.patches
    query = (
        sa.select(patches.c.author)
        .join(stamps, stamps.c.patchid == patches.c.id)
        .join(links, links.c.sourcestampid == stamps.c.id)
        .where(links.c.buildsetid == buildsetid)
    )
    return {author for author in conn.execute(query).scalars() if author}
