"""Random histories: one seed is one exact history.

Everything random is decided here, nothing while a history is played.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs

from tests.simulation.guests import with_guests
from tests.simulation.histories import (
    Attach,
    Behave,
    BuilderSpec,
    Cancel,
    Commit,
    Drop,
    Enable,
    Event,
    Force,
    History,
    Kill,
    Order,
    Push,
    Reconfigure,
    Restart,
    SchedulerSpec,
    Setup,
    Slow,
    Stop,
    Trouble,
)

WORKERS = ("w1", "w2")
MANNERS = ("well", "well", "well", "slowly", "fails", "stalls", "floods", "lies", "doubles", "leaves", "silent", "deaf")
FILES = ("code.c", "code.c", "code.c", "README", "README", "raises.c", "slow.c", "hangs.c")
RENDERED_LOCKS = ("counting slow", "exclusive raises_first", "worker hangs_first")
PAUSES = (0.25, 0.25, 0.25, 1.0, 1.0, 1.0, 3.0, 3.0, 10.0, 10.0, 31.0, 31.0, 65.0, 65.0, 130.0)


def history(seed: int) -> History:
    """The history of a seed."""
    return with_guests(random.Random(f"guests {seed}"), _plain(random.Random(seed)))


def _plain(rng: random.Random) -> History:
    setup = _setup(rng)
    count = rng.choice((8, 12, 16, 24))
    events = [_attach(rng, name) for name, _ in setup.workers if rng.random() < 0.8]
    events += [_event(rng, setup, n) for n in range(count)]
    return History(setup, tuple(events))


def _sample(rng: random.Random, names: Sequence[str], least: int = 1) -> tuple[str, ...]:
    return tuple(sorted(rng.sample(list(names), rng.randint(least, len(names)))))


def _often(rng: random.Random, usual: str, *others: str, chance: float = 0.3) -> str:
    return rng.choice(others) if rng.random() < chance else usual


def _setup(rng: random.Random) -> Setup:
    workers = tuple((name, rng.choice((1, 2, 3))) for name in _sample(rng, WORKERS))
    names = tuple(f"b{n}" for n in range(1, rng.randint(2, 4)))
    schedulers = _schedulers(rng, names)
    triggers = [s for s in schedulers if s.kind == "triggerable"]
    targets = {b for s in triggers for b in s.builders}
    builders = []
    for name in names:
        steps = [
            _often(rng, "shell", "property", "raising_if", "slow_if", "never_if", "locked", "halting", chance=0.5)
            for _ in range(rng.randint(1, 2))
        ]
        if name not in targets:
            steps += [f"{rng.choice(('wait', 'go'))}:{s.name}" for s in triggers if rng.random() < 0.8]
        builders.append(
            BuilderSpec(
                name,
                _sample(rng, [w for w, _ in workers]),
                tuple(steps),
                _often(rng, "default", "yes", "no", "function", "deferred", "raising", "hanging", "late", chance=0.6),
                _often(rng, "none", "exclusive", "counting", "worker", *RENDERED_LOCKS),
                _often(rng, "none", "no_first", "raises_first", "slow", "hangs_first"),
                _often(rng, "none", "last", "none_first", "raises_first", "slow", "hangs_first", "late_first"),
            )
        )
    if any(step.startswith("wait:") for b in builders for step in b.steps):
        # parents that keep the last place or a lock that their children need would wait for ever
        workers = tuple((name, 20) for name, _ in workers)
        builders = [attrs.evolve(b, locks="none") for b in builders]
    prioritize = _often(rng, "none", "reverse", "raises", "drops", "slow", "hangs", "late", chance=0.2)
    return Setup(workers, tuple(builders), schedulers, prioritize, rng.random() < 0.3)


def _schedulers(rng: random.Random, names: Sequence[str]) -> tuple[SchedulerSpec, ...]:
    found = [SchedulerSpec("force", "force", tuple(names))]
    for n in range(1, rng.randint(2, 4)):
        kind = rng.choice(("any", "any", "single", "single", "periodic"))
        changes = kind in ("any", "single")
        found.append(
            SchedulerSpec(
                f"s{n}",
                kind,
                _sample(rng, names),
                rng.choice((None, 30.0, 60.0)) if changes else None,
                "main" if kind == "single" else _often(rng, "none", "main", "function"),
                _often(rng, "none", "code", chance=0.5) if changes else "none",
                rng.random() < 0.3,
                priority=_often(rng, "none", "five", "function", "raises_first" if changes else "hangs_first"),
            )
        )
    if rng.random() < 0.4 and len(names) > 1:
        found.append(SchedulerSpec("t", "triggerable", _sample(rng, names[1:])))
    upstream = [s.name for s in found if s.kind in ("any", "single")]
    if upstream and rng.random() < 0.3:
        found.append(SchedulerSpec("d", "dependent", _sample(rng, names), upstream=rng.choice(upstream)))
    return tuple(found)


def _pause(rng: random.Random) -> float:
    return rng.choice(PAUSES)


def _attach(rng: random.Random, name: str) -> Attach:
    return Attach(_pause(rng), name, rng.choice(MANNERS))


def _missing(rng: random.Random, setup: Setup) -> tuple[str, ...]:
    """Parts that are left out; a builder is left out of the schedulers' lists too, and one at least stays."""
    needed = {step.partition(":")[2] for b in setup.builders for step in b.steps} | {
        s.upstream for s in setup.schedulers
    }
    parts = [s.name for s in setup.schedulers if s.name not in needed and s.kind != "force"]
    parts += [b.name for b in setup.builders[1:]] + [w for w, _ in setup.workers[1:]]
    return tuple(sorted(p for p in parts if rng.random() < 0.3))


def _event(rng: random.Random, setup: Setup, n: int) -> Event:
    worker = rng.choice([w for w, _ in setup.workers])
    forces = [s.name for s in setup.schedulers if s.kind == "force"]
    pause = _pause(rng)
    dice = rng.random() * 100
    if dice < 34:
        branch = rng.choice(("main", "main", "main", "dev", "odd"))
        return Push(pause, f"r{n}", branch, tuple(rng.sample(FILES, rng.choice((1, 1, 1, 2)))))
    if dice < 42:
        if setup.polls and rng.random() < 0.5:
            return Commit(pause, rng.randint(1, 3))
        if forces:
            return Force(pause, rng.choice(forces), f"force{n}", rng.choice((0, 0, 5)))
        return Push(pause, f"r{n}", "main", ("code.c",))
    if dice < 45:
        return Cancel(pause, rng.randrange(100))
    if dice < 49:
        return Stop(pause, rng.randrange(100))
    if dice < 53:
        return Enable(pause, rng.choice(setup.schedulers).name, rng.random() < 0.5)
    if dice < 60:
        return _attach(rng, worker)
    if dice < 64:
        return Behave(pause, worker, rng.choice(MANNERS))
    if dice < 68:
        return Drop(pause, worker)
    if dice < 71:
        return Order(pause, worker, rng.choice(("pause", "unpause", "unpause", "stop", "kill")))
    if dice < 79:
        return Reconfigure(pause, _missing(rng, setup), rng.choice((1.0, 1.0, 2.0)))
    if dice < 82:
        return Restart(pause, rng.choice((0.0, 5.0, 100.0)), rng.choice((None, _missing(rng, setup))))
    if dice < 91:
        return Kill(pause, rng.randrange(25), rng.choice((0.0, 5.0, 100.0)))
    if dice < 96:
        return Trouble(pause, _often(rng, "locked", "broken"), rng.randint(1, 4))
    return Slow(pause, rng.choice((0.5, 3.0)), rng.randint(1, 5), rng.random() < 0.5)
