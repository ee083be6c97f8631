"""The first schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), "mysql", "mariadb")
BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Bring the schema from nothing to 0001."""
    op.create_table(
        "buildsets",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("external_idstring", sa.String(length=256), nullable=True),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("scheduler", TEXT, nullable=True),
        sa.Column("submitted_at", sa.Double(), nullable=False),
        sa.Column("complete", sa.SmallInteger(), nullable=False),
        sa.Column("complete_at", sa.Double(), nullable=True),
        sa.Column("results", sa.SmallInteger(), nullable=True),
        sa.Column("parent_buildid", sa.Integer(), nullable=True),
        sa.Column("parent_relationship", TEXT, nullable=True),
        sa.Column("rebuilt_buildid", sa.Integer(), nullable=True),
        sa.Column("properties", TEXT, nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buildsets")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_buildsets_idempotency_key")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index("ix_buildsets_complete", "buildsets", ["complete"], unique=False)
    op.create_index(op.f("ix_buildsets_parent_buildid"), "buildsets", ["parent_buildid"], unique=False)
    op.create_index(op.f("ix_buildsets_rebuilt_buildid"), "buildsets", ["rebuilt_buildid"], unique=False)
    op.create_table(
        "changesources",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changesources")),
        sa.UniqueConstraint("name", name=op.f("uq_changesources_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "cursor_gaps",
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("after_position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("up_to_position", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "after_position", name=op.f("pk_cursor_gaps")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "id_blocks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("next_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_id_blocks")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "journal",
        sa.Column("position", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("fields", TEXT, nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_journal")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "journal_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_head")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "log_chunks",
        sa.Column("logid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_line", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("last_line", sa.BigInteger(), nullable=False),
        sa.Column("raw_bytes", sa.Integer(), nullable=False),
        sa.Column("compression", sa.SmallInteger(), nullable=False),
        sa.Column("channels", TEXT, nullable=False),
        sa.Column("content", BLOB, nullable=False),
        sa.PrimaryKeyConstraint("logid", "first_line", name=op.f("pk_log_chunks")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "masters",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("active", sa.SmallInteger(), nullable=False),
        sa.Column("last_active", sa.Double(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("last_batch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_masters")),
        sa.UniqueConstraint("name", name=op.f("uq_masters_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "objects",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("class_name", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objects")),
        sa.UniqueConstraint("name", "class_name", name=op.f("uq_objects_name_class_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "patches",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("body", BLOB, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("comment", TEXT, nullable=False),
        sa.Column("subdir", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patches")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("slug", sa.String(length=50), nullable=False),
        sa.Column("active", sa.SmallInteger(), nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("description_format", TEXT, nullable=True),
        sa.Column("description_html", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("name", name=op.f("uq_projects_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "reasons",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("subjectid", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=512), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reasons")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index("ix_reasons_subject", "reasons", ["subject", "subjectid"], unique=False)
    op.create_table(
        "schedulers",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("enabled", sa.SmallInteger(), nullable=False),
        sa.Column("filter", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedulers")),
        sa.UniqueConstraint("name", name=op.f("uq_schedulers_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identifier", sa.String(length=512), nullable=False),
        sa.Column("bb_username", sa.String(length=255), nullable=True),
        sa.Column("bb_password", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("bb_username", name=op.f("uq_users_bb_username")),
        sa.UniqueConstraint("identifier", name=op.f("uq_users_identifier")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("info", TEXT, nullable=False),
        sa.Column("paused", sa.SmallInteger(), nullable=False),
        sa.Column("pause_reason", TEXT, nullable=True),
        sa.Column("graceful", sa.SmallInteger(), nullable=False),
        sa.Column("last_connection", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        sa.UniqueConstraint("name", name=op.f("uq_workers_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "builders",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("description_format", TEXT, nullable=True),
        sa.Column("description_html", TEXT, nullable=True),
        sa.Column("projectid", sa.Integer(), nullable=True),
        sa.Column("tags", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["projectid"], ["projects.id"], name=op.f("fk_builders_projectid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_builders")),
        sa.UniqueConstraint("name", name=op.f("uq_builders_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index(op.f("ix_builders_projectid"), "builders", ["projectid"], unique=False)
    op.create_table(
        "changesource_masters",
        sa.Column("changesourceid", sa.Integer(), nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["changesourceid"], ["changesources.id"], name=op.f("fk_changesource_masters_changesourceid")
        ),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], name=op.f("fk_changesource_masters_masterid")),
        sa.PrimaryKeyConstraint("changesourceid", name=op.f("pk_changesource_masters")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index(op.f("ix_changesource_masters_masterid"), "changesource_masters", ["masterid"], unique=False)
    op.create_table(
        "codebases",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("projectid", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("slug", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(["projectid"], ["projects.id"], name=op.f("fk_codebases_projectid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_codebases")),
        sa.UniqueConstraint("projectid", "name", name=op.f("uq_codebases_projectid_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "connected_workers",
        sa.Column("workerid", sa.Integer(), nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], name=op.f("fk_connected_workers_masterid")),
        sa.ForeignKeyConstraint(["workerid"], ["workers.id"], name=op.f("fk_connected_workers_workerid")),
        sa.PrimaryKeyConstraint("workerid", "masterid", name=op.f("pk_connected_workers")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_connected_workers_masterid"), "connected_workers", ["masterid"], unique=False)
    op.create_table(
        "object_state",
        sa.Column("objectid", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("value_json", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["objectid"], ["objects.id"], name=op.f("fk_object_state_objectid")),
        sa.PrimaryKeyConstraint("objectid", "name", name=op.f("pk_object_state")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "scheduler_firings",
        sa.Column("schedulerid", sa.Integer(), nullable=False),
        sa.Column("fire_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("buildsetid", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["schedulerid"], ["schedulers.id"], name=op.f("fk_scheduler_firings_schedulerid")),
        sa.PrimaryKeyConstraint("schedulerid", "fire_time", name=op.f("pk_scheduler_firings")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "scheduler_masters",
        sa.Column("schedulerid", sa.Integer(), nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], name=op.f("fk_scheduler_masters_masterid")),
        sa.ForeignKeyConstraint(["schedulerid"], ["schedulers.id"], name=op.f("fk_scheduler_masters_schedulerid")),
        sa.PrimaryKeyConstraint("schedulerid", name=op.f("pk_scheduler_masters")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index(op.f("ix_scheduler_masters_masterid"), "scheduler_masters", ["masterid"], unique=False)
    op.create_table(
        "scheduler_timers",
        sa.Column("schedulerid", sa.Integer(), nullable=False),
        sa.Column("timer", sa.String(length=40), nullable=False),
        sa.Column("deadline", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["schedulerid"], ["schedulers.id"], name=op.f("fk_scheduler_timers_schedulerid")),
        sa.PrimaryKeyConstraint("schedulerid", "timer", name=op.f("pk_scheduler_timers")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "sourcestamps",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content_hash", sa.String(length=40), nullable=False),
        sa.Column("branch", TEXT, nullable=True),
        sa.Column("revision", TEXT, nullable=True),
        sa.Column("patchid", sa.Integer(), nullable=True),
        sa.Column("repository", TEXT, nullable=False),
        sa.Column("codebase", sa.String(length=256), nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["patchid"], ["patches.id"], name=op.f("fk_sourcestamps_patchid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sourcestamps")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_sourcestamps_content_hash")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "users_info",
        sa.Column("uid", sa.Integer(), nullable=False),
        sa.Column("attr_type", sa.String(length=128), nullable=False),
        sa.Column("attr_data", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["users.id"], name=op.f("fk_users_info_uid")),
        sa.PrimaryKeyConstraint("uid", "attr_type", name=op.f("pk_users_info")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index("ix_users_info_attr", "users_info", ["attr_type", "attr_data"], unique=False)
    op.create_table(
        "builder_masters",
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], name=op.f("fk_builder_masters_builderid")),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], name=op.f("fk_builder_masters_masterid")),
        sa.PrimaryKeyConstraint("builderid", "masterid", name=op.f("pk_builder_masters")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_builder_masters_masterid"), "builder_masters", ["masterid"], unique=False)
    op.create_table(
        "buildrequests",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("buildsetid", sa.Integer(), nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("results", sa.SmallInteger(), nullable=True),
        sa.Column("submitted_at", sa.Double(), nullable=False),
        sa.Column("complete_at", sa.Double(), nullable=True),
        sa.Column("waited_for", sa.SmallInteger(), nullable=False),
        sa.Column("claimed_by_masterid", sa.Integer(), nullable=True),
        sa.Column("claimed_at", sa.Double(), nullable=True),
        sa.Column("collapse_key", sa.String(length=40), nullable=True),
        sa.Column("superseded_by", sa.Integer(), nullable=True),
        sa.Column("retries", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], name=op.f("fk_buildrequests_builderid")),
        sa.ForeignKeyConstraint(["buildsetid"], ["buildsets.id"], name=op.f("fk_buildrequests_buildsetid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buildrequests")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index("ix_buildrequests_builderid", "buildrequests", ["builderid"], unique=False)
    op.create_index(op.f("ix_buildrequests_buildsetid"), "buildrequests", ["buildsetid"], unique=False)
    op.create_index("ix_buildrequests_state", "buildrequests", ["state", "builderid", "collapse_key"], unique=False)
    op.create_index("ix_buildrequests_superseded_by", "buildrequests", ["superseded_by"], unique=False)
    op.create_table(
        "buildset_sourcestamps",
        sa.Column("buildsetid", sa.Integer(), nullable=False),
        sa.Column("sourcestampid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["buildsetid"], ["buildsets.id"], name=op.f("fk_buildset_sourcestamps_buildsetid")),
        sa.ForeignKeyConstraint(
            ["sourcestampid"], ["sourcestamps.id"], name=op.f("fk_buildset_sourcestamps_sourcestampid")
        ),
        sa.PrimaryKeyConstraint("buildsetid", "sourcestampid", name=op.f("pk_buildset_sourcestamps")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_buildset_sourcestamps_sourcestampid"), "buildset_sourcestamps", ["sourcestampid"], unique=False
    )
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("committer", TEXT, nullable=True),
        sa.Column("comments", TEXT, nullable=False),
        sa.Column("files", TEXT, nullable=False),
        sa.Column("branch", TEXT, nullable=True),
        sa.Column("revision", TEXT, nullable=True),
        sa.Column("revlink", TEXT, nullable=True),
        sa.Column("when_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("category", TEXT, nullable=True),
        sa.Column("repository", TEXT, nullable=False),
        sa.Column("codebase", sa.String(length=256), nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("properties", TEXT, nullable=False),
        sa.Column("parent_changeid", sa.Integer(), nullable=True),
        sa.Column("sourcestampid", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("line_key", sa.String(length=40), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(["sourcestampid"], ["sourcestamps.id"], name=op.f("fk_changes_sourcestampid")),
        sa.ForeignKeyConstraint(["uid"], ["users.id"], name=op.f("fk_changes_uid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_changes_idempotency_key")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index("ix_changes_line_key", "changes", ["line_key", "id"], unique=False)
    op.create_index(op.f("ix_changes_sourcestampid"), "changes", ["sourcestampid"], unique=False)
    op.create_table(
        "codebase_commits",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("codebaseid", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("committer", sa.String(length=255), nullable=True),
        sa.Column("comments", TEXT, nullable=False),
        sa.Column("files", TEXT, nullable=True),
        sa.Column("when_timestamp", sa.Integer(), nullable=False),
        sa.Column("revision", sa.String(length=70), nullable=False),
        sa.Column("parent_commitid", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["codebaseid"], ["codebases.id"], name=op.f("fk_codebase_commits_codebaseid")),
        sa.ForeignKeyConstraint(
            ["parent_commitid"], ["codebase_commits.id"], name=op.f("fk_codebase_commits_parent_commitid")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_codebase_commits")),
        sa.UniqueConstraint("codebaseid", "revision", name=op.f("uq_codebase_commits_codebaseid_revision")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "configured_workers",
        sa.Column("workerid", sa.Integer(), nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], name=op.f("fk_configured_workers_builderid")),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], name=op.f("fk_configured_workers_masterid")),
        sa.ForeignKeyConstraint(["workerid"], ["workers.id"], name=op.f("fk_configured_workers_workerid")),
        sa.PrimaryKeyConstraint("workerid", "builderid", "masterid", name=op.f("pk_configured_workers")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_configured_workers_builderid"), "configured_workers", ["builderid"], unique=False)
    op.create_index(op.f("ix_configured_workers_masterid"), "configured_workers", ["masterid"], unique=False)
    op.create_table(
        "builds",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("buildrequestid", sa.Integer(), nullable=False),
        sa.Column("workerid", sa.Integer(), nullable=True),
        sa.Column("masterid", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("complete", sa.SmallInteger(), nullable=False),
        sa.Column("complete_at", sa.Double(), nullable=True),
        sa.Column("locks_duration_s", sa.Integer(), nullable=False),
        sa.Column("results", sa.SmallInteger(), nullable=True),
        sa.Column("state_string", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], name=op.f("fk_builds_builderid")),
        sa.ForeignKeyConstraint(["buildrequestid"], ["buildrequests.id"], name=op.f("fk_builds_buildrequestid")),
        sa.ForeignKeyConstraint(["masterid"], ["masters.id"], name=op.f("fk_builds_masterid")),
        sa.ForeignKeyConstraint(["workerid"], ["workers.id"], name=op.f("fk_builds_workerid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_builds")),
        sa.UniqueConstraint("builderid", "number", name=op.f("uq_builds_builderid_number")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index(op.f("ix_builds_buildrequestid"), "builds", ["buildrequestid"], unique=False)
    op.create_index("ix_builds_complete", "builds", ["complete", "masterid"], unique=False)
    op.create_index("ix_builds_workerid", "builds", ["workerid"], unique=False)
    op.create_table(
        "buildset_changes",
        sa.Column("buildsetid", sa.Integer(), nullable=False),
        sa.Column("changeid", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["buildsetid"], ["buildsets.id"], name=op.f("fk_buildset_changes_buildsetid")),
        sa.ForeignKeyConstraint(["changeid"], ["changes.id"], name=op.f("fk_buildset_changes_changeid")),
        sa.PrimaryKeyConstraint("buildsetid", "changeid", name=op.f("pk_buildset_changes")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_buildset_changes_changeid"), "buildset_changes", ["changeid"], unique=False)
    op.create_table(
        "codebase_branches",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("codebaseid", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("commitid", sa.Integer(), nullable=True),
        sa.Column("last_timestamp", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["codebaseid"], ["codebases.id"], name=op.f("fk_codebase_branches_codebaseid")),
        sa.ForeignKeyConstraint(["commitid"], ["codebase_commits.id"], name=op.f("fk_codebase_branches_commitid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_codebase_branches")),
        sa.UniqueConstraint("codebaseid", "name", name=op.f("uq_codebase_branches_codebaseid_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "scheduler_changes",
        sa.Column("schedulerid", sa.Integer(), nullable=False),
        sa.Column("changeid", sa.Integer(), nullable=False),
        sa.Column("timer", sa.String(length=40), nullable=False),
        sa.Column("important", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["changeid"], ["changes.id"], name=op.f("fk_scheduler_changes_changeid")),
        sa.ForeignKeyConstraint(["schedulerid"], ["schedulers.id"], name=op.f("fk_scheduler_changes_schedulerid")),
        sa.PrimaryKeyConstraint("schedulerid", "changeid", name=op.f("pk_scheduler_changes")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "build_data",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("buildid", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("value", BLOB, nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["buildid"], ["builds.id"], name=op.f("fk_build_data_buildid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_build_data")),
        sa.UniqueConstraint("buildid", "name", name=op.f("uq_build_data_buildid_name")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "build_properties",
        sa.Column("buildid", sa.Integer(), nullable=False),
        sa.Column("properties", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["buildid"], ["builds.id"], name=op.f("fk_build_properties_buildid")),
        sa.PrimaryKeyConstraint("buildid", name=op.f("pk_build_properties")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "steps",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("buildid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("locks_acquired_at", sa.Double(), nullable=True),
        sa.Column("complete", sa.SmallInteger(), nullable=False),
        sa.Column("complete_at", sa.Double(), nullable=True),
        sa.Column("state_string", TEXT, nullable=False),
        sa.Column("results", sa.SmallInteger(), nullable=True),
        sa.Column("urls", TEXT, nullable=False),
        sa.Column("hidden", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["buildid"], ["builds.id"], name=op.f("fk_steps_buildid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_steps")),
        sa.UniqueConstraint("buildid", "name", name=op.f("uq_steps_buildid_name")),
        sa.UniqueConstraint("buildid", "number", name=op.f("uq_steps_buildid_number")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "logs",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stepid", sa.Integer(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("slug", sa.String(length=50), nullable=False),
        sa.Column("type", sa.String(length=1), nullable=False),
        sa.Column("complete", sa.SmallInteger(), nullable=False),
        sa.Column("num_lines", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["stepid"], ["steps.id"], name=op.f("fk_logs_stepid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logs")),
        sa.UniqueConstraint("stepid", "slug", name=op.f("uq_logs_stepid_slug")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "test_result_sets",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("buildid", sa.Integer(), nullable=False),
        sa.Column("stepid", sa.Integer(), nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("category", TEXT, nullable=False),
        sa.Column("value_unit", TEXT, nullable=False),
        sa.Column("tests_passed", sa.Integer(), nullable=True),
        sa.Column("tests_failed", sa.Integer(), nullable=True),
        sa.Column("complete", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], name=op.f("fk_test_result_sets_builderid")),
        sa.ForeignKeyConstraint(["buildid"], ["builds.id"], name=op.f("fk_test_result_sets_buildid")),
        sa.ForeignKeyConstraint(["stepid"], ["steps.id"], name=op.f("fk_test_result_sets_stepid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_result_sets")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index(op.f("ix_test_result_sets_builderid"), "test_result_sets", ["builderid"], unique=False)
    op.create_index(op.f("ix_test_result_sets_buildid"), "test_result_sets", ["buildid"], unique=False)
    op.create_index(op.f("ix_test_result_sets_stepid"), "test_result_sets", ["stepid"], unique=False)
    op.create_table(
        "test_results",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("builderid", sa.Integer(), nullable=False),
        sa.Column("test_result_setid", sa.Integer(), nullable=False),
        sa.Column("test_name", TEXT, nullable=True),
        sa.Column("test_code_path", TEXT, nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("duration_ns", sa.BigInteger(), nullable=True),
        sa.Column("value", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["builderid"], ["builders.id"], name=op.f("fk_test_results_builderid")),
        sa.ForeignKeyConstraint(
            ["test_result_setid"], ["test_result_sets.id"], name=op.f("fk_test_results_test_result_setid")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_results")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_index(op.f("ix_test_results_test_result_setid"), "test_results", ["test_result_setid"], unique=False)
    # ### end Alembic commands ###
