"""Services in a tree whose starting and stopping take time.

Twisted's services with three differences: what ``startService`` and ``stopService`` do may be awaited, and a parent's
is done when its children's are; an error in stopping is not swallowed; every service knows the master at the root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from twisted.application import service
from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.properties import Properties
from buildmaster.service.failures import ReconfigFailed, ServiceFailure, cause_of

log = Logger()


async def all_of(calls: Iterable[Callable[[], Any]]) -> None:
    """Make these calls at once and wait for all of them; then raise the first error, having logged the others."""
    started = [as_deferred(defer.maybeDeferred(call)) for call in calls]
    results = await defer.DeferredList(started, consumeErrors=True)
    failures = [result for succeeded, result in results if not succeeded]
    for failure in failures[1:]:
        log.failure("another service failed as well", failure=failure)
    if failures:
        failures[0].raiseException()


class AsyncService(service.Service):
    """A service whose ``setServiceParent`` and ``disownServiceParent`` return Deferreds.

    They fire when the service has started (if the parent runs already) or stopped.
    """

    @deferred
    async def setServiceParent(self, parent: Any) -> None:
        """Make this a child of ``parent``, leaving the parent that it has."""
        if self.parent is not None:
            await self.disownServiceParent()
        collection: Any = service.IServiceCollection(parent, parent)
        self.parent = collection
        await as_deferred(collection.addService(self))

    @deferred
    async def disownServiceParent(self) -> None:
        """Leave the parent; fires when this service has stopped, until when it still has its master."""
        parent: Any = self.parent
        try:
            await as_deferred(parent.removeService(self))
        finally:
            if self.parent is parent:
                self.parent = None

    @property
    def master(self) -> Any:
        """The :class:`~buildmaster.master.BuildMaster` at the root of the tree; None while outside of it."""
        return None if self.parent is None else self.parent.master


class AsyncMultiService(AsyncService, service.MultiService):
    """A service with children, which start and stop with it."""

    services: list[Any]
    namedServices: dict[str, Any]

    def startService(self) -> defer.Deferred[Any]:
        """Start this service and its children; fires when all have started, with the first error if any failed."""
        service.Service.startService(self)
        return as_deferred(all_of([child.startService for child in list(self)]))

    @deferred
    async def stopService(self) -> None:
        """Stop this service and its children, the last added first; fires when all have stopped.

        Shared services are stopped after all others, because those may still be using them.
        """
        service.Service.stopService(self)
        children = list(self)[::-1]
        error: Exception | None = None
        for group in (
            [child for child in children if not isinstance(child, SharedService)],
            [child for child in children if isinstance(child, SharedService)],
        ):
            try:
                await all_of([child.stopService for child in group])
            except Exception as raised:  # policy: the rest is stopped all the same, then the first error is raised
                error = error or raised
        if error is not None:
            raise error

    def addService(self, service: Any) -> Any:
        """Take a child, whose name no other child may have; starts it if this service runs.

        Returns a Deferred that fires when the child has started.
        """
        if service.name is not None:
            if service.name in self.namedServices:
                raise RuntimeError(f"cannot have two services with same name {service.name!r}")
            self.namedServices[service.name] = service
        self.services.append(service)
        if self.running:
            return as_deferred(defer.maybeDeferred(service.startService))
        return defer.succeed(None)

    def removeService(self, service: Any) -> Any:
        """Let a child go; a Deferred that fires when it has stopped."""
        name = service.name
        if name and self.namedServices.get(name) is service:
            del self.namedServices[name]
        self.services.remove(service)
        if self.running:
            return as_deferred(defer.maybeDeferred(service.stopService))
        return defer.succeed(None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.services)


class NamedServices(dict[str, Any]):
    """A master's children by name, and below them the user's own services.

    The documented ``master.namedServices["mine"]`` means a service of the configuration's ``services`` list.
    """

    def __missing__(self, name: str) -> Any:
        return dict.__getitem__(self, "services").namedServices[name] if "services" in self.keys() else self._none(name)

    @staticmethod
    def _none(name: str) -> Any:
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The service of this name, or ``default``."""
        try:
            return self[name]
        except KeyError:
            return default


class MasterService(AsyncMultiService):
    """The root of the tree: it is the master."""

    def __init__(self) -> None:
        super().__init__()
        self.namedServices = NamedServices()

    @property
    def master(self) -> Any:
        """Itself."""
        return self

    @deferred
    async def get_db_config(self, new_config: Any) -> Any:
        """The database's configuration with what it takes from secrets filled in."""
        properties = Properties()
        properties.master = self
        return await properties.render(new_config.db)


class IndependentAsyncMultiService(AsyncMultiService):
    """A service that is no child of the master but belongs to one."""

    _master: Any = None

    @property
    def master(self) -> Any:
        """The master that was set."""
        return self._master

    def set_master(self, master: Any) -> None:
        """Tell it the master to which it belongs."""
        self._master = master


class SharedService(AsyncMultiService):
    """A service that is there once for all who ask for it with the same arguments.

    It is made by :meth:`getService`, lives as long as its parent, and is not reconfigured.
    """

    @classmethod
    def getName(cls, *args: Any, **kwargs: Any) -> str:
        """The name that stands for these arguments."""
        arguments = repr((args, sorted(kwargs.items())))
        return f"{cls.__name__}_{hashlib.sha256(arguments.encode()).hexdigest()[:32]}"

    @classmethod
    @deferred
    async def getService(cls, parentService: Any, *args: Any, **kwargs: Any) -> Any:
        """The service for these arguments below ``parentService`` (usually the master), made if need be.

        Fires when it has started; a service that fails to start is forgotten, so that the next call tries again.
        """
        name = cls.getName(*args, **kwargs)
        found = parentService.namedServices.get(name)
        if found is not None:
            await found._started()
            return found
        made = cls(*args, **kwargs)
        made.setName(name)
        await made._start_below(parentService)
        return made

    _starting: list[defer.Deferred[None]] | None = None

    def _started(self) -> defer.Deferred[None]:
        if self._starting is None:
            return defer.succeed(None)
        waiting: defer.Deferred[None] = defer.Deferred()
        self._starting.append(waiting)
        return waiting

    async def _start_below(self, parent: Any) -> None:
        self._starting = []
        attached = self.setServiceParent(parent)
        parent.services.remove(self)
        parent.services.insert(0, self)
        try:
            await attached
        except Exception:
            failure = Failure()
            waiting, self._starting = self._starting, None
            self.parent = None
            parent.services.remove(self)
            del parent.namedServices[self.name]
            for one in waiting:
                one.errback(failure)
            raise
        waiting, self._starting = self._starting, None
        for one in waiting:
            one.callback(None)


class ReconfigurableServiceMixin:
    """A service that is told of each new configuration, from the master's first one on."""

    reconfig_priority: int = 128
    """Services are told in order of falling priority, one after the other."""

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow a new configuration (:class:`~buildmaster.config.master.MasterConfig`).

        Subclasses that override this call it as well: it tells the children.  One that raises does not keep the
        others from being told; at the end the failures are raised together as
        :class:`~buildmaster.service.failures.ReconfigFailed`.
        """
        failures: list[ServiceFailure] = []
        for child in by_priority(self):  # type: ignore[arg-type]
            try:
                await maybe(child.reconfigServiceWithBuildbotConfig, new_config)
            except ReconfigFailed as several:
                failures.extend(several.failures)
            except Exception as error:  # policy: told at the end, the other services go on
                log.failure("service {name} could not follow the new configuration", name=child.name)
                failures.append(failure_of(child, error))
        if failures:
            raise ReconfigFailed(failures)


def by_priority(services: Iterable[Any]) -> list[Any]:
    """Those that follow the configuration, by falling priority, else in their order."""
    told = [child for child in services if isinstance(child, ReconfigurableServiceMixin)]
    return sorted(told, key=lambda child: -child.reconfig_priority)


def failure_of(child: Any, error: Exception) -> ServiceFailure:
    """What is told of a service that raised when it was given a new configuration."""
    return ServiceFailure(
        name=str(child.name),
        kind=type(child).__name__,
        doing="reconfigured",
        cause=cause_of(error),
        outcome="it goes on with what it had taken over until then; mend the cause and reconfigure again",
    )
