"""What a configuration says about a worker: checked when it is made, taken over at each reconfiguration."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import ConfigErrors
from buildmaster.properties import Properties
from buildmaster.service import BuildbotService
from buildmaster.worker import options
from buildmaster.worker.identity import Identity


class DescribedWorker(Identity, BuildbotService):
    """Base of the worker classes: their documented arguments, and what these are once they are checked."""

    DEFAULT_MISSING_TIMEOUT = 3600
    DEFAULT_KEEPALIVE_INTERVAL = 3600

    machine: Any = None
    """The machine of the configuration that hosts it."""
    missing_timeout: float | None = None
    keepalive_interval: float = 0

    @property
    def workername(self) -> str:
        """The name."""
        return self.name

    def checkConfig(
        self,
        name: str,
        password: Any,
        max_builds: int | None = None,
        notify_on_missing: str | list[str] | None = None,
        missing_timeout: float | None = None,
        properties: dict[str, Any] | None = None,
        defaultProperties: dict[str, Any] | None = None,
        locks: list[Any] | None = None,
        keepalive_interval: float | None = DEFAULT_KEEPALIVE_INTERVAL,
        machine_name: str | None = None,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        self.name = options.check_name(type(self).__name__, name)
        place = f"worker {self.name!r}"
        options.check_password(place, password)
        options.check_number(place, "max_builds", max_builds)
        options.check_number(place, "missing_timeout", missing_timeout)
        options.check_number(place, "keepalive_interval", keepalive_interval)
        options.check_properties(place, "properties", properties)
        options.check_properties(place, "defaultProperties", defaultProperties)
        self.password = password
        self.max_builds = max_builds
        self.notify_on_missing = options.addresses(place, notify_on_missing)
        self.access = options.accesses(place, locks)
        self.machine_name = machine_name
        self._take_properties(properties, defaultProperties)

    def _take_properties(self, properties: Any, defaults: Any) -> None:
        """Known as soon as the worker is made: configurations sort their workers by them."""
        self.properties = Properties()
        self.properties.update(properties if isinstance(properties, dict) else {}, "Worker")
        self.properties.setProperty("workername", self.workername, "Worker")
        self.defaultProperties = Properties()
        self.defaultProperties.update(defaults if isinstance(defaults, dict) else {}, "Worker")

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        name: str,
        password: Any,
        max_builds: int | None = None,
        notify_on_missing: str | list[str] | None = None,
        missing_timeout: float | None = DEFAULT_MISSING_TIMEOUT,
        properties: dict[str, Any] | None = None,
        defaultProperties: dict[str, Any] | None = None,
        locks: list[Any] | None = None,
        keepalive_interval: float | None = DEFAULT_KEEPALIVE_INTERVAL,
        machine_name: str | None = None,
    ) -> None:
        """Take these arguments over; a worker that is connected stays so."""
        place = f"worker {self.name!r}"
        missed = (self.notify_on_missing, self.missing_timeout)
        self.password = await self.renderSecrets(password)
        self.max_builds = max_builds
        self.notify_on_missing = options.addresses(place, notify_on_missing)
        self.missing_timeout = self.DEFAULT_MISSING_TIMEOUT if missing_timeout is None else missing_timeout
        self._take_properties(properties, defaultProperties)
        self.access = options.accesses(place, locks)
        self.keepalive_interval = keepalive_interval or 0
        await self._follow_machine(machine_name)
        await self._description_changed(missed != (self.notify_on_missing, self.missing_timeout))

    async def _description_changed(self, others_miss_it: bool) -> None:
        """What lives has to follow; ``others_miss_it``: others are to be told of its absence, or after another time."""

    async def _follow_machine(self, machine_name: str | None) -> None:
        if machine_name == getattr(self.machine, "name", None):
            return
        if self.machine is not None:
            self.machine.unregisterWorker(self)
            self.machine = None
        self.machine_name = machine_name
        if machine_name is not None:
            self.machine = self.master.machine_manager.getMachineByName(machine_name)
            if self.machine is None:
                raise ConfigErrors(
                    [f"worker {self.name!r}: there is no machine {machine_name!r} in c['machines']; add it there"]
                )
            self.machine.registerWorker(self)

    def setupProperties(self, props: Properties) -> None:
        """Set this worker's properties on those of a build."""
        for name, (value, source) in self.properties.properties.items():
            props.setProperty(name, value, source)
        for name, (value, source) in self.defaultProperties.properties.items():
            if name not in props:
                props.setProperty(name, value, source)
        if self.worker_basedir is not None:
            props.setProperty("basedir", self.worker_basedir, "Worker")
