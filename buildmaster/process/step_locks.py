"""From the locks that are configured to those of one worker."""

from __future__ import annotations

from typing import Any

from buildmaster.locks import LockPair, LockSet


def resolve_locks(build: Any, wanted: Any) -> list[LockPair]:
    """The counters behind locks or accesses, on the build's worker; pairs that are resolved already stay."""
    wanted = list(wanted or ())
    if wanted and isinstance(wanted[0], tuple):
        return wanted
    config = build.master.config
    return build.master.locks.resolve(wanted, build.getWorkerName(), getattr(config, "generation", 0))


def step_locks(step: Any, wanted: Any) -> LockSet:
    """The locks of a step.  Raises RuntimeError for one that its build holds: it would wait for itself for ever."""
    pairs = resolve_locks(step.build, wanted)
    held = {id(lock) for lock, _ in getattr(step.build.lock_set, "pairs", ())}
    for lock, _ in pairs:
        if id(lock) in held:
            raise RuntimeError(
                f"step {step.name!r} wants {lock.description}, which its build holds; name it in one of the two only"
            )
    return LockSet(step, pairs)
