"""Looks at what is live now, so that it can be told why a request waits."""

from __future__ import annotations

from buildmaster.base.moves import RequestState
from buildmaster.base.records import Request
from buildmaster.process.builder import Builder
from buildmaster.process.distributor import Distributor
from buildmaster.process.waiting import LockView, Situation, WorkerView


def situation_of(request: Request, builder: Builder | None, distributor: Distributor) -> Situation:
    """What bears upon a request that nobody has yet; ``builder`` is None if this master has none for it."""
    if builder is None:
        return Situation(request, None)
    before = [one.requestid for one in distributor.pending.of(request.builderid).in_order()]
    return Situation(
        request,
        builder.name,
        held=request.state == RequestState.HELD,
        distributing=request.waited_for or not distributor.only_waited_for,
        workers=_workers(builder),
        ahead=before.index(request.requestid) if request.requestid in before else 0,
        locks=_locks(builder),
        refusal=distributor.refusals.get(request.requestid),
    )


def _workers(builder: Builder) -> list[WorkerView]:
    attached = {wfb.worker.workername: wfb for wfb in builder.workers if wfb.worker is not None}
    views = []
    for name in builder.config.workernames:
        wfb = attached.get(name)
        views.append(WorkerView(name, "not connected" if wfb is None else wfb.why_not_available()))
    return views


def _locks(builder: Builder) -> list[LockView]:
    """The builder's locks that are not free on one of its workers."""
    if not isinstance(builder.config.locks, list | tuple):
        return []
    views: dict[str, LockView] = {}
    for wfb in builder.workers:
        if wfb.worker is None:
            continue
        for lock, access in builder.lock_pairs(builder.config.locks, wfb.worker.workername):
            if not lock.isAvailable(builder, access):
                views[lock.name] = LockView(lock.name, [str(owner) for owner, _ in lock.owners])
    return list(views.values())
