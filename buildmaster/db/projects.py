"""Projects: what builders and codebases belong to."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from buildmaster.base.strings import force_identifier
from buildmaster.db import schema
from buildmaster.db.txn import Txn

_projects = schema.projects


def find_id(txn: Txn, name: str, auto_create: bool = True) -> int | None:
    """The id of the project of this name; with ``auto_create`` it is stored if it is new, else None."""
    query = sa.select(_projects.c.id).where(_projects.c.name == name)
    found = txn.execute(query, touches=(_projects,)).scalar()
    if found is None and auto_create:
        found = txn.new_id("projects")
        txn.insert(_projects, id=found, name=name, slug=force_identifier(name))
    return found


def update_info(
    txn: Txn,
    projectid: int,
    slug: str,
    description: str | None,
    description_format: str | None,
    description_html: str | None,
) -> bool:
    """Store what a project's configuration says of it, and tell if that is new; False if there is no such project."""
    row = txn.execute(sa.select(_projects).where(_projects.c.id == projectid), touches=(_projects,)).first()
    if row is None:
        return False
    values: dict[str, Any] = {
        "slug": slug,
        "description": description,
        "description_format": description_format,
        "description_html": description_html,
    }
    if any(getattr(row, name) != value for name, value in values.items()):
        txn.update(_projects, projectid, **values)
        txn.note("project", "update", projectid=projectid, name=row.name, **values)
    return True
