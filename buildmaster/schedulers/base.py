"""The documented base classes of all schedulers; what they share is in :mod:`.machinery`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.sameness import same
from buildmaster.schedulers.machinery import SchedulerMachinery


class BaseScheduler(SchedulerMachinery):
    """The documented base class of schedulers that are made anew whenever their configuration changes.

    :param name: the scheduler's name
    :param builderNames: the builders it schedules for, or a renderable of their names
    :param properties: properties of its buildsets
    :param codebases: what it knows of each codebase
    :param priority: of its requests: a number, or a function of (builder names, changes by codebase)
    """

    compare_attrs: Sequence[str] = ("name", "builderNames", "properties", "codebases")

    def __init__(
        self,
        name: str,
        builderNames: Any,
        properties: Mapping[str, Any] | None = None,
        codebases: Any = None,
        priority: Any = None,
    ) -> None:
        super().__init__(name=name)
        self._check_arguments(builderNames, properties, codebases, priority)
        self._take_arguments(builderNames, properties, codebases, priority)

    def reconfigService(self, *args: Any, **kwargs: Any) -> Any:
        """A changed configuration replaces the scheduler by a new one."""
        if self.configured:
            raise NotImplementedError
        return super().reconfigService(*args, **kwargs)


class ReconfigurableBaseScheduler(SchedulerMachinery):
    """The documented base class of schedulers that take over a changed configuration while they live.

    The arguments are those of :class:`BaseScheduler`, all but ``name`` given to :meth:`checkConfig` and
    :meth:`reconfigService`.
    """

    compare_attrs: Sequence[str] = ("name", "builderNames", "properties", "codebases")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def checkConfig(
        self,
        builderNames: Any,
        properties: Mapping[str, Any] | None = None,
        codebases: Any = None,
        priority: Any = None,
    ) -> None:
        """Check the arguments and report mistakes."""
        super().checkConfig()
        self._check_arguments(builderNames, properties, codebases, priority)
        # those who read a configuration want to know the builders of schedulers that do not run
        self._take_arguments(builderNames, properties, codebases, priority)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        builderNames: Any,
        properties: Mapping[str, Any] | None = None,
        codebases: Any = None,
        priority: Any = None,
    ) -> None:
        """Take over these arguments."""
        await maybe(super().reconfigService)
        self._take_arguments(builderNames, properties, codebases, priority)

    @deferred
    async def reconfigServiceWithSibling(self, sibling: Any) -> None:
        """Take over a changed configuration; the active instance pauses meanwhile."""
        if not self.active or same(self, sibling):
            await super().reconfigServiceWithSibling(sibling)
            return
        try:
            await maybe(self.deactivate)
            await super().reconfigServiceWithSibling(sibling)
        finally:
            await self.resume()
