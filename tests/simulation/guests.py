"""Random guests of a history: web hooks, patches of developers, a git repository, latent workers, a Nightly scheduler.

They take the place of events of the history, so that it becomes no longer.
"""

from __future__ import annotations

import random

import attrs

from tests.simulation.histories import (
    BuilderSpec,
    Drop,
    Enable,
    Event,
    Force,
    GitPush,
    History,
    Hook,
    Kill,
    LatentSpec,
    Order,
    Push,
    Reconfigure,
    Remote,
    Restart,
    SchedulerSpec,
    Setup,
    Slow,
    Trouble,
    Try,
)

STARTS = ("well", "well", "slow", "early", "comes_later", "dies", "stays_away", "sick", "fails", "cannot", "says_no")
BAD_STARTS = ("raises", "hangs")
STOPS = ("well", "well", "well", "slow", "fails", "hangs")
GUESTS = {"hooks": 0.2, "git": 0.15, "try": 0.2, "latent": 0.25, "nightly": 0.1}
"""How many of the histories have each."""

KEPT = (Kill, Restart, Trouble, Slow, Reconfigure)
"""Events that stay in their places: what makes the others hard."""


def with_guests(rng: random.Random, plain: History) -> History:
    """A history with some guests, or with none."""
    guests = [name for name, chance in GUESTS.items() if rng.random() < chance]
    if not guests:
        return plain
    setup = _setup(rng, plain.setup, guests)
    speaking = [name for name in guests if name != "nightly"]
    events: list[Event] = []
    for n, event in enumerate(plain.events):
        if isinstance(event, Reconfigure | Restart) and event.missing is not None:
            event = attrs.evolve(event, missing=tuple(sorted({*event.missing, *_missing(rng, setup)})))
        elif speaking and not isinstance(event, KEPT) and rng.random() < 0.35:
            event = _event(rng, setup, rng.choice(speaking), n, event.after)
            if isinstance(event, Hook | Try) and rng.random() < 0.15:
                events.append(Trouble(event.after, rng.choice(("locked", "broken", "broken")), rng.randint(1, 2)))
                event = attrs.evolve(event, after=0.0)
        events.append(event)
    return attrs.evolve(plain, setup=setup, events=tuple(events))


def _setup(rng: random.Random, setup: Setup, guests: list[str]) -> Setup:
    names = [builder.name for builder in setup.builders]
    schedulers = list(setup.schedulers)
    if "try" in guests:
        schedulers.append(SchedulerSpec("try", "try", tuple(sorted(rng.sample(names, rng.randint(1, len(names)))))))
    if "nightly" in guests:
        important = rng.choice(("none", "code"))
        schedulers.append(SchedulerSpec("n", "nightly", (rng.choice(names),), important=important))
    setup = attrs.evolve(setup, schedulers=tuple(schedulers), hooks="hooks" in guests, git="git" in guests)
    return _with_latent(rng, setup) if "latent" in guests else setup


def _with_latent(rng: random.Random, setup: Setup) -> Setup:
    waits = any(step.startswith("wait:") for builder in setup.builders for step in builder.steps)
    starts = tuple(rng.choice(STARTS) for _ in range(rng.randint(1, 3)))
    if rng.random() < 0.4:
        starts = (*starts, rng.choice(BAD_STARTS))
    latent = LatentSpec(
        "l1",
        20 if waits else rng.choice((1, 2)),
        rng.choice((0, 0, 20, 60, -1)),
        starts,
        tuple(rng.choice(STOPS) for _ in range(rng.randint(1, 3))),
        rng.random() < 0.5,
        rng.choice(("well", "well", "well", "slowly", "fails", "leaves", "stalls")),
        "none" if waits or rng.random() < 0.6 else rng.choice(("well", "late", "raises_first", "hangs_first")),
    )
    builders = tuple(_on(rng, latent.name, builder) for builder in setup.builders)
    return attrs.evolve(setup, latent=(latent,), builders=builders)


def _on(rng: random.Random, name: str, builder: BuilderSpec) -> BuilderSpec:
    dice = rng.random()
    if dice < 0.5:
        return attrs.evolve(builder, workers=(name,))
    return attrs.evolve(builder, workers=(*builder.workers, name)) if dice < 0.8 else builder


def _missing(rng: random.Random, setup: Setup) -> list[str]:
    parts = [spec.name for spec in setup.latent] + [s.name for s in setup.schedulers if s.kind in ("try", "nightly")]
    parts += ["hooks"] * setup.hooks + ["git"] * setup.git
    return [part for part in parts if rng.random() < 0.2]


def _event(rng: random.Random, setup: Setup, guest: str, n: int, after: float) -> Event:
    if guest == "hooks":
        return _hook(rng, n, after)
    if guest == "git":
        if rng.random() < 0.25:
            return Remote(after, rng.choice(("well", "well", "slow", "slow", "hangs", "raises")))
        how = rng.choice(("push", "push", "push", "push", "merge", "rewrite", "delete"))
        return GitPush(after, rng.choice(("main", "main", "dev")), rng.choice((1, 1, 2)), how)
    if guest == "try":
        builders = next(spec.builders for spec in setup.schedulers if spec.kind == "try")
        if rng.random() < 0.1:
            return Enable(after, "try", rng.random() < 0.5)
        return Try(after, "try", f"try{n}", () if rng.random() < 0.6 else (rng.choice(builders),))
    dice = rng.random()
    if dice < 0.15:
        return Drop(after, "l1")
    if dice < 0.3:
        return Order(after, "l1", rng.choice(("pause", "unpause", "stop", "kill")))
    if dice < 0.6:
        return Push(after, f"g{n}", "main", ("code.c",))
    return Force(after, "force", f"gforce{n}", 0)


def _hook(rng: random.Random, n: int, after: float) -> Hook:
    branch, file = rng.choice(("main", "main", "dev")), rng.choice(("code.c", "code.c", "README", "slow.c"))
    if rng.random() < 0.3:
        return Hook(after, "base", f"d{n}", (f"h{n}",), branch, file)
    return Hook(after, "github", f"d{n}", tuple(f"h{n}.{k}" for k in range(rng.choice((1, 1, 2)))), branch, file)
