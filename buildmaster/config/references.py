"""What the objects of a configuration say of each other: names that must exist, locks that must agree, ports."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.interfaces import ILatentMachine, IRenderable
from buildmaster.base.showing import show
from buildmaster.base.where import Place
from buildmaster.config.places import LocatedErrors, place_of
from buildmaster.locks import BaseLockId, LockAccess
from buildmaster.net.pb import normal_port


class Configuration(Protocol):
    """What is looked at of a :class:`~buildmaster.config.master.MasterConfig`."""

    multiMaster: bool
    builders: list[Any]
    workers: list[Any]
    schedulers: dict[str, Any]
    projects: list[Any]
    codebases: list[Any]
    machines: list[Any]
    protocols: dict[str, dict[str, Any]]
    www: dict[str, Any]


class References:
    """The checks of one configuration, in the order in which they are told."""

    def __init__(self, config: Configuration, errors: LocatedErrors) -> None:
        self._config = config
        self._errors = errors
        self._builders = {builder.name for builder in config.builders}
        self._workers = {worker.name for worker in config.workers}

    def check(self) -> None:
        """Make all checks."""
        if not self._config.multiMaster:
            self._something_to_do()
        self._check_builders()
        self._check_schedulers()
        self._check_projects()
        self._check_machines()
        self._check_locks()
        self._check_ports()

    def _something_to_do(self) -> None:
        """A master by itself has workers, builders, and schedulers for all of them."""
        if not self._workers:
            self._errors.of_key("workers", "no workers are configured; give c['workers'] at least one")
        if not self._builders:
            self._errors.of_key("builders", "no builders are configured; give c['builders'] at least one")
        named = [names_of(scheduler) for scheduler in self._config.schedulers.values()]
        if any(names is None for names in named):
            return
        scheduled = {name for names in named for name in names or ()}
        for builder in self._config.builders:
            if builder.name not in scheduled:
                self._errors.of(
                    builder,
                    f"builder(s) {builder.name} have no schedulers to drive them; add it to a scheduler's builderNames",
                )

    def _check_builders(self) -> None:
        directories: dict[str, Any] = {}
        for builder in self._config.builders:
            unknown = [name for name in builder.workernames if name not in self._workers]
            if unknown and not (self._config.multiMaster and not self._workers):
                names = ", ".join(map(repr, unknown))
                self._errors.of(
                    builder,
                    f"builder {builder.name!r} uses unknown workers {names}{near(unknown[0], self._workers)}",
                )
            other = directories.setdefault(builder.builddir, builder)
            if other is not builder:
                self._errors.of(
                    builder,
                    f"duplicate builder builddir {builder.builddir!r}: builder {other.name!r} has it too"
                    f"{self._at(other)}; give one of them another",
                )

    def _check_schedulers(self) -> None:
        if self._config.multiMaster:
            return
        for name, scheduler in self._config.schedulers.items():
            for builder in names_of(scheduler) or ():
                if builder not in self._builders:
                    self._errors.of(
                        scheduler, f"Unknown builder {builder!r} in scheduler {name!r}{near(builder, self._builders)}"
                    )

    def _check_projects(self) -> None:
        projects = {project.name for project in self._config.projects}
        for builder in self._config.builders:
            if builder.project is not None and builder.project not in projects:
                self._errors.of(
                    builder,
                    f"builder {builder.name!r} uses unknown project name {builder.project!r}"
                    f"{near(builder.project, projects)}; projects are made in c['projects']",
                )
        for codebase in self._config.codebases:
            if codebase.project not in projects:
                self._errors.of(
                    codebase,
                    f"codebase {codebase.name!r} is of unknown project {codebase.project!r}"
                    f"{near(codebase.project, projects)}; projects are made in c['projects']",
                )

    def _check_machines(self) -> None:
        machines = {machine.name: machine for machine in self._config.machines}
        for worker in self._config.workers:
            name = getattr(worker, "machine_name", None)
            if name is None:
                continue
            if name not in machines:
                self._errors.of(worker, f"worker {worker.name!r} uses unknown machine {name!r}{near(name, machines)}")
            elif ILatentMachine.providedBy(machines[name]) and not hasattr(worker, "substantiate"):
                self._errors.of(
                    worker,
                    f"worker {worker.name!r} is always there, but its machine {name!r} only when it is needed; take a "
                    "latent worker, say buildbot.worker.latent.LocalLatentWorker(…)",
                )

    def _check_locks(self) -> None:
        """Locks of one name are one lock: they may not differ."""
        by_name: dict[str, tuple[BaseLockId, Any, str]] = {}
        for owner, what, given in self._lock_users():
            for lock in self._locks(owner, what, given):
                known, first, user = by_name.setdefault(lock.name, (lock, owner, what))
                if known is not lock and known != lock:
                    self._errors.of(
                        owner,
                        f"Two locks share the same name, {lock.name!r}: {what} has {lock!r}, {user}{self._at(first)} "
                        f"has {known!r}; make one lock and use it in both places, or give them different names",
                    )

    def _lock_users(self) -> Iterable[tuple[Any, str, Any]]:
        seen: set[int] = set()
        for worker in self._config.workers:
            yield worker, f"worker {worker.name!r}", worker._config_kwargs.get("locks") or ()
        for builder in self._config.builders:
            yield builder, f"builder {builder.name!r}", builder.locks
            if id(builder.factory) in seen:
                continue
            seen.add(id(builder.factory))
            for step in getattr(builder.factory, "steps", ()):
                locks = step_locks(step)
                if locks:
                    yield builder, f"step {step_name(step)} of builder {builder.name!r}", locks

    def _locks(self, owner: Any, what: str, given: Any) -> list[BaseLockId]:
        if IRenderable.providedBy(given):
            return []
        if not isinstance(given, list | tuple | set):
            self._errors.of(owner, f"{what}: locks must be a list, not {show(given)}")
            return []
        return [lock for lock in (self._lock(owner, what, one) for one in given) if lock is not None]

    def _lock(self, owner: Any, what: str, given: Any) -> BaseLockId | None:
        if isinstance(given, LockAccess):
            given = given.lockid
        if isinstance(given, BaseLockId):
            return given
        if not IRenderable.providedBy(given):
            self._errors.of(owner, f"{what}: {show(given)} in locks is no lock; write lock.access('counting')")
        return None

    def _check_ports(self) -> None:
        """No two listeners on one port, and every port one that can be listened on."""
        users: dict[str, str] = {}
        wanted = [("protocols", f"['{name}']", options) for name, options in self._config.protocols.items()]
        for key, part, options in [*wanted, ("www", "", self._config.www)]:
            what = f"c['{key}']{part}['port']"
            port = self._port(key, what, options.get("port"))
            if port is None or port.startswith("tcp:0"):
                continue
            other = users.setdefault(port, what)
            if other != what:
                self._errors.of_key(key, f"{what} and {other} are the same port, {port}; give one of them another")

    def _port(self, key: str, what: str, port: Any) -> str | None:
        if port is None:
            return None
        try:
            return normal_port(port)
        except ConfigErrors:
            self._errors.of_key(key, f"{what} is {show(port)}: it must be a number (9989) or an endpoint ('tcp:9989')")
            return None

    def _at(self, thing: Any) -> str:
        place: Place | None = place_of(thing)
        return "" if place is None else f" ({place.shown(self._errors.basedir)})"


def names_of(scheduler: Any) -> list[str] | None:
    """The builders that a scheduler names; None if they are known only when it runs."""
    names = scheduler.listBuilderNames()
    if IRenderable.providedBy(names) or not isinstance(names, list | tuple | set):
        return None
    if any(IRenderable.providedBy(name) for name in names):
        return None
    return [name for name in names if isinstance(name, str)]


def step_locks(step: Any) -> Any:
    """The locks that a step of a factory was given, else its class's."""
    kwargs: Mapping[str, Any] = getattr(step, "kwargs", {})
    return kwargs.get("locks") or getattr(getattr(step, "step_class", None), "locks", None)


def step_name(step: Any) -> str:
    """A step of a factory, for people."""
    name = getattr(step, "kwargs", {}).get("name")
    return repr(name) if isinstance(name, str) else getattr(getattr(step, "step_class", step), "__name__", repr(step))


def near(name: Any, known: Iterable[str]) -> str:
    """What was probably meant by a name that is unknown."""
    matches = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""
