"""What the workers in clouds share: libraries that may be missing, calls that block, waiting for a state."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from buildmaster.base.aio import DeadlineExceeded, as_deferred, sleep, with_deadline
from buildmaster.base.errors import error
from buildmaster.base.interfaces import LatentWorkerFailedToSubstantiate
from buildmaster.properties import Properties, rendering_of

CALL_DEADLINE = 180.0
"""Seconds that one question to a cloud may take; the libraries' own limits are shorter."""

STOP_LIMIT = 600.0
"""Seconds that an instance may take for ending; then it is reported as left over."""


def check_library(place: str, cls: type, module: str, extra: str, package: str = "") -> None:
    """Report it if the library that a class of workers needs is not installed."""
    if importlib.util.find_spec(module) is None:
        name = package or module
        error(f"{place}: {cls.__name__} needs the package '{name}': pip install 'buildmaster-ci[{extra}]'")


def bound(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, with defaults filled in; those of ``**kwargs`` stand under ``"kwargs"``."""
    found = inspect.signature(function).bind(*args, **kwargs)
    found.apply_defaults()
    return dict(found.arguments)


def properties_of(build: Any) -> Any:
    """The properties of a build, of what is already properties, or of no build."""
    if build is None:
        return Properties()
    return build.getProperties() if hasattr(build, "getProperties") else build


async def rendered(values: Mapping[str, Any], build: Any) -> dict[str, Any]:
    """These values with the properties of a build filled in."""
    props = properties_of(build)
    return {name: await as_deferred(rendering_of(value, props)) for name, value in values.items()}


def own_name(worker: Any) -> str:
    """A name for an instance, the same for each one of this worker on this master: letters, digits and hyphens."""
    master = hashlib.sha256(f"{worker.master.name}:{worker.master.masterid}".encode()).hexdigest()[:6]
    name = re.sub(r"[^a-z0-9-]+", "-", worker.workername.lower()).strip("-") or "worker"
    if name != worker.workername:
        name += "-" + hashlib.sha256(worker.workername.encode()).hexdigest()[:4]
    return f"buildmaster-{name[:40].strip('-')}-{master}"


class Start:
    """One start of an instance; it may be given up while a thread is at it."""

    def __init__(self, place: str = "") -> None:
        self.token = secrets.token_hex(16)
        """Tells the instance from all others, also before it has an id."""
        self.place = place
        """Where it is started: the configuration may change meanwhile."""
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """It is not wanted any more: whoever makes it removes it again."""
        self._given_up.set()

    @property
    def given_up(self) -> bool:
        """Whether it is not wanted any more."""
        return self._given_up.is_set()

    def check(self, name: str) -> None:
        """Raise LatentWorkerFailedToSubstantiate if it is not wanted any more."""
        if self.given_up:
            raise LatentWorkerFailedToSubstantiate(f"worker {name!r}: the start of its instance was given up")


async def ask(worker: Any, what: str, function: Callable[..., Any], *args: Any) -> Any:
    """The answer of a call that blocks, made in a thread; raises DeadlineExceeded after :data:`CALL_DEADLINE`."""
    going = worker.master.in_thread(function, *args)
    return await with_deadline(going, CALL_DEADLINE, worker.master.reactor, f"worker {worker.workername!r}: {what}")


async def until(
    worker: Any, what: str, question: Callable[[], Any], interval: float, limit: float | None = None
) -> Any:
    """Await ``question()`` every ``interval`` seconds until its answer is not None, and return that.

    Raises DeadlineExceeded after ``limit`` seconds; without one the start's own deadline (``missing_timeout``) ends it.
    """
    clock = worker.master.reactor
    end = None if limit is None else clock.seconds() + limit
    while True:
        answer = await question()
        if answer is not None:
            return answer
        if end is not None and clock.seconds() >= end:
            raise DeadlineExceeded(f"worker {worker.workername!r}: {what} took more than {limit:g} s")
        await sleep(clock, interval)
