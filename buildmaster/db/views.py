"""What each resource of the data API is read from.

A view's fields have the names of the resource's fields; nearly all are a column as it stands.  The views are data: the
statements are made from them in :mod:`.query`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.base.times import epoch2datetime
from buildmaster.db import schema as s
from buildmaster.db.fields import Blob, Epoch, Field, Flag, Json, Moment, Nested, Number, Related, Text, TextList
from buildmaster.db.query import KeyedStatement, Row, Scope, View, fetch_by_ids

_decode = msgspec.json.Decoder().decode


def _sourced(text: str) -> dict[str, tuple[Any, str]]:
    return {name: (value, source) for name, (value, source) in _decode(text).items()}


def _fields(table: sa.Table, *names: str, **renamed: str) -> dict[str, Field | Nested]:
    """Fields that are a column as it stands, by the column's type; ``renamed`` maps a field to its column."""
    return {name: _field(table.c[column]) for name, column in {**renamed, **{n: n for n in names}}.items()}


def _field(column: sa.Column) -> Field:
    nullable = bool(column.nullable)
    if column.type is s.Flag or isinstance(column.type, sa.SmallInteger):
        return Number(column, nullable=nullable) if column.name == "results" else Flag(column)
    if isinstance(column.type, sa.Integer):
        return Number(column, nullable=nullable)
    if isinstance(column.type, sa.Float):
        return Moment(column, nullable=nullable)
    if isinstance(column.type, sa.LargeBinary):
        return Blob(column, nullable=nullable)
    return Text(column, nullable=nullable)


def _scopes(*names: str, **columns: Any) -> dict[str, Scope]:
    found = {}
    for name, value in columns.items():
        column, *joins = value if isinstance(value, tuple) else (value,)
        text = isinstance(column.type, sa.String)
        found[name] = Scope(column, tuple(joins), sa.Text() if text else sa.BigInteger())
    return found


def _never_ended(column: sa.Column) -> Number:
    """Results of what need not be complete: -1 until it is, as documented."""
    return Number(sa.func.coalesce(column, sa.literal_column("-1")), nullable=False)


def _by_key(
    select: Callable[[list[sa.BindParameter]], sa.Select], build: Callable[[Any], Any]
) -> Callable[[sa.Connection, Sequence[int]], dict[int, list[Any]]]:
    """A loader of lists: the statement's first column is the key that the lists are gathered by."""
    statement = KeyedStatement(select)

    def load(conn: sa.Connection, keys: Sequence[int]) -> dict[int, list[Any]]:
        found: dict[int, list[Any]] = {}
        for row in statement.run(conn, keys):
            found.setdefault(row[0], []).append(build(row))
        return found

    return load


# -- masters and what lives on them -----------------------------------------------------------------------------------

MASTERS = View(
    "masters",
    s.masters,
    "masterid",
    _fields(s.masters, "name", "active", "last_active", masterid="id"),
    _scopes(masterid=s.masters.c.id, builderid=(s.builder_masters.c.builderid, "builders")),
    {"builders": (s.builder_masters, s.builder_masters.c.masterid == s.masters.c.id, False)},
)


def _master(raw: Sequence[Any]) -> Row | None:
    if raw[0] is None:
        return None
    return Row(masterid=raw[0], name=raw[1], active=bool(raw[2]), last_active=epoch2datetime(raw[3]))


def _master_of(link: sa.Table, key: str, table: sa.Table) -> tuple[Nested, dict[str, Any]]:
    m = s.masters.c
    joins = {
        "link": (link, link.c[key] == table.c.id, True),
        "master": (s.masters, m.id == link.c.masterid, True),
    }
    return Nested((m.id, m.name, m.active, m.last_active), _master, ("link", "master")), joins


_scheduler_master, _scheduler_joins = _master_of(s.scheduler_masters, "schedulerid", s.schedulers)
SCHEDULERS = View(
    "schedulers",
    s.schedulers,
    "schedulerid",
    {**_fields(s.schedulers, "name", "enabled", schedulerid="id"), "master": _scheduler_master},
    _scopes(
        schedulerid=s.schedulers.c.id,
        masterid=(s.scheduler_masters.c.masterid, "link"),
    ),
    _scheduler_joins,
)

_source_master, _source_joins = _master_of(s.changesource_masters, "changesourceid", s.changesources)
CHANGESOURCES = View(
    "changesources",
    s.changesources,
    "changesourceid",
    {**_fields(s.changesources, "name", changesourceid="id"), "master": _source_master},
    _scopes(
        changesourceid=s.changesources.c.id,
        masterid=(s.changesource_masters.c.masterid, "link"),
    ),
    _source_joins,
)

_bm = s.builder_masters.c
_load_masterids = _by_key(
    lambda keys: sa.select(_bm.builderid, _bm.masterid).where(_bm.builderid.in_(keys)).order_by(*_bm),
    lambda row: row[1],
)

BUILDERS = View(
    "builders",
    s.builders,
    "builderid",
    {
        **_fields(s.builders, "name", builderid="id"),
        "masterids": Related(
            columns=(s.builders.c.id.label("masterids_key"),),
            load=_load_masterids,
            member=lambda p: sa.exists().where(_bm.builderid == s.builders.c.id, _bm.masterid == p),
        ),
        **_fields(s.builders, "description", "description_format", "description_html", "projectid"),
        "tags": TextList(s.builders.c.tags, nullable=False),
    },
    _scopes(
        builderid=s.builders.c.id,
        buildername=s.builders.c.name,
        projectid=s.builders.c.projectid,
        masterid=(s.builder_masters.c.masterid, "masters"),
        workerid=(sa.literal_column("w.workerid", sa.Integer()), "workers"),
    ),
    {
        "masters": (s.builder_masters, s.builder_masters.c.builderid == s.builders.c.id, False),
        "workers": (
            sa.select(s.configured_workers.c.workerid, s.configured_workers.c.builderid).distinct().subquery("w"),
            sa.literal_column("w.builderid", sa.Integer()) == s.builders.c.id,
            False,
        ),
    },
)

_cf, _cn = s.configured_workers.c, s.connected_workers.c
_load_connected = _by_key(
    lambda keys: sa.select(_cn.workerid, _cn.masterid).where(_cn.workerid.in_(keys)).order_by(*_cn),
    lambda row: {"masterid": row[1]},
)
_load_configured = _by_key(
    lambda keys: (
        sa.select(_cf.workerid, _cf.masterid, _cf.builderid)
        .where(_cf.workerid.in_(keys))
        .order_by(_cf.workerid, _cf.masterid, _cf.builderid)
    ),
    lambda row: {"masterid": row[1], "builderid": row[2]},
)

WORKERS = View(
    "workers",
    s.workers,
    "workerid",
    {
        **_fields(s.workers, "name", workerid="id"),
        "connected_to": Related(columns=(s.workers.c.id.label("connected_key"),), load=_load_connected),
        "configured_on": Related(columns=(s.workers.c.id.label("configured_key"),), load=_load_configured),
        "workerinfo": Json(s.workers.c.info, nullable=False),
        **_fields(s.workers, "paused", "pause_reason", "graceful"),
    },
    _scopes(
        workerid=s.workers.c.id,
        name=s.workers.c.name,
        masterid=(sa.literal_column("c.masterid", sa.Integer()), "configured"),
        builderid=(sa.literal_column("c.builderid", sa.Integer()), "configured"),
        masterid_alone=(sa.literal_column("cm.masterid", sa.Integer()), "configured_masters"),
        builderid_alone=(sa.literal_column("cb.builderid", sa.Integer()), "configured_builders"),
        buildername=(s.builders.c.name, "configured_builders", "builder"),
    ),
    {
        "configured": (
            s.configured_workers.alias("c"),
            sa.literal_column("c.workerid", sa.Integer()) == s.workers.c.id,
            False,
        ),
        "configured_masters": (
            sa.select(_cf.workerid, _cf.masterid).distinct().subquery("cm"),
            sa.literal_column("cm.workerid", sa.Integer()) == s.workers.c.id,
            False,
        ),
        "configured_builders": (
            sa.select(_cf.workerid, _cf.builderid).distinct().subquery("cb"),
            sa.literal_column("cb.workerid", sa.Integer()) == s.workers.c.id,
            False,
        ),
        "builder": (s.builders, s.builders.c.id == sa.literal_column("cb.builderid", sa.Integer()), False),
    },
    attributes={"last_connection": Moment(s.workers.c.last_connection)},
)

# -- projects ---------------------------------------------------------------------------------------------------------

_in_use = (
    sa.select(sa.literal_column("1"))
    .select_from(s.builders.join(s.builder_masters, s.builder_masters.c.builderid == s.builders.c.id))
    .where(s.builders.c.projectid == s.projects.c.id)
    .correlate(s.projects)
    .exists()
)
PROJECTS = View(
    "projects",
    s.projects,
    "projectid",
    {
        **_fields(s.projects, "name", "slug", projectid="id"),
        "active": Flag(sa.case((_in_use, 1), else_=0), yes=_in_use, no=sa.not_(_in_use)),
        **_fields(s.projects, "description", "description_format", "description_html"),
    },
    _scopes(projectid=s.projects.c.id, projectname=s.projects.c.name),
)

CODEBASES = View(
    "codebases",
    s.codebases,
    "codebaseid",
    _fields(s.codebases, "projectid", "name", "slug", codebaseid="id"),
    _scopes(codebaseid=s.codebases.c.id, projectid=s.codebases.c.projectid, codebasename=s.codebases.c.name),
)

BRANCHES = View(
    "branches",
    s.codebase_branches,
    "branchid",
    _fields(s.codebase_branches, "codebaseid", "name", "commitid", "last_timestamp", branchid="id"),
    _scopes(branchid=s.codebase_branches.c.id, codebaseid=s.codebase_branches.c.codebaseid),
)

COMMITS = View(
    "commits",
    s.codebase_commits,
    "commitid",
    _fields(
        s.codebase_commits,
        "codebaseid",
        "author",
        "committer",
        "comments",
        "when_timestamp",
        "revision",
        "parent_commitid",
        commitid="id",
    ),
    _scopes(
        commitid=s.codebase_commits.c.id,
        codebaseid=s.codebase_commits.c.codebaseid,
        revision=s.codebase_commits.c.revision,
    ),
)

# -- sources ----------------------------------------------------------------------------------------------------------

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
        **_fields(s.sourcestamps, "revision", "branch", "repository", "project", "codebase", ssid="id"),
        "patch": Nested((_p.id, _p.body, _p.level, _p.subdir, _p.author, _p.comment), _patch, ("patch",)),
        **_fields(s.sourcestamps, "created_at"),
    },
    _scopes(
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
        **_fields(s.changes, changeid="id"),
        "parent_changeids": Related(
            columns=(s.changes.c.parent_changeid,),
            load=lambda conn, keys: {key: [key] for key in keys},
            member=lambda p: s.changes.c.parent_changeid == p,
        ),
        **_fields(s.changes, "author", "committer"),
        "files": TextList(s.changes.c.files, nullable=False),
        **_fields(s.changes, "comments", "revision", "when_timestamp", "branch", "category", "revlink"),
        "properties": Json(s.changes.c.properties, nullable=False, make=_sourced),
        **_fields(s.changes, "repository", "project", "codebase"),
        "sourcestamp": Related(columns=(s.changes.c.sourcestampid,), load=_load_sourcestamps, empty=lambda: None),
    },
    _scopes(changeid=s.changes.c.id, ssid=s.changes.c.sourcestampid),
    newest_first=True,
)

# -- buildsets and requests -------------------------------------------------------------------------------------------

_load_links = _by_key(
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
        **_fields(s.buildsets, "external_idstring", "reason", "rebuilt_buildid", bsid="id"),
        "submitted_at": Epoch(s.buildsets.c.submitted_at, nullable=False),
        **_fields(s.buildsets, "complete"),
        "complete_at": Epoch(s.buildsets.c.complete_at),
        "results": _never_ended(s.buildsets.c.results),
        "sourcestamps": Related(columns=(s.buildsets.c.id.label("sources_key"),), load=_load_buildset_sources),
        **_fields(s.buildsets, "parent_buildid", "parent_relationship"),
    },
    _scopes(bsid=s.buildsets.c.id),
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
        **_fields(s.buildrequests, "buildsetid", "builderid", "priority", buildrequestid="id"),
        "claimed": Flag(
            _r.state,
            yes=_in_state(RequestState.CLAIMED, RequestState.COMPLETE),
            no=_in_state(RequestState.HELD, RequestState.PENDING),
            make=lambda state: state >= RequestState.CLAIMED,
        ),
        **_fields(s.buildrequests, "claimed_at", "claimed_by_masterid"),
        "complete": Flag(
            _r.state.label("complete_state"),
            yes=_in_state(RequestState.COMPLETE),
            no=_in_state(RequestState.HELD, RequestState.PENDING, RequestState.CLAIMED),
            make=lambda state: state >= RequestState.COMPLETE,
        ),
        "results": _never_ended(_r.results),
        **_fields(s.buildrequests, "submitted_at", "complete_at", "waited_for"),
        "properties": Json(s.buildsets.c.properties, ("buildset",), nullable=False, make=_sourced),
    },
    _scopes(
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

# -- builds and what is in them ---------------------------------------------------------------------------------------

_b = s.builds.c
_BUILD = {"build": (s.builds, _b.id == s.steps.c.buildid, False)}
_BUILDER = {"builder": (s.builders, s.builders.c.id == _b.builderid, False)}

_triggering = s.buildsets.alias("triggering")
BUILDS = View(
    "builds",
    s.builds,
    "buildid",
    {
        **_fields(s.builds, "number", "builderid", "buildrequestid", "workerid", "masterid", buildid="id"),
        **_fields(s.builds, "started_at", "complete", "complete_at", "locks_duration_s", "results", "state_string"),
        "properties": Json(s.build_properties.c.properties, ("properties",), make=_sourced),
    },
    _scopes(
        buildid=_b.id,
        build_number=_b.number,
        builderid=_b.builderid,
        buildername=(s.builders.c.name, "builder"),
        buildrequestid=_b.buildrequestid,
        workerid=_b.workerid,
        parent_buildid=(_triggering.c.parent_buildid, "request", "triggering"),
    ),
    {
        **_BUILDER,
        "properties": (s.build_properties, s.build_properties.c.buildid == _b.id, True),
        "request": (s.buildrequests, _r.id == _b.buildrequestid, False),
        "triggering": (_triggering, _triggering.c.id == _r.buildsetid, False),
    },
    on_request={"properties": dict},
)

STEPS = View(
    "steps",
    s.steps,
    "stepid",
    {
        **_fields(s.steps, "number", "name", "buildid", "started_at", "locks_acquired_at", stepid="id"),
        **_fields(s.steps, "complete", "complete_at", "results", "state_string"),
        "urls": Json(s.steps.c.urls, nullable=False),
        **_fields(s.steps, "hidden"),
    },
    _scopes(
        stepid=s.steps.c.id,
        step_number=s.steps.c.number,
        step_name=s.steps.c.name,
        buildid=s.steps.c.buildid,
        build_number=(_b.number, "build"),
        builderid=(_b.builderid, "build"),
        buildername=(s.builders.c.name, "build", "builder"),
    ),
    {**_BUILD, **_BUILDER},
)

_STEP = {"step": (s.steps, s.steps.c.id == s.logs.c.stepid, False)}
LOGS = View(
    "logs",
    s.logs,
    "logid",
    _fields(s.logs, "name", "slug", "stepid", "complete", "num_lines", "type", logid="id"),
    _scopes(
        logid=s.logs.c.id,
        log_slug=s.logs.c.slug,
        stepid=s.logs.c.stepid,
        step_number=(s.steps.c.number, "step"),
        step_name=(s.steps.c.name, "step"),
        buildid=(s.steps.c.buildid, "step"),
        build_number=(_b.number, "step", "build"),
        builderid=(_b.builderid, "step", "build"),
        buildername=(s.builders.c.name, "step", "build", "builder"),
    ),
    {**_STEP, **_BUILD, **_BUILDER},
)

LOG_PLACES = View(
    "logs",
    s.logs,
    "logid",
    {
        **_fields(s.logs, "slug", "type", logid="id"),
        "step": Text(s.steps.c.name, ("step",)),
        "build": Number(_b.number, ("step", "build")),
        "builder": Text(s.builders.c.name, ("step", "build", "builder")),
    },
    LOGS.scopes,
    LOGS.joins,
)
"""What a log's file is called after."""

_data_build = {"build": (s.builds, _b.id == s.build_data.c.buildid, False), **_BUILDER}
BUILD_DATA = View(
    "build_data",
    s.build_data,
    "build_dataid",
    {
        **_fields(s.build_data, "buildid", "name", "length", build_dataid="id"),
        "value": Nested((), lambda raw: None),  # read as /value only
        **_fields(s.build_data, "source"),
    },
    _scopes(
        buildid=s.build_data.c.buildid,
        name=s.build_data.c.name,
        build_number=(_b.number, "build"),
        builderid=(_b.builderid, "build"),
        buildername=(s.builders.c.name, "build", "builder"),
    ),
    _data_build,
    hidden=frozenset({"build_dataid"}),
)

TEST_RESULT_SETS = View(
    "test_result_sets",
    s.test_result_sets,
    "test_result_setid",
    _fields(
        s.test_result_sets,
        "builderid",
        "buildid",
        "stepid",
        "description",
        "category",
        "value_unit",
        "tests_passed",
        "tests_failed",
        "complete",
        test_result_setid="id",
    ),
    _scopes(
        test_result_setid=s.test_result_sets.c.id,
        builderid=s.test_result_sets.c.builderid,
        buildername=(s.builders.c.name, "builder"),
        buildid=s.test_result_sets.c.buildid,
        stepid=s.test_result_sets.c.stepid,
    ),
    {"builder": (s.builders, s.builders.c.id == s.test_result_sets.c.builderid, False)},
)

TEST_RESULTS = View(
    "test_results",
    s.test_results,
    "test_resultid",
    _fields(
        s.test_results,
        "builderid",
        "test_result_setid",
        "test_name",
        "test_code_path",
        "line",
        "duration_ns",
        "value",
        test_resultid="id",
    ),
    _scopes(test_result_setid=s.test_results.c.test_result_setid),
)
