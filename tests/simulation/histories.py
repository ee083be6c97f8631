"""What can happen to a master, as plain records.

Records print as the code that makes them, so that a failing history can be pasted into a test.  Random ones are made
in :mod:`.chance`.
"""

from __future__ import annotations

import attrs

# -- what is configured ------------------------------------------------------------------------------------------------


@attrs.frozen
class BuilderSpec:
    """A builder; steps and callbacks are named, :mod:`.configuration` knows the names."""

    name: str
    workers: tuple[str, ...]
    steps: tuple[str, ...] = ("shell",)
    collapse: str = "default"
    locks: str = "none"
    can_start: str = "none"
    next_build: str = "none"


@attrs.frozen
class SchedulerSpec:
    """A scheduler; ``upstream`` is another one's name for the kind ``dependent``."""

    name: str
    kind: str  # any, single, force, triggerable, periodic, nightly, dependent, try
    builders: tuple[str, ...]
    timer: float | None = None
    filter: str = "none"  # none, main, function
    important: str = "none"  # none, code
    only_important: bool = False
    upstream: str = ""
    priority: str = "none"  # none, five, function


@attrs.frozen
class LatentSpec:
    """A latent worker; its ``n``-th start and stop go as these words say, then from the beginning again."""

    name: str
    max_builds: int
    wait: float  # build_wait_timeout
    starts: tuple[str, ...]
    stops: tuple[str, ...]
    recovers: bool = False  # whether the class has recover_instance
    manner: str = "well"
    choosy: str = "none"  # whether an instance suits only the builder that it was started for; how it says so


@attrs.frozen
class Setup:
    """A configuration from which parts may be missing at times: by their names, and ``hooks`` and ``git``."""

    workers: tuple[tuple[str, int], ...]  # name and max_builds
    builders: tuple[BuilderSpec, ...]
    schedulers: tuple[SchedulerSpec, ...]
    prioritize: str = "none"
    polls: bool = False
    latent: tuple[LatentSpec, ...] = ()
    hooks: bool = False  # web hooks are switched on
    git: bool = False  # a repository is polled


# -- what happens ------------------------------------------------------------------------------------------------------


@attrs.frozen
class Event:
    """Something that happens ``after`` so many seconds."""

    after: float


@attrs.frozen
class Push(Event):
    """A client sends a change."""

    revision: str
    branch: str
    files: tuple[str, ...]


@attrs.frozen
class Commit(Event):
    """Somebody adds revisions to what is polled."""

    count: int


@attrs.frozen
class Force(Event):
    """Somebody presses the button of a scheduler."""

    scheduler: str
    token: str
    priority: int


@attrs.frozen
class Hook(Event):
    """A service posts changes to a web hook, again and again until they are taken."""

    dialect: str  # github, base
    delivery: str
    revisions: tuple[str, ...]
    branch: str
    file: str


@attrs.frozen
class Try(Event):
    """A developer hands in a patch; ``builders``: by name, or all."""

    scheduler: str
    token: str
    builders: tuple[str, ...]


@attrs.frozen
class GitPush(Event):
    """``count`` commits are pushed to a branch of the polled repository; ``how``: push, rewrite, merge, delete."""

    branch: str
    count: int
    how: str


@attrs.frozen
class Remote(Event):
    """What is polled behaves in this way from now on: well, slow, hangs, raises."""

    manner: str


@attrs.frozen
class Cancel(Event):
    """Somebody cancels the open request that is ``nth`` modulo their number."""

    nth: int


@attrs.frozen
class Stop(Event):
    """Somebody stops the running build that is ``nth`` modulo their number."""

    nth: int


@attrs.frozen
class Enable(Event):
    """Somebody switches a scheduler on or off."""

    scheduler: str
    on: bool


@attrs.frozen
class Attach(Event):
    """A worker connects, behaving in this way from now on."""

    worker: str
    manner: str


@attrs.frozen
class Behave(Event):
    """A worker behaves differently from now on."""

    worker: str
    manner: str


@attrs.frozen
class Drop(Event):
    """A worker's connection is lost."""

    worker: str


@attrs.frozen
class Order(Event):
    """Somebody gives a worker an order: pause, unpause, stop or kill."""

    worker: str
    order: str


@attrs.frozen
class Reconfigure(Event):
    """The configuration changes: these parts are missing from now on; timers are multiplied."""

    missing: tuple[str, ...]
    timers: float


@attrs.frozen
class Restart(Event):
    """The master is stopped in order and started again, perhaps with another configuration."""

    down: float
    missing: tuple[str, ...] | None


@attrs.frozen
class Kill(Event):
    """The master is killed at the ``signal``-th signal of its database from now on (0: at once)."""

    signal: int
    down: float


@attrs.frozen
class Trouble(Event):
    """The database refuses the next ``count`` commits: ``locked`` for a moment, or ``broken`` (they fail)."""

    kind: str
    count: int


@attrs.frozen
class Slow(Event):
    """The next ``count`` transactions take ``seconds`` each; ``late``: before they are run, else before the answer."""

    seconds: float
    count: int
    late: bool


@attrs.frozen
class History:
    """A configuration and what happens to it."""

    setup: Setup
    events: tuple[Event, ...]
