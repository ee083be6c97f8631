"""Services that a configuration names: made from arguments, checked at once, live only on a master.

The object made in ``master.cfg`` is a description; it becomes live when a manager takes it up.  From then on a later
description of the same name (its *sibling*) lends it its arguments, so that what is live (a connection, a timer)
outlasts a reconfiguration.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.reflect import qual

from buildmaster.base import where
from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.configured import ConfiguredMixin
from buildmaster.base.errors import error
from buildmaster.base.perclass import PerClass
from buildmaster.base.sameness import same, same_class
from buildmaster.base.strings import bytes2unicode
from buildmaster.properties import Properties
from buildmaster.service.failures import ReconfigFailed, ServiceFailure, cause_of
from buildmaster.service.tree import AsyncMultiService, ReconfigurableServiceMixin, failure_of

log = Logger()


class BuildbotService(AsyncMultiService, ConfiguredMixin, ComparableMixin, ReconfigurableServiceMixin):
    """A service that a configuration makes and a master runs.

    Subclasses override :meth:`checkConfig` and :meth:`reconfigService`, both with the parameters that the user gives
    to the constructor, and may override ``startService`` and ``stopService`` (calling the base class's).  The
    keyword ``name`` is the service's; a class may have a ``name`` of its own for services that are there once.
    """

    compare_attrs: Sequence[str] = ("name", "_config_args", "_config_kwargs")
    name: Any = None
    configured = False
    """Whether :meth:`reconfigService` has succeeded once."""
    config_place: where.Place | None = None
    """Where the configuration makes this service."""
    objectid: int | None = None
    """The id under which the service keeps state in the database, once it is known."""
    secrets: Sequence[str] = ()
    """Keyword arguments that may be renderable (secrets): they are rendered before :meth:`reconfigService` is called.

    Those of the base classes count too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.config_place = where.caller()
        name = kwargs.get("name") if wants_name(type(self)) else kwargs.pop("name", None)
        if name is not None:
            self.name = bytes2unicode(name)
        self._config_args = args
        self._config_kwargs = kwargs
        self.checkConfig(*args, **kwargs)
        if self.name is None:
            error(f"{type(self).__name__}: it needs a name; add name='…' to its arguments")

    def checkConfig(self, *args: Any, **kwargs: Any) -> None:
        """Check the arguments, reporting mistakes by :func:`buildmaster.config.error`.

        Called while the configuration is being loaded, in a thread: it may not touch the network or a Deferred.
        """

    def reconfigService(self, name: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Take over these arguments: called when the service starts, and when it is configured differently.

        May return a Deferred that fires when they are in force.  Raising ``NotImplementedError`` asks for the old
        service to be stopped and a new one to be started instead.
        """
        return defer.succeed(None)

    def getConfigDict(self) -> dict[str, Any]:
        """Name, class and arguments, for showing."""
        return {
            "name": self.name,
            "class": qual(type(self)),
            "args": self._config_args,
            "kwargs": self._config_kwargs,
        }

    def canReconfigWithSibling(self, sibling: BuildbotService) -> bool:
        """Whether this service can take over the sibling's arguments instead of being replaced by it.

        By default it can if both are of the same class (the same object, or a class of the configuration in which
        nothing was changed) and that class has a :meth:`reconfigService` of its own, or nothing is to be taken over.
        """
        if not same_class(type(self), type(sibling)):
            return False
        kind = type(self)
        takes_over = (
            kind.reconfigService is not BuildbotService.reconfigService
            or kind.reconfigServiceWithSibling is not BuildbotService.reconfigServiceWithSibling
        )
        return takes_over or same(self, sibling)

    @deferred
    async def reconfigServiceWithSibling(self, sibling: BuildbotService) -> None:
        """Take over the sibling's arguments unless they mean the same as those in force.

        When :meth:`reconfigService` raises, the arguments in force are given back to it; then, or when even that
        raises, :class:`~buildmaster.service.failures.ReconfigFailed` tells what holds now.
        """
        if self.configured and same(self, sibling):
            return
        args, kwargs = sibling._config_args, sibling._config_kwargs
        try:
            await self._take_over(args, kwargs)
        except NotImplementedError:
            raise
        except Exception as raised:
            if not self.configured:
                raise
            raise await self._give_back(raised) from raised
        self.configured = True
        self._config_args, self._config_kwargs = args, kwargs

    async def _take_over(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        await maybe(self.reconfigService, *args, **await self._with_secrets(kwargs))

    async def _give_back(self, cause: Exception) -> ReconfigFailed:
        log.failure("service {name} could not be reconfigured; it gets its old arguments back", name=self.name)
        outcome = "it goes on with its old configuration"
        try:
            await self._take_over(self._config_args, self._config_kwargs)
        except Exception as again:  # policy: it alone is marked failed, the next reconfiguration tries again
            log.failure("service {name} could not be given its old arguments back", name=self.name)
            self.configured = False
            outcome = f"its old configuration could not be restored either ({cause_of(again)}): it is failed"
        return ReconfigFailed(
            [ServiceFailure(str(self.name), type(self).__name__, "reconfigured", cause_of(cause), outcome)]
        )

    async def _with_secrets(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        names = [name for name in secret_names(type(self)) if kwargs.get(name) is not None]
        if not names:
            return kwargs
        values = await self._render([kwargs[name] for name in names])
        return {**kwargs, **dict(zip(names, values, strict=True))}

    @deferred
    async def configureService(self) -> None:
        """Take over the arguments that this object itself was made with."""
        await self.reconfigServiceWithSibling(self)

    @deferred
    async def startService(self) -> None:
        """Configure the service if that has not been done, then start its children."""
        if not self.configured:
            await as_deferred(self.configureService())
        await super().startService()

    @deferred
    async def renderSecrets(self, *args: Any) -> Any:
        """The values of arguments that may be secrets: one value for one argument, else a list."""
        values = await self._render(list(args))
        return values[0] if len(values) == 1 else values

    async def _render(self, values: list[Any]) -> list[Any]:
        properties = Properties()
        properties.master = self.master
        return await properties.render(values)

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow what of a new configuration is not in this service's own arguments."""
        await super().reconfigServiceWithBuildbotConfig(new_config)


@PerClass
def wants_name(kind: type) -> bool:
    """Whether a class's ``checkConfig`` takes the name as its first argument, as those of workers do."""
    for klass in kind.__mro__:
        check = klass.__dict__.get("checkConfig")
        if check is None:
            continue
        parameters = list(inspect.signature(check).parameters.values())[1:]
        if any(one.name == "name" and one.default is inspect.Parameter.empty for one in parameters):
            return True
    return False


@PerClass
def secret_names(kind: type) -> tuple[str, ...]:
    """All names in the ``secrets`` of a class and its base classes."""
    names = (name for klass in kind.__mro__ for name in klass.__dict__.get("secrets", ()))
    return tuple(dict.fromkeys(names))


def told(child: Any, raised: Exception) -> list[ServiceFailure]:
    """The failures behind an exception of a service."""
    return raised.failures if isinstance(raised, ReconfigFailed) else [failure_of(child, raised)]
