"""Changes that come over a PB port: from ``sendchange``, from commit hooks, from other masters' tools.

The client is answered when its change is committed, not before.  Changes of one connection are stored side by side, so
that many of them share a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger
from twisted.spread import pb

from buildmaster.base.aio import deferred
from buildmaster.base.errors import ConfigErrors, error
from buildmaster.base.interfaces import IRenderable
from buildmaster.changes import wire
from buildmaster.changes.base import ChangeSource
from buildmaster.net.pb import normal_port

log = Logger()


class ChangeRefused(pb.Error):
    """The answer to a change that makes no sense."""


class ChangePerspective(pb.Avatar):
    """What a client that sends changes may call."""

    def __init__(self, master: Any, prefix: str | None) -> None:
        self.master = master
        self.prefix = prefix

    def attached(self, mind: Any) -> ChangePerspective:
        """A client has logged in."""
        return self

    def detached(self, mind: Any) -> None:
        """It has gone."""

    @deferred
    async def perspective_addChange(self, changedict: Any) -> None:
        """Take a change; answers when it is stored.  Fails with the reason if it is not."""
        try:
            arguments = wire.arguments(changedict, self.prefix)
        except wire.BadChange as e:
            log.warn("a change was refused: {why}; it was {change}", why=e, change=repr(changedict)[:500])
            raise ChangeRefused(f"the change was refused: {e}") from e
        await self.master.data.updates.addChange(**arguments)


class PBChangeSource(ChangeSource):
    """Takes changes from clients that log in as ``user`` with ``passwd``.

    ``port`` is a port number or strports text, by default that of the workers (``c['protocols']['pb']['port']``);
    with ``prefix``, files that do not begin with it are left out and from the others it is taken off.
    """

    compare_attrs: Sequence[str] = ("user", "passwd", "port", "prefix")
    secrets = ("passwd",)

    def __init__(
        self,
        user: str = "change",
        passwd: Any = "changepw",
        port: int | str | None = None,
        prefix: str | None = None,
        name: str | None = None,
    ) -> None:
        if name is None:
            parts = [str(part) for part in (prefix, port) if part is not None]
            name = ":".join(["PBChangeSource", str(user), *parts])
        self.registration: Any = None
        self._registered: tuple[Any, ...] | None = None
        super().__init__(user=user, passwd=passwd, port=port, prefix=prefix, name=name)

    def checkConfig(
        self,
        user: str = "change",
        passwd: Any = "changepw",
        port: int | str | None = None,
        prefix: str | None = None,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        place = f"PBChangeSource {self.name!r}"
        if not isinstance(user, str) or not user:
            error(f"{place}: user must be a non-empty text, not {user!r}")
        if not isinstance(passwd, str | bytes) and not IRenderable.providedBy(passwd):
            error(f"{place}: passwd must be a text or a secret, not {passwd!r}")
        if prefix is not None and not isinstance(prefix, str):
            error(f"{place}: prefix must be a text, not {prefix!r}")
        if port is not None:
            try:
                normal_port(port)
            except ConfigErrors as e:
                error(f"{place}: {e}")
        self.user, self.passwd, self.port, self.prefix = user, passwd, port, prefix

    @deferred
    async def reconfigService(
        self,
        user: str = "change",
        passwd: Any = "changepw",
        port: int | str | None = None,
        prefix: str | None = None,
    ) -> None:
        """Take these arguments over; clients that are logged in stay."""
        self.user, self.passwd, self.port, self.prefix = user, passwd, port, prefix
        if self.active:
            await self._register()

    def describe(self) -> str:
        """A line about this source, for people."""
        text = f"PBChangeSource listener on {'the workers port' if self.port is None else self.port}"
        return text if self.prefix is None else f"{text} (prefix {self.prefix!r})"

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow the port of the workers if it is used."""
        await super().reconfigServiceWithBuildbotConfig(new_config)
        if self.active:
            await self._register()

    @deferred
    async def activate(self) -> None:
        """Let clients in."""
        await self._register()

    @deferred
    async def deactivate(self) -> None:
        """Let no more clients in."""
        registration, self.registration, self._registered = self.registration, None, None
        if registration is not None:
            await registration.unregister()

    def getPerspective(self, mind: Any, username: str) -> ChangePerspective:
        """What a client that has logged in may call."""
        return ChangePerspective(self.master, self.prefix)

    async def _register(self) -> None:
        port = self.port
        if port is None:
            port = (getattr(self.master.config, "protocols", None) or {}).get("pb", {}).get("port")
        if port is None:
            raise ConfigErrors(
                [
                    f"PBChangeSource {self.name!r} has no port: give it one, or the workers: "
                    "c['protocols'] = {'pb': {'port': 9989}}"
                ]
            )
        place = (normal_port(port), self.user)
        if self.registration is not None and self._registered == place:
            self.registration.update(self.passwd, self.getPerspective)
            return
        old, self.registration, self._registered = self.registration, None, None
        if old is not None:
            await old.unregister()
        self.registration = await self.master.pbmanager.register(port, self.user, self.passwd, self.getPerspective)
        self._registered = place
