"""Following a list of the configuration: its services are started, stopped and reconfigured by name."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.configured import ConfiguredMixin
from buildmaster.service.configured import BuildbotService, told
from buildmaster.service.failures import ReconfigFailed, ServiceFailure, cause_of
from buildmaster.service.tree import AsyncMultiService, ReconfigurableServiceMixin, all_of, by_priority

log = Logger()


class BuildbotServiceManager(AsyncMultiService, ConfiguredMixin, ReconfigurableServiceMixin):
    """Keeps its children what one attribute of the configuration says, matching old and new by name.

    A service that fails is told of and left aside, the others follow all the same; :attr:`failures` holds what is
    wrong now, by name, until a reconfiguration mends it.
    """

    config_attr: str = "services"
    name: Any = "services"

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, ServiceFailure] = {}

    def getConfigDict(self) -> dict[str, Any]:
        """The children, for showing."""
        return {
            "name": self.name,
            "childs": [child.getConfigDict() for child in self if isinstance(child, ConfiguredMixin)],
        }

    def get_service_config(self, new_config: Any) -> Mapping[str, Any]:
        """The services that a configuration wants here, by name."""
        wanted = getattr(new_config, self.config_attr)
        return wanted if isinstance(wanted, Mapping) else {service.name: service for service in wanted}

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Make the children what the new configuration wants.

        First services that went are stopped, then new ones started and the others reconfigured, built-in ones before
        those of the user, by falling ``reconfig_priority``.  Failures are raised together at the end.
        """
        wanted = self.get_service_config(new_config)
        live = {child.name: child for child in self if isinstance(child, BuildbotService)}
        self.failures = {}
        replaced = {name for name, child in live.items() if name in wanted and not self._can_keep(child, wanted[name])}
        await self._each([child for name, child in live.items() if name not in wanted or name in replaced], self._stop)
        for group in in_turns(wanted.values()):
            keep = [one for one in group if one.name in live and one.name not in replaced]
            fresh = [one for one in group if one.name not in live or one.name in replaced]
            await self._each(keep, functools.partial(self._follow, live))
            await self._each(fresh, functools.partial(self._start, live))
        await self._tell_children(new_config)
        if self.failures:
            raise ReconfigFailed(self.failures.values())

    @staticmethod
    def _can_keep(child: BuildbotService, sibling: BuildbotService) -> bool:
        return child is sibling or child.canReconfigWithSibling(sibling)

    async def _each(self, services: Iterable[Any], action: Callable[[Any], Any]) -> None:
        await all_of([functools.partial(self._guarded, action, one) for one in services])

    def _guarded(self, action: Callable[[Any], Any], one: Any) -> Any:
        return as_deferred(action(one))

    async def _stop(self, child: BuildbotService) -> None:
        try:
            await child.disownServiceParent()
        except Exception as error:  # policy: it is no child any more; told at the end
            self._failed(child, "stopped", error, "it was given up and may still hold what it had")

    async def _start(self, live: Mapping[str, BuildbotService], fresh: BuildbotService) -> None:
        if fresh.name in live:
            fresh.objectid = live[fresh.name].objectid
        try:
            await fresh.setServiceParent(self)
        except Exception as error:  # policy: it alone does not run; told at the end
            self._failed(fresh, "started", error, "it does not run; mend the cause and reconfigure")
            await self._give_up(fresh)

    async def _give_up(self, child: BuildbotService) -> None:
        if child.parent is not self:
            return
        try:
            await child.disownServiceParent()
        except Exception:  # policy: it never ran; what it says when it is stopped is only of use in the log
            log.failure("service {name}, which could not start, could not be stopped either", name=child.name)

    async def _follow(self, live: Mapping[str, BuildbotService], sibling: BuildbotService) -> None:
        child = live[sibling.name]
        try:
            await as_deferred(child.reconfigServiceWithSibling(sibling))
        except NotImplementedError:
            await self._stop(child)
            await self._start(live, sibling)
        except Exception as error:  # policy: it alone keeps its old arguments or is failed; told at the end
            self._add(told(child, error))

    async def _tell_children(self, new_config: Any) -> None:
        for child in by_priority(self):
            try:
                await maybe(child.reconfigServiceWithBuildbotConfig, new_config)
            except Exception as error:  # policy: told at the end, the other services go on
                log.failure("service {name} could not follow the new configuration", name=child.name)
                self._add(told(child, error))

    def _failed(self, child: BuildbotService, doing: str, error: Exception, outcome: str) -> None:
        log.failure("service {name} could not be {doing}", name=child.name, doing=doing)
        self._add([ServiceFailure(str(child.name), type(child).__name__, doing, cause_of(error), outcome)])

    def _add(self, failures: Iterable[ServiceFailure]) -> None:
        self.failures.update((failure.name, failure) for failure in failures)


def in_turns(services: Iterable[Any]) -> list[list[Any]]:
    """Services in the groups that are changed together: built-in before the user's, by falling priority."""

    def turn(one: Any) -> tuple[bool, int]:
        return (not type(one).__module__.startswith("buildmaster."), -one.reconfig_priority)

    return [list(group) for _, group in itertools.groupby(sorted(services, key=turn), key=turn)]
