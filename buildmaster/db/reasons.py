"""Why things happened: the decisions that can't be computed again from other rows.

A buildset names its scheduler and its changes itself, and a declared filter can be asked again; stored here are the
verdicts and errors of user code, and the causes of collapses, cancels and retries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import msgspec
import sqlalchemy as sa

from buildmaster.db import schema
from buildmaster.db.txn import Txn

_reasons = schema.reasons
_encode = msgspec.json.Encoder(enc_hook=repr).encode
_decode = msgspec.json.Decoder().decode


@attrs.frozen
class Reason:
    """One stored decision."""

    reasonid: int
    subject: str  # a resource in the singular: "change", "buildrequest" …
    subjectid: int
    actor: str  # who decided: "scheduler:quick", "collapser", "user:bob" …
    verdict: str  # a past fact: "unimportant", "error", "superseded", "cancelled" …
    detail: Mapping[str, Any]
    at: float  # epoch seconds


def record(txn: Txn, subject: str, subjectid: int, actor: str, verdict: str, detail: Mapping[str, Any]) -> None:
    """Store a decision about one thing."""
    txn.insert(
        _reasons,
        id=txn.new_id("reasons"),
        subject=subject,
        subjectid=subjectid,
        actor=actor[:512],
        verdict=verdict,
        detail=_encode(detail).decode(),
        at=txn.now(),
    )


def of(conn: sa.Connection, subject: str, subjectids: Sequence[int]) -> list[Reason]:
    """The stored decisions about these things, in the order in which they were made."""
    query = (
        sa.select(_reasons)
        .where(_reasons.c.subject == subject, _reasons.c.subjectid.in_(subjectids))
        .order_by(_reasons.c.id)
    )
    return [
        Reason(row.id, row.subject, row.subjectid, row.actor, row.verdict, _decode(row.detail), row.at)
        for row in conn.execute(query)
    ]
