"""Masters, and what is configured on them: schedulers, change sources, builders, workers, projects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from buildmaster.base.times import epoch2datetime
from buildmaster.db import schema as s
from buildmaster.db.fields import Flag, Json, Moment, Nested, Related, TextList
from buildmaster.db.view import Row, View
from buildmaster.db.views.making import by_key, fields_of, scopes_of

MASTERS = View(
    "masters",
    s.masters,
    "masterid",
    fields_of(s.masters, "name", "active", "last_active", masterid="id"),
    scopes_of(masterid=s.masters.c.id, builderid=(s.builder_masters.c.builderid, "builders")),
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
    {**fields_of(s.schedulers, "name", "enabled", schedulerid="id"), "master": _scheduler_master},
    scopes_of(
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
    {**fields_of(s.changesources, "name", changesourceid="id"), "master": _source_master},
    scopes_of(
        changesourceid=s.changesources.c.id,
        masterid=(s.changesource_masters.c.masterid, "link"),
    ),
    _source_joins,
)

_bm = s.builder_masters.c
_load_masterids = by_key(
    lambda keys: sa.select(_bm.builderid, _bm.masterid).where(_bm.builderid.in_(keys)).order_by(*_bm),
    lambda row: row[1],
)

BUILDERS = View(
    "builders",
    s.builders,
    "builderid",
    {
        **fields_of(s.builders, "name", builderid="id"),
        "masterids": Related(
            columns=(s.builders.c.id.label("masterids_key"),),
            load=_load_masterids,
            member=lambda p: sa.exists().where(_bm.builderid == s.builders.c.id, _bm.masterid == p),
        ),
        **fields_of(s.builders, "description", "description_format", "description_html", "projectid"),
        "tags": TextList(s.builders.c.tags, nullable=False),
    },
    scopes_of(
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
_load_connected = by_key(
    lambda keys: sa.select(_cn.workerid, _cn.masterid).where(_cn.workerid.in_(keys)).order_by(*_cn),
    lambda row: {"masterid": row[1]},
)
_load_configured = by_key(
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
        **fields_of(s.workers, "name", workerid="id"),
        "connected_to": Related(columns=(s.workers.c.id.label("connected_key"),), load=_load_connected),
        "configured_on": Related(columns=(s.workers.c.id.label("configured_key"),), load=_load_configured),
        "workerinfo": Json(s.workers.c.info, nullable=False),
        **fields_of(s.workers, "paused", "pause_reason", "graceful"),
    },
    scopes_of(
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
        **fields_of(s.projects, "name", "slug", projectid="id"),
        "active": Flag(sa.case((_in_use, 1), else_=0), yes=_in_use, no=sa.not_(_in_use)),
        **fields_of(s.projects, "description", "description_format", "description_html"),
    },
    scopes_of(projectid=s.projects.c.id, projectname=s.projects.c.name),
)

CODEBASES = View(
    "codebases",
    s.codebases,
    "codebaseid",
    fields_of(s.codebases, "projectid", "name", "slug", codebaseid="id"),
    scopes_of(codebaseid=s.codebases.c.id, projectid=s.codebases.c.projectid, codebasename=s.codebases.c.name),
)

BRANCHES = View(
    "branches",
    s.codebase_branches,
    "branchid",
    fields_of(s.codebase_branches, "codebaseid", "name", "commitid", "last_timestamp", branchid="id"),
    scopes_of(branchid=s.codebase_branches.c.id, codebaseid=s.codebase_branches.c.codebaseid),
)

COMMITS = View(
    "commits",
    s.codebase_commits,
    "commitid",
    fields_of(
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
    scopes_of(
        commitid=s.codebase_commits.c.id,
        codebaseid=s.codebase_commits.c.codebaseid,
        revision=s.codebase_commits.c.revision,
    ),
)
