"""Why a request waits, computed from what is true now; nothing of it is stored."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from buildmaster.base.records import Request


@attrs.frozen
class WorkerView:
    """One of a builder's configured workers."""

    name: str
    why_not: str | None  # why it takes no build of this builder now, in words; None if it does


@attrs.frozen
class LockView:
    """A lock that is not free."""

    name: str
    holders: Sequence[str]


@attrs.frozen
class Situation:
    """What bears upon one pending request."""

    request: Request
    builder: str | None  # None: no builder of this master
    held: bool = False  # waits for a collapse function's verdict
    distributing: bool = True  # False while the master is shutting down
    workers: Sequence[WorkerView] = ()
    ahead: int = 0  # requests of the builder that are served first
    locks: Sequence[LockView] = ()
    refusal: str | None = None  # what the user's callbacks said when they were last asked


@attrs.frozen
class Cause:
    """One reason, as a word for programs and as a sentence."""

    kind: str
    text: str


def why(situation: Situation) -> list[Cause]:
    """The reasons why a request is not being built, the most telling first."""
    if situation.builder is None:
        return [Cause("no builder", "no running master has its builder; it was removed from the configuration")]
    if situation.held:
        return [Cause("held", "the configuration's collapseRequests function has not decided about it yet")]
    if not situation.distributing:
        return [Cause("shutting down", "the master is shutting down and starts no more builds")]
    causes = _workers(situation)
    for lock in situation.locks:
        holders = ", ".join(lock.holders) or "somebody"
        causes.append(Cause("lock", f"lock {lock.name!r} is held by {holders}"))
    if situation.refusal is not None:
        causes.append(Cause("refused", situation.refusal))
    if situation.ahead:
        one = situation.ahead == 1
        text = "1 request of this builder is" if one else f"{situation.ahead} requests of this builder are"
        causes.append(Cause("behind", f"{text} served first"))
    return causes or [Cause("next", "it is about to be started")]


def _workers(situation: Situation) -> list[Cause]:
    if any(worker.why_not is None for worker in situation.workers):
        return []
    if not situation.workers:
        return [Cause("no worker", f"builder {situation.builder!r} has no workers")]
    if all(worker.why_not == "not connected" for worker in situation.workers):
        names = ", ".join(worker.name for worker in situation.workers)
        return [Cause("no worker attached", f"no worker of builder {situation.builder!r} is connected: {names}")]
    states = "; ".join(f"{worker.name} is {worker.why_not}" for worker in situation.workers)
    return [Cause("workers", f"no worker is free: {states}")]
