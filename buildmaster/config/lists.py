"""The keys of a configuration that hold objects: each list checked item by item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from buildmaster.base.sameness import same
from buildmaster.base.showing import show
from buildmaster.config.builder import BuilderConfig
from buildmaster.config.places import LocatedErrors, place_of
from buildmaster.config.retired import mend_of
from buildmaster.process.codebase import Codebase
from buildmaster.process.project import Project
from buildmaster.service import AsyncMultiService, BuildbotService

RESERVED_WORKER_NAMES = ("debug", "change", "status")
"""User names that other clients of the worker port log in with."""

Accept = Callable[[Any], bool]


class Lists:
    """Reads the lists of one configuration, reporting to ``errors``."""

    def __init__(self, config_dict: Mapping[str, Any], errors: LocatedErrors) -> None:
        self._config = config_dict
        self._errors = errors

    def builders(self) -> list[BuilderConfig]:
        """``c['builders']``: builder configurations, or dictionaries of their arguments."""
        found = []
        for item in self._items("builders"):
            if isinstance(item, Mapping):
                item = self._builder_of(item)
            if isinstance(item, BuilderConfig):
                found.append(item)
            elif item is not None:
                self._wrong("builders", item, "a util.BuilderConfig(…)")
        return self._unique("builder", found)

    def _builder_of(self, arguments: Mapping[str, Any]) -> BuilderConfig | None:
        try:
            return BuilderConfig(**arguments)
        except TypeError as wrong:
            mend = mend_of(wrong)
            words = f"{wrong}; {mend}" if mend else str(wrong)
            self._errors.of_key("builders", f"a builder given as a dictionary has wrong keys: {words}")
            return None

    def workers(self) -> list[Any]:
        """``c['workers']``."""
        found = []
        for worker in self._services("workers", "a worker.Worker(…)", "canStartBuild"):
            if worker.name in RESERVED_WORKER_NAMES:
                self._errors.of(worker, f"worker name {worker.name!r} is reserved; give it another")
            else:
                found.append(worker)
        return self._unique("worker", found)

    def schedulers(self) -> dict[str, Any]:
        """``c['schedulers']``, by name."""
        found = self._services("schedulers", "a scheduler, say schedulers.SingleBranchScheduler(…)", "listBuilderNames")
        return {one.name: one for one in self._unique("scheduler", found)}

    def change_sources(self) -> list[Any]:
        """``c['change_source']``: one, or a list.  Sources that are the same in everything count once."""
        value = self._config.get("change_source", [])
        items = [value] if isinstance(value, BuildbotService) else self._items("change_source")
        found: dict[str, Any] = {}
        for source in self._of_kind("change_source", items, "a change source, say changes.GitPoller(…)"):
            other = found.setdefault(source.name, source)
            if other is not source and not same(other, source):
                self._twice("change source", other, source)
        return list(found.values())

    def services(self) -> dict[str, Any]:
        """``c['services']``, by name."""
        found = self._services("services", "a reporter or another util.service.BuildbotService")
        return {one.name: one for one in self._unique("service", found)}

    def secrets_providers(self) -> list[Any]:
        """``c['secretsProviders']``."""
        found = self._services("secretsProviders", "a secrets provider, say secrets.SecretInAFile(…)", "get")
        count: Counter[str] = Counter()
        for one in found:
            if one.name == type(one).name:  # the user gave none: SecretInAFile, SecretInAFile-2 …
                count[one.name] += 1
                one.name = one.name if count[one.name] == 1 else f"{one.name}-{count[one.name]}"
        return self._unique("secrets provider", found)

    def machines(self) -> list[Any]:
        """``c['machines']``."""
        return self._unique(
            "machine",
            self._services(
                "machines", "a machine, say buildbot.machine.generic.GenericLatentMachine(…)", "registerWorker"
            ),
        )

    def projects(self) -> list[Project]:
        """``c['projects']``."""
        return self._unique("project", self._instances("projects", Project, "a util.Project(…)"))

    def codebases(self) -> list[Codebase]:
        """``c['codebases']``; two projects may have codebases of one name."""
        found = self._instances("codebases", Codebase, "a util.Codebase(…)")
        seen: dict[tuple[str, str], Codebase] = {}
        for codebase in found:
            other = seen.setdefault((codebase.project, codebase.name), codebase)
            if other is not codebase:
                self._twice(f"project {codebase.project!r}: codebase", other, codebase)
        return found

    def user_managers(self) -> list[Any]:
        """``c['user_managers']``."""
        found = []
        for item in self._items("user_managers"):
            if isinstance(item, AsyncMultiService):
                found.append(item)
            else:
                self._wrong("user_managers", item, "a util.CommandlineUserManager(…)")
        return found

    def _items(self, key: str) -> list[Any]:
        value = self._config.get(key, [])
        if value is None or isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            self._errors.of_key(key, f"c['{key}'] must be a list, not {show(value)}")
            return []
        return list(value)

    def _services(self, key: str, what: str, method: str | None = None) -> list[Any]:
        return self._of_kind(key, self._items(key), what, method)

    def _of_kind(self, key: str, items: Iterable[Any], what: str, method: str | None = None) -> list[Any]:
        found = []
        for item in items:
            if isinstance(item, BuildbotService) and (method is None or hasattr(item, method)):
                if item.name is not None:  # else its constructor has reported that
                    found.append(item)
            else:
                self._wrong(key, item, what)
        return found

    def _instances(self, key: str, kind: type, what: str) -> list[Any]:
        found = []
        for item in self._items(key):
            if isinstance(item, kind):
                found.append(item)
            else:
                self._wrong(key, item, what)
        return found

    def _wrong(self, key: str, item: Any, what: str) -> None:
        mend = f"; it is the class: call it, {item.__name__}(…)" if isinstance(item, type) else ""
        message = f"c['{key}'] holds {show(item)}, which is not {what}{mend}"
        self._errors.at(place_of(item) or self._errors.key_place(key), message)

    def _unique(self, what: str, found: list[Any]) -> list[Any]:
        """The items, of each name the first; the others are reported."""
        by_name: dict[str, Any] = {}
        for one in found:
            if one.name in by_name:
                self._twice(what, by_name[one.name], one)
            else:
                by_name[one.name] = one
        return list(by_name.values())

    def _twice(self, what: str, first: Any, second: Any) -> None:
        place = place_of(first)
        where = "" if place is None else f": the first is at {place.shown(self._errors.basedir)}"
        self._errors.of(second, f"duplicate {what} name {second.name!r}{where}; give one of them another name")
