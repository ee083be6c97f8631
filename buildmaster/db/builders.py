"""Builders: their ids, descriptions, and the masters that they are configured on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import msgspec
import sqlalchemy as sa

from buildmaster.db import projects, schema
from buildmaster.db.txn import Txn

_builders, _links = schema.builders, schema.builder_masters
_CHUNK = 500


def find_id(txn: Txn, name: str) -> int:
    """The id of the builder of this name, which is stored if it is new."""
    return find_ids(txn, [name])[name]


def find_ids(txn: Txn, names: Iterable[str]) -> dict[str, int]:
    """The ids of these builders; those that are new are stored."""
    wanted = list(dict.fromkeys(names))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _CHUNK):
        query = sa.select(_builders.c.name, _builders.c.id).where(_builders.c.name.in_(wanted[start : start + _CHUNK]))
        found.update((row.name, row.id) for row in txn.execute(query, touches=(_builders,)))
    for name in wanted:
        if name not in found:
            found[name] = txn.new_id("builders")
            txn.insert(_builders, id=found[name], name=name, tags="[]")
    return {name: found[name] for name in wanted}


def set_of_master(txn: Txn, masterid: int, names: Sequence[str]) -> dict[str, int]:
    """Make these the builders configured on a master, and tell what changed; returns their ids by name."""
    wanted = find_ids(txn, names)
    query = (
        sa.select(_links.c.builderid, _builders.c.name)
        .join(_builders, _builders.c.id == _links.c.builderid)
        .where(_links.c.masterid == masterid)
    )
    have = {row.builderid: row.name for row in txn.execute(query, touches=(_links,))}
    for builderid in sorted(have.keys() - set(wanted.values())):
        txn.execute(
            sa.delete(_links).where(_links.c.builderid == builderid, _links.c.masterid == masterid), touches=(_links,)
        )
        txn.note("builder", "stopped", builderid=builderid, masterid=masterid, name=have[builderid])
    for name, builderid in wanted.items():
        if builderid not in have:
            txn.insert(_links, builderid=builderid, masterid=masterid)
            txn.note("builder", "started", builderid=builderid, masterid=masterid, name=name)
    return wanted


@attrs.frozen
class VirtualBuilder:
    """A builder that is no more than a name, under which builds of others are shown."""

    name: str
    description: str | None = None
    project: str | None = None
    tags: tuple[str, ...] = ()


VIRTUAL_TAG = "_virtual_"
"""What marks a virtual builder, which no master is configured with, as one that is in use."""


def find_virtual(txn: Txn, virtual: VirtualBuilder) -> int:
    """The id of a virtual builder, which is stored if it is new; what is said of it is kept up to date."""
    builderid = find_id(txn, virtual.name)
    projectid = projects.find_id(txn, virtual.project) if virtual.project else None
    tags = [*dict.fromkeys(virtual.tags), VIRTUAL_TAG]
    update_info(txn, builderid, virtual.description, None, None, projectid, tags)
    return builderid


def update_info(
    txn: Txn,
    builderid: int,
    description: str | None,
    description_format: str | None,
    description_html: str | None,
    projectid: int | None,
    tags: Sequence[str],
) -> bool:
    """Store what a builder's configuration says of it, and tell if that is new; False if there is no such builder."""
    row = txn.execute(sa.select(_builders).where(_builders.c.id == builderid), touches=(_builders,)).first()
    if row is None:
        return False
    values: dict[str, Any] = {
        "description": description,
        "description_format": description_format,
        "description_html": description_html,
        "projectid": projectid,
        "tags": msgspec.json.encode(list(tags)).decode(),
    }
    if any(getattr(row, name) != value for name, value in values.items()):
        txn.update(_builders, builderid, **values)
        txn.note("builder", "update", builderid=builderid, name=row.name, **{**values, "tags": list(tags)})
    return True


def newest_complete(conn: sa.Connection, builderids: Iterable[int]) -> dict[int, float]:
    """When the newest build of each builder ended, in epoch seconds; builders without one are left out."""
    builds = schema.builds.c
    newest: dict[int, float] = {}
    for builderid in builderids:
        recent = sa.select(builds.complete_at).where(builds.builderid == builderid, builds.complete == 1)
        found = conn.execute(recent.order_by(builds.number.desc()).limit(20)).scalars().all()
        if found:
            newest[builderid] = max(found)
    return newest
