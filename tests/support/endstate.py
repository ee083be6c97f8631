"""What a master has come to, as plain values that two runs can be compared by.

Ids, times and numbers of attempts differ between a run and the same run with a crash in it; what was asked for, decided
and built may not.  Builds that ended as RETRY are left out: a crash may add them.
"""

from __future__ import annotations

import json
import re
from typing import Any

import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.base.results import CANCELLED, RETRY
from buildmaster.db import logs, schema


def _rows(conn: sa.Connection, table: sa.Table) -> list[Any]:
    return list(conn.execute(sa.select(table).order_by(*table.primary_key.columns)))


def _stamps(conn: sa.Connection) -> dict[int, tuple[Any, ...]]:
    patches = {r.id: (r.level, r.body, r.author, r.comment) for r in _rows(conn, schema.patches)}
    return {
        r.id: (r.codebase, r.repository, r.project, r.branch, r.revision, patches.get(r.patchid))
        for r in _rows(conn, schema.sourcestamps)
    }


def _stable(properties: str) -> dict[str, Any]:
    """Properties without those that name a run."""
    return {k: v for k, v in json.loads(properties).items() if k not in ("buildnumber", "basedir", "builddir")}


def _grouped(rows: list[Any], key: str) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(getattr(row, key), []).append(row)
    return found


def capture(conn: sa.Connection) -> dict[str, Any]:
    """Everything of a database that must be the same, as sorted plain values."""
    stamps = _stamps(conn)
    buildset_stamps: dict[int, list[Any]] = {}
    for row in _rows(conn, schema.buildset_sourcestamps):
        buildset_stamps.setdefault(row.buildsetid, []).append(stamps[row.sourcestampid])
    builders = {r.id: r.name for r in _rows(conn, schema.builders)}
    buildsets = {
        r.id: (
            r.scheduler,
            r.reason,
            tuple(sorted(map(repr, buildset_stamps.get(r.id, [])))),
            r.complete,
            r.results,
            json.dumps(_stable(r.properties), sort_keys=True),
        )
        for r in _rows(conn, schema.buildsets)
    }
    requests = {
        r.id: (buildsets[r.buildsetid][:3], builders[r.builderid], RequestState(r.state).name, r.results)
        for r in _rows(conn, schema.buildrequests)
    }
    superseded = {
        r.id: requests[r.superseded_by][:2] if r.superseded_by else None for r in _rows(conn, schema.buildrequests)
    }
    builds = _builds(conn, builders, requests)
    return {
        "changes": sorted(
            (r.author, r.comments, r.branch or "", r.revision or "", r.project, r.repository, r.files)
            for r in _rows(conn, schema.changes)
        ),
        "buildsets": sorted(map(repr, buildsets.values())),
        "requests": sorted(repr((requests[i], superseded[i])) for i in requests),
        "builds": sorted(repr(b) for b in builds if b[1][3] != CANCELLED),
        "cancelled builds": sorted(repr(b) for b in builds if b[1][3] == CANCELLED),
        "waiting": len(_rows(conn, schema.scheduler_changes)) + len(_rows(conn, schema.scheduler_timers)),
        "states": sorted(_states(conn)),
    }


def _states(conn: sa.Connection) -> list[tuple[str, str, str]]:
    """Stored states but for learned durations, which a crash may lengthen, and moments."""
    objects = {r.id: r.class_name for r in _rows(conn, schema.objects)}
    return [
        (objects[r.objectid], r.name, r.value_json)
        for r in _rows(conn, schema.object_state)
        if "expectations" not in objects[r.objectid].lower() and r.name != "since"
    ]


def _builds(conn: sa.Connection, builders: dict[int, str], requests: dict[int, Any]) -> list[Any]:
    steps = _grouped(_rows(conn, schema.steps), "buildid")
    properties = {row.buildid: _stable(row.properties) for row in _rows(conn, schema.build_properties)}
    held = _held(conn)
    return [
        (
            builders[build.builderid],
            requests[build.buildrequestid],
            build.complete,
            build.results,
            build.state_string,
            [_told(conn, step) for step in steps.get(build.id, [])],
            sorted(properties.get(build.id, {}).items()),
            held.get(build.id, []),
        )
        for build in _rows(conn, schema.builds)
        if build.results != RETRY
    ]


def _told(conn: sa.Connection, step: Any) -> Any:
    entries = conn.execute(sa.select(schema.logs).where(schema.logs.c.stepid == step.id).order_by(schema.logs.c.id))
    texts = [(entry.slug, entry.complete, text_of(conn, entry)) for entry in entries]
    names = [link["name"] for link in json.loads(step.urls)]
    links = [re.sub(r"#\d+", "#", name) for name in names if not name.startswith("retry:")]
    return step.name, step.complete, step.results, step.state_string, links, texts


def _held(conn: sa.Connection) -> dict[int, list[Any]]:
    """Data and test results by build."""
    found: dict[int, list[Any]] = {}
    for row in _rows(conn, schema.build_data):
        found.setdefault(row.buildid, []).append((row.name, row.value, row.source))
    results = _grouped(_rows(conn, schema.test_results), "test_result_setid")
    for row in _rows(conn, schema.test_result_sets):
        tests = [(one.test_name, one.value, one.duration_ns) for one in results.get(row.id, [])]
        found.setdefault(row.buildid, []).append((row.description, row.complete, row.tests_failed, tests))
    return found


def text_of(conn: sa.Connection, entry: Any) -> str:
    """The whole text of a stored log, as the data API gives it."""
    return logs.read_lines(conn, entry.id, 0, entry.num_lines)


def problems(conn: sa.Connection) -> list[str]:
    """What must never be in a master that has come to rest: things half done or owned by nobody."""
    found = []
    for row in _rows(conn, schema.builds):
        if not row.complete:
            found.append(f"build {row.id} still runs")
    for row in _rows(conn, schema.buildrequests):
        if row.state in (RequestState.HELD, RequestState.CLAIMED):
            found.append(f"request {row.id} is {RequestState(row.state).name}")
    complete = {r.id: r.complete for r in _rows(conn, schema.buildsets)}
    by_buildset: dict[int, list[Any]] = {}
    for row in _rows(conn, schema.buildrequests):
        by_buildset.setdefault(row.buildsetid, []).append(row.state == RequestState.COMPLETE)
    for number, states in by_buildset.items():
        if bool(complete[number]) != all(states):
            found.append(f"buildset {number}: complete is {complete[number]}, its requests say {states}")
    return found
