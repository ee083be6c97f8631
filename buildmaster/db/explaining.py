"""What each scheduler made of a change: from rows, and from its stored filter where it left none."""

from __future__ import annotations

from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.base.filters import ChangeFilter
from buildmaster.db import changes, reasons, schedulers, schema


@attrs.frozen
class Verdict:
    """What one scheduler made of one change."""

    scheduler: str
    verdict: str  # "built", "waiting", "unimportant", "refused", "error", or "passed over"
    text: str  # in words
    buildsets: tuple[int, ...] = ()


def why_change(conn: sa.Connection, changeid: int) -> list[Verdict]:
    """What every known scheduler made of a change, by name; empty if there is no such change."""
    change = changes.get(conn, changeid)
    if change is None:
        return []
    built = _built(conn, changeid)
    waiting = _waiting(conn, changeid)
    recorded = {r.actor: r for r in reasons.of(conn, "change", [changeid])}
    known = {row.name: row for row in schedulers.get_all(conn)}
    verdicts = []
    for name in sorted({*known, *built}):
        if name in built:
            ids = tuple(built[name])
            verdicts.append(Verdict(name, "built", f"it made buildset {', '.join(map(str, ids))}", ids))
        elif name in waiting:
            verdicts.append(Verdict(name, "waiting", waiting[name]))
        elif f"scheduler:{name}" in recorded:
            verdicts.append(_recorded(name, recorded[f"scheduler:{name}"]))
        else:
            verdicts.append(_recomputed(known[name], change))
    return verdicts


def _built(conn: sa.Connection, changeid: int) -> dict[str, list[int]]:
    sets, listed = schema.buildsets, schema.buildset_changes
    query = (
        sa.select(sets.c.scheduler, sets.c.id)
        .join(listed, listed.c.buildsetid == sets.c.id)
        .where(listed.c.changeid == changeid, sets.c.scheduler.is_not(None))
        .order_by(sets.c.id)
    )
    found: dict[str, list[int]] = {}
    for row in conn.execute(query):
        found.setdefault(row.scheduler, []).append(row.id)
    return found


def _waiting(conn: sa.Connection, changeid: int) -> dict[str, str]:
    kept, timers, known = schema.scheduler_changes, schema.scheduler_timers, schema.schedulers
    joined = kept.join(known, known.c.id == kept.c.schedulerid).outerjoin(
        timers, sa.and_(timers.c.schedulerid == kept.c.schedulerid, timers.c.timer == kept.c.timer)
    )
    query = sa.select(known.c.name, timers.c.deadline).select_from(joined).where(kept.c.changeid == changeid)
    return {
        row.name: "it waits for the next important change or the next time"
        if row.deadline is None
        else f"it waits until the tree has been stable, at {row.deadline:.0f}"
        for row in conn.execute(query)
    }


def _recorded(name: str, reason: reasons.Reason) -> Verdict:
    texts = {
        "unimportant": "fileIsImportant found it unimportant",
        "refused": f"its filter refused it: {reason.detail.get('why')}",
        "error": f"deciding on it failed: {reason.detail.get('error')}",
    }
    return Verdict(name, reason.verdict, texts.get(reason.verdict, reason.verdict))


def _recomputed(row: schedulers.SchedulerRow, change: Any) -> Verdict:
    refusal = None if row.filter is None else ChangeFilter.from_json(row.filter).declared_refusal(change)
    if refusal is not None:
        return Verdict(row.name, "refused", refusal)
    if not row.enabled:
        return Verdict(row.name, "passed over", "it is switched off")
    text = "it does not build changes, came after this one, was switched off then, or does not know its codebase"
    return Verdict(row.name, "passed over", text)
