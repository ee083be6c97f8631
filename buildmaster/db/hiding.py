"""Secrets of builds, taken out of what others than the build itself write about it.

A build takes the secrets out of what it writes by itself.  The documented ``data.updates`` and connectors are open to
everybody: what comes in there passes here, in the writer's transaction, since the build is to be found first.
Nothing is done, or read, until a build has used a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.txn import Txn
from buildmaster.properties.of_builds import SecretsOfBuilds

_steps, _logs, _sets = schema.steps, schema.logs, schema.test_result_sets

BUILDS: dict[str, Callable[[int], sa.Select[Any]] | None] = {
    "build": None,
    "step": lambda stepid: sa.select(_steps.c.buildid).where(_steps.c.id == stepid),
    "log": lambda logid: (
        sa.select(_steps.c.buildid).join(_logs, _logs.c.stepid == _steps.c.id).where(_logs.c.id == logid)
    ),
    "test_result_set": lambda setid: sa.select(_sets.c.buildid).where(_sets.c.id == setid),
}
"""How the build is found to which something belongs."""


def write_about(
    txn: Txn, secrets: SecretsOfBuilds, kind: str, id: int, function: Callable[..., Any], *args: Any
) -> Any:
    """``function(txn, *args)``, without the secrets that the build of this step, log … (or this build) has used."""
    if secrets:
        args = secrets.without(_build_of(txn, kind, id), args)
    return function(txn, *args)


def _build_of(txn: Txn, kind: str, id: int) -> int | None:
    find = BUILDS[kind]
    if find is None:
        return id
    txn.flush()
    found: int | None = txn.conn.execute(find(id)).scalar()
    return found
