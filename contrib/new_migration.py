#!/usr/bin/env python3
"""Write the migration that brings the newest revision's schema to what buildmaster/db/schema.py says now.

Usage: contrib/new_migration.py REVISION "What it does"

Builds a scratch SQLite database by running all migrations, compares it with the declared schema, and writes
buildmaster/db/migrations/versions/REVISION_what_it_does.py.  Read it, mend it, set schema.REVISION, and extend
tests/contract/test_migrations.py with rows.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from mako.template import Template

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from buildmaster.db import schema  # noqa: E402

MIGRATIONS = ROOT / "buildmaster/db/migrations"
SHORT = {
    "buildmaster.db.schema.Text()": "TEXT",
    "buildmaster.db.schema.Blob()": "BLOB",
    "sa.BigInteger().with_variant(sa.Integer(), 'sqlite')": "BIG_ID",
}
"""How alembic writes the types of schema.py, and the names that script.py.mako gives them."""


def main(revision: str, message: str) -> None:
    schema.for_mysql()
    scripts = ScriptDirectory(str(MIGRATIONS))
    head = scripts.get_current_head()
    engine = sa.create_engine("sqlite://")
    with engine.begin() as conn:
        options = {"version_table": schema.VERSION_TABLE, "target_metadata": schema.metadata, "compare_type": False}
        if head is not None:
            run = MigrationContext.configure(
                conn, opts={**options, "fn": lambda r, _: scripts._upgrade_revs("head", r)}
            )
            with Operations.context(run):
                run.run_migrations()
        context = MigrationContext.configure(conn, opts=options)
        migrations = produce_migrations(context, schema.metadata)
    code = render_python_code(migrations.upgrade_ops, migration_context=context)
    code = re.sub(r"^\s*# ### .*$\n?", "", code, flags=re.MULTILINE).strip()
    for long, short in SHORT.items():
        code = code.replace(long, short)
    text = Template(filename=str(MIGRATIONS / "script.py.mako")).render(
        message=message, up_revision=revision, down_revision=head, upgrades=code
    )
    slug = re.sub(r"\W+", "_", message.lower()).strip("_")[:40]
    path = MIGRATIONS / "versions" / f"{revision}_{slug}.py"
    path.write_text(re.sub(r"[ \t]+\n", "\n", text))
    print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
