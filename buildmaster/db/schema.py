"""Every table of the database, for the whole life of a change.

Rules: times are epoch seconds (double); JSON is compact UTF-8 text; ids are chosen by the writer (:mod:`.ids`), never
by the database; a table stands after those it refers to.  A change to this file needs a migration.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_COLLATION = "utf8mb4_bin"  # compares by code points, as the other databases do
_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": _COLLATION}


class Text(sa.Text):
    """Text of any length: MySQL's own ``TEXT`` ends at 64 kB."""

    inherit_cache = True


class Blob(sa.LargeBinary):
    """Bytes of any number: MySQL's own ``BLOB`` ends at 64 kB."""

    inherit_cache = True


# spelt here, because SQLAlchemy's own types for MySQL bring its dialect into the memory of every master
@compiles(Text, "mysql", "mariadb")
def _long_text(_kind: Text, _compiler: Any, **_kw: Any) -> str:
    return f"LONGTEXT COLLATE {_COLLATION}"


@compiles(Blob, "mysql", "mariadb")
def _long_blob(_kind: Blob, _compiler: Any, **_kw: Any) -> str:
    return "LONGBLOB"


Id = sa.Integer
BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Name = sa.String(512)
Time = sa.Double
Flag = sa.SmallInteger  # 0 or 1: the same literal on every database


def _table(name: str, *parts: sa.schema.SchemaItem, rowid: bool = True) -> sa.Table:
    extra: dict[str, Any] = {} if rowid else {"sqlite_with_rowid": False}
    return sa.Table(name, metadata, *parts, **extra)


def for_mysql() -> sa.MetaData:
    """The tables with the options that only MySQL knows, which bring its dialect into memory."""
    for table in metadata.tables.values():
        table.dialect_kwargs.update(_MYSQL)
    return metadata


def _pk(name: str = "id", kind: Any = Id) -> sa.Column:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _ref(name: str, target: str, nullable: bool = False, **kw: Any) -> sa.Column:
    return sa.Column(name, Id, sa.ForeignKey(f"{target}.id"), nullable=nullable, **kw)


# -- the engine's own ---

masters = _table(
    "masters",
    _pk(),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("active", Flag, nullable=False, default=0),
    sa.Column("last_active", Time, nullable=False),
    sa.Column("epoch", Id, nullable=False, default=0),  # grows at every start: writes of an earlier life are void
    sa.Column("lease_until", Time),
    sa.Column("last_batch", sa.BigInteger, nullable=False, default=0),  # answers "did my COMMIT go through?"
)

id_blocks = _table(
    "id_blocks",
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("next_id", sa.BigInteger, nullable=False),
)

journal_head = _table(
    "journal_head",
    _pk(),
    sa.Column("position", sa.BigInteger, nullable=False),  # of the newest fact
    sa.Column("pruned", sa.BigInteger, nullable=False),  # of the newest fact that was deleted
)

journal = _table(
    "journal",
    _pk("position", BigId),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("fields", Text, nullable=False),
    sa.Column("masterid", Id),
    sa.Column("at", Time, nullable=False),
)

cursors = _table(
    "cursors",
    sa.Column("name", Name, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
)

cursor_gaps = _table(
    "cursor_gaps",
    sa.Column("name", Name, primary_key=True),
    sa.Column("after_position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("up_to_position", sa.BigInteger, nullable=False),
    sa.Column("at", Time, nullable=False),
)

objects = _table(
    "objects",
    _pk(),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("class_name", sa.String(256), nullable=False),
    sa.UniqueConstraint("name", "class_name"),
)

object_state = _table(
    "object_state",
    _ref("objectid", "objects", primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("value_json", Text, nullable=False),
)

users = _table(
    "users",
    _pk(),
    sa.Column("identifier", Name, nullable=False, unique=True),
    sa.Column("bb_username", sa.String(255), unique=True),
    sa.Column("bb_password", sa.String(255)),
)

users_info = _table(
    "users_info",
    _ref("uid", "users", primary_key=True),
    sa.Column("attr_type", sa.String(128), primary_key=True),
    sa.Column("attr_data", sa.String(256), nullable=False),
    sa.Index("ix_users_info_attr", "attr_type", "attr_data"),
)

# -- what is configured ---

projects = _table(
    "projects",
    _pk(),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("slug", sa.String(50), nullable=False),
    sa.Column("active", Flag, nullable=False, default=0),
    sa.Column("description", Text),
    sa.Column("description_format", Text),
    sa.Column("description_html", Text),
)

codebases = _table(
    "codebases",
    _pk(),
    _ref("projectid", "projects"),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("slug", sa.String(50), nullable=False),
    sa.UniqueConstraint("projectid", "name"),
)

codebase_commits = _table(
    "codebase_commits",
    _pk(),
    _ref("codebaseid", "codebases"),
    sa.Column("author", sa.String(255), nullable=False),
    sa.Column("committer", sa.String(255)),
    sa.Column("comments", Text, nullable=False),
    sa.Column("files", Text),  # JSON list
    sa.Column("when_timestamp", Id, nullable=False),
    sa.Column("revision", sa.String(70), nullable=False),
    _ref("parent_commitid", "codebase_commits", nullable=True),
    sa.UniqueConstraint("codebaseid", "revision"),
)

codebase_branches = _table(
    "codebase_branches",
    _pk(),
    _ref("codebaseid", "codebases"),
    sa.Column("name", sa.String(255), nullable=False),
    _ref("commitid", "codebase_commits", nullable=True),
    sa.Column("last_timestamp", Id, nullable=False),
    sa.UniqueConstraint("codebaseid", "name"),
)

builders = _table(
    "builders",
    _pk(),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("description", Text),
    sa.Column("description_format", Text),
    sa.Column("description_html", Text),
    _ref("projectid", "projects", nullable=True, index=True),
    sa.Column("tags", Text, nullable=False),  # JSON list
)

builder_masters = _table(
    "builder_masters",
    _ref("builderid", "builders", primary_key=True),
    _ref("masterid", "masters", primary_key=True, index=True),
    rowid=False,
)

workers = _table(
    "workers",
    _pk(),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("info", Text, nullable=False),  # JSON object
    sa.Column("paused", Flag, nullable=False, default=0),
    sa.Column("pause_reason", Text),
    sa.Column("graceful", Flag, nullable=False, default=0),
    sa.Column("last_connection", Time),
)

configured_workers = _table(
    "configured_workers",
    _ref("workerid", "workers", primary_key=True),
    _ref("builderid", "builders", primary_key=True, index=True),
    _ref("masterid", "masters", primary_key=True, index=True),
    rowid=False,
)

connected_workers = _table(
    "connected_workers",
    _ref("workerid", "workers", primary_key=True),
    _ref("masterid", "masters", primary_key=True, index=True),
    rowid=False,
)

changesources = _table(
    "changesources",
    _pk(),
    sa.Column("name", Name, nullable=False, unique=True),
)

changesource_masters = _table(
    "changesource_masters",
    _ref("changesourceid", "changesources", primary_key=True),
    _ref("masterid", "masters", index=True),
)

schedulers = _table(
    "schedulers",
    _pk(),
    sa.Column("name", Name, nullable=False, unique=True),
    sa.Column("enabled", Flag, nullable=False, default=1),
    sa.Column("filter", Text),  # JSON: the declared filter as last configured, to recompute refusals
)

scheduler_masters = _table(
    "scheduler_masters",
    _ref("schedulerid", "schedulers", primary_key=True),
    _ref("masterid", "masters", index=True),
)

# -- changes ---

patches = _table(
    "patches",
    _pk(),
    sa.Column("level", Id, nullable=False),
    sa.Column("body", Blob, nullable=False),
    sa.Column("author", Text, nullable=False),
    sa.Column("comment", Text, nullable=False),
    sa.Column("subdir", Text),
)

sourcestamps = _table(
    "sourcestamps",
    _pk(),
    sa.Column("content_hash", sa.String(40), nullable=False, unique=True),  # over all that follows
    sa.Column("branch", Text),
    sa.Column("revision", Text),
    _ref("patchid", "patches", nullable=True),
    sa.Column("repository", Text, nullable=False),
    sa.Column("codebase", sa.String(256), nullable=False),
    sa.Column("project", Text, nullable=False),
    sa.Column("created_at", Time, nullable=False),
)

changes = _table(
    "changes",
    _pk(),
    sa.Column("author", Text, nullable=False),
    sa.Column("committer", Text),
    sa.Column("comments", Text, nullable=False),
    sa.Column("files", Text, nullable=False),  # JSON list
    sa.Column("branch", Text),
    sa.Column("revision", Text),
    sa.Column("revlink", Text),
    sa.Column("when_timestamp", sa.BigInteger, nullable=False),
    sa.Column("category", Text),
    sa.Column("repository", Text, nullable=False),
    sa.Column("codebase", sa.String(256), nullable=False),
    sa.Column("project", Text, nullable=False),
    sa.Column("properties", Text, nullable=False),  # JSON object: name → [value, source]
    sa.Column("parent_changeid", Id),
    _ref("sourcestampid", "sourcestamps", index=True),
    _ref("uid", "users", nullable=True),
    sa.Column("received_at", Time, nullable=False),
    sa.Column("line_key", sa.String(40), nullable=False),  # hash of codebase, project, repository and branch
    sa.Column("idempotency_key", sa.String(255), unique=True),
    sa.Index("ix_changes_line_key", "line_key", "id"),
)

scheduler_changes = _table(
    "scheduler_changes",
    _ref("schedulerid", "schedulers", primary_key=True),
    _ref("changeid", "changes", primary_key=True),
    sa.Column("timer", sa.String(40), nullable=False),  # which of the scheduler's stable timers it waits for
    sa.Column("important", Flag, nullable=False),
    rowid=False,
)

scheduler_timers = _table(
    "scheduler_timers",
    _ref("schedulerid", "schedulers", primary_key=True),
    sa.Column("timer", sa.String(40), primary_key=True),  # "" or a hash of (codebase, project, repository, branch)
    sa.Column("deadline", Time, nullable=False),
)

scheduler_firings = _table(
    "scheduler_firings",
    _ref("schedulerid", "schedulers", primary_key=True),
    sa.Column("fire_time", sa.BigInteger, primary_key=True, autoincrement=False),  # never twice
    sa.Column("buildsetid", Id),
)

# -- what is to be built ---

buildsets = _table(
    "buildsets",
    _pk(),
    sa.Column("external_idstring", sa.String(256), index=True),
    sa.Column("reason", Text, nullable=False),
    sa.Column("scheduler", Text),
    sa.Column("submitted_at", Time, nullable=False),
    sa.Column("complete", Flag, nullable=False, default=0),
    sa.Column("complete_at", Time),
    sa.Column("results", sa.SmallInteger),
    sa.Column("parent_buildid", Id, index=True),
    sa.Column("parent_relationship", Text),
    sa.Column("rebuilt_buildid", Id, index=True),
    sa.Column("properties", Text, nullable=False),  # JSON object: name → [value, source]
    sa.Column("idempotency_key", sa.String(255), unique=True),
    sa.Index("ix_buildsets_complete", "complete"),
)

buildset_sourcestamps = _table(
    "buildset_sourcestamps",
    _ref("buildsetid", "buildsets", primary_key=True),
    _ref("sourcestampid", "sourcestamps", primary_key=True, index=True),
    rowid=False,
)

buildset_changes = _table(
    "buildset_changes",  # all that led to it; a source stamp names only the newest change of each codebase
    _ref("buildsetid", "buildsets", primary_key=True),
    _ref("changeid", "changes", primary_key=True, index=True),
    rowid=False,
)

buildrequests = _table(
    "buildrequests",
    _pk(),
    _ref("buildsetid", "buildsets", index=True),
    _ref("builderid", "builders"),
    sa.Column("priority", Id, nullable=False, default=0),
    sa.Column("state", sa.SmallInteger, nullable=False),  # a RequestState
    sa.Column("results", sa.SmallInteger),
    sa.Column("submitted_at", Time, nullable=False),
    sa.Column("complete_at", Time),
    sa.Column("waited_for", Flag, nullable=False, default=0),
    sa.Column("claimed_by_masterid", Id),
    sa.Column("claimed_at", Time),
    sa.Column("collapse_key", sa.String(40)),  # what must match to be collapsed; NULL: never
    sa.Column("superseded_by", Id),  # the request that took this one's changes over
    sa.Column("retries", sa.SmallInteger, nullable=False, default=0),
    sa.Index("ix_buildrequests_state", "state", "builderid", "collapse_key"),
    sa.Index("ix_buildrequests_builderid", "builderid"),
    sa.Index("ix_buildrequests_superseded_by", "superseded_by"),
)

# -- what was built ---

builds = _table(
    "builds",
    _pk(),
    sa.Column("number", Id, nullable=False),
    _ref("builderid", "builders"),
    _ref("buildrequestid", "buildrequests", index=True),
    _ref("workerid", "workers", nullable=True),
    _ref("masterid", "masters"),
    sa.Column("epoch", Id, nullable=False, default=0),  # of the master that runs it
    sa.Column("started_at", Time, nullable=False),
    sa.Column("complete", Flag, nullable=False, default=0),
    sa.Column("complete_at", Time),
    sa.Column("locks_duration_s", Id, nullable=False, default=0),
    sa.Column("results", sa.SmallInteger),
    sa.Column("state_string", Text, nullable=False),
    sa.UniqueConstraint("builderid", "number"),
    sa.Index("ix_builds_complete", "complete", "masterid"),
    sa.Index("ix_builds_workerid", "workerid"),
)

build_properties = _table(
    "build_properties",
    _ref("buildid", "builds", primary_key=True),
    sa.Column("properties", Text, nullable=False),  # JSON object: name → [value, source]
)

build_data = _table(
    "build_data",
    _pk(),
    _ref("buildid", "builds"),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("value", Blob, nullable=False),
    sa.Column("length", Id, nullable=False),
    sa.Column("source", sa.String(256), nullable=False),
    sa.UniqueConstraint("buildid", "name"),
)

steps = _table(
    "steps",
    _pk(),
    sa.Column("number", Id, nullable=False),
    sa.Column("name", sa.String(50), nullable=False),
    _ref("buildid", "builds"),
    sa.Column("started_at", Time),
    sa.Column("locks_acquired_at", Time),
    sa.Column("complete", Flag, nullable=False, default=0),
    sa.Column("complete_at", Time),
    sa.Column("state_string", Text, nullable=False),
    sa.Column("results", sa.SmallInteger),
    sa.Column("urls", Text, nullable=False),  # JSON list of {name, url}
    sa.Column("hidden", Flag, nullable=False, default=0),
    sa.UniqueConstraint("buildid", "number"),
    sa.UniqueConstraint("buildid", "name"),
)

logs = _table(
    "logs",
    _pk(),
    _ref("stepid", "steps"),
    sa.Column("name", Text, nullable=False),
    sa.Column("slug", sa.String(50), nullable=False),
    sa.Column("type", sa.String(1), nullable=False),  # s: channels, t: text, h: HTML, d: deleted
    sa.Column("complete", Flag, nullable=False, default=0),
    sa.Column("num_lines", sa.BigInteger, nullable=False, default=0),
    sa.UniqueConstraint("stepid", "slug"),
)

log_chunks = _table(
    "log_chunks",
    # no foreign key: chunks travel in a lane of their own and may be stored before their log's row
    _pk("logid"),
    _pk("first_line", BigId),
    sa.Column("last_line", sa.BigInteger, nullable=False),
    sa.Column("raw_bytes", Id, nullable=False),  # size of the plain text
    sa.Column("compression", sa.SmallInteger, nullable=False),  # a Compression of db.logs
    sa.Column("channels", Text, nullable=False),  # runs of lines by channel, "e3o120"; "" for logs without channels
    sa.Column("content", Blob, nullable=False),  # newline-terminated plain lines
)

test_result_sets = _table(
    "test_result_sets",
    _pk(),
    _ref("builderid", "builders", index=True),
    _ref("buildid", "builds", index=True),
    _ref("stepid", "steps", index=True),
    sa.Column("description", Text),
    sa.Column("category", Text, nullable=False),
    sa.Column("value_unit", Text, nullable=False),
    sa.Column("tests_passed", Id),
    sa.Column("tests_failed", Id),
    sa.Column("complete", Flag, nullable=False, default=0),
)

test_results = _table(
    "test_results",
    _pk(),
    _ref("builderid", "builders"),
    _ref("test_result_setid", "test_result_sets", index=True),
    sa.Column("test_name", Text),
    sa.Column("test_code_path", Text),
    sa.Column("line", Id),
    sa.Column("duration_ns", sa.BigInteger),
    sa.Column("value", Text, nullable=False),
)

# -- why ---

reasons = _table(
    "reasons",
    _pk(),
    sa.Column("subject", sa.String(32), nullable=False),  # "change", "buildrequest", "build" …
    sa.Column("subjectid", Id, nullable=False),
    sa.Column("actor", Name, nullable=False),  # "scheduler:quick", "collapser", "user:bob" …
    sa.Column("verdict", sa.String(32), nullable=False),  # a past fact: "built", "unimportant", "error", "superseded" …
    sa.Column("detail", Text, nullable=False),  # JSON object
    sa.Column("at", Time, nullable=False),
    sa.Index("ix_reasons_subject", "subject", "subjectid"),
)

REVISION = "0002"
"""The newest migration's revision; a fresh database is stamped with it."""

VERSION_TABLE = "buildmaster_version"

FOREIGN_VERSION_TABLES = frozenset({"version", "migrate_version", "alembic_version"})
"""Tables by which a Buildbot database is recognised; it is never altered."""

NUMBERED = [t for t in metadata.sorted_tables if "id" in t.c and t.name not in ("journal_head",)]
"""Tables whose ``id`` comes from :mod:`.ids`."""
