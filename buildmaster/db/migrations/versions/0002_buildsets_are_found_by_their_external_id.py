"""Buildsets are found by their external id"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0001 to 0002."""
    op.create_index("ix_buildsets_external_idstring", "buildsets", ["external_idstring"], unique=False)
