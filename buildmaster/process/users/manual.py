"""Managing users from the command line: what ``buildmaster user`` talks to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.logger import Logger
from twisted.spread import pb

from buildmaster.base.aio import as_deferred, deferred
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import ConfigErrors, error
from buildmaster.db import users as rows
from buildmaster.db.txn import Txn
from buildmaster.net.pb import normal_port
from buildmaster.process.users import users
from buildmaster.service import AsyncMultiService, ReconfigurableServiceMixin

log = Logger()

OPERATIONS = ("add", "update", "remove", "get")
_OWN = ("uid", "identifier", "bb_username", "bb_password")


class UserCommandRefused(pb.Error):
    """The answer to a command that makes no sense."""


class CommandlineUserManagerPerspective(pb.Avatar):
    """What the command line may call."""

    def __init__(self, master: Any) -> None:
        self.master = master

    def formatResults(self, op: str, results: Sequence[Any]) -> str:
        """What the user of the command line reads."""
        if op == "remove":
            return "\n".join(["user(s) removed:", *map(str, results)]) + "\n"
        if op == "get":
            return "user(s) found:\n" + "\n".join(_shown(user) for user in results)
        done = "added" if op == "add" else "updated"
        return f"user(s) {done}:\n" + "\n".join(
            f"identifier: {one['identifier']}\nuid: {one['uid']}\n" for one in results
        )

    @deferred
    async def perspective_commandline(
        self,
        op: str,
        bb_username: str | None,
        bb_password: str | None,
        ids: Sequence[str] | None,
        info: Sequence[Mapping[str, Any]] | None,
    ) -> str:
        """Do what ``buildmaster user`` was told; returns its output, fails with the reason if nothing was done.

        ``ids`` are identifiers of users (for ``get`` and ``remove``); ``info`` (for ``add`` and ``update``) has for
        each user its ``identifier`` and its attributes.
        """
        log.info("users: {op} of {who}", op=op, who=ids or [one.get("identifier") for one in info or []])
        if op not in OPERATIONS:
            raise UserCommandRefused(f"{op!r} is no operation; there are {', '.join(OPERATIONS)}")
        try:
            if op in ("get", "remove"):
                results = await self.master.db.write(_by_ids, op, list(ids or []))
            else:
                password = None if bb_password is None else users.encrypt(bb_password)
                given = [dict(one) for one in info or []]
                results = await self.master.db.write(_store, op, given, bb_username, password)
        except (LookupError, ValueError) as e:
            raise UserCommandRefused(str(e.args[0])) from e
        return self.formatResults(op, results)


def _shown(user: Any) -> str:
    if isinstance(user, str):
        return f"no match found for {user}\n"
    names = [name for name in ("identifier", "uid", "bb_username") if user.get(name) is not None]
    names += sorted(name for name in user if name not in _OWN)
    return "".join(f"{name}: {user[name]}\n" for name in names)


def _uid(txn: Txn, identifier: str) -> int | None:
    txn.flush()
    return rows.identifier_to_uid(txn.conn, identifier)


def _by_ids(txn: Txn, op: str, ids: list[str]) -> list[Any]:
    """The users of these identifiers; where there is none, the identifier."""
    found: list[Any] = []
    for identifier in ids:
        uid = _uid(txn, identifier)
        if op == "remove" and uid is not None:
            rows.remove(txn, uid)
        if op == "get":
            found.append(identifier if uid is None else rows.get(txn.conn, uid))
        else:
            found.append(identifier if uid is not None else f"no match found for {identifier}")
    return found


def _store(
    txn: Txn, op: str, info: list[dict[str, Any]], bb_username: str | None, bb_password: str | None
) -> list[dict[str, Any]]:
    """Add or update these users, all or none of them."""
    stored = []
    for user in info:
        identifier = user.pop("identifier", None)
        if not identifier:
            raise ValueError("a user has no identifier")
        uid = _added(txn, identifier, user) if op == "add" else _uid(txn, identifier)
        if uid is None:
            raise LookupError(f"there is no user {identifier!r}")
        rows.update(txn, uid, bb_username=bb_username, bb_password=bb_password, attributes=user)
        stored.append({"identifier": identifier, "uid": uid})
    return stored


def _added(txn: Txn, identifier: str, attributes: Mapping[str, str]) -> int:
    if not attributes:
        raise ValueError(f"user {identifier!r} has no attributes")
    kind, value = next(iter(attributes.items()))
    return rows.find_by_attribute(txn, identifier, kind, value)


class CommandlineUserManager(ReconfigurableServiceMixin, AsyncMultiService, ComparableMixin):
    """Lets ``buildmaster user`` in.

    ``username`` and ``passwd`` are what the command logs in with, ``port`` is a port number or strports text; by
    default it is that of the workers.
    """

    compare_attrs: Sequence[str] = ("username", "passwd", "port")

    def __init__(self, username: str | None = None, passwd: str | None = None, port: int | str | None = None) -> None:
        super().__init__()
        if not username or not passwd:
            error("CommandlineUserManager: username and passwd must be given, 'buildmaster user' logs in with them")
        if port is not None:
            try:
                normal_port(port)
            except ConfigErrors as e:
                error(f"CommandlineUserManager: {e}")
        self.username, self.passwd, self.port = username, passwd, port
        self.registration: Any = None
        self._registered_port: Any = None

    @deferred
    async def startService(self) -> None:
        """Let the command in."""
        await self._register(self.master.config)
        await as_deferred(super().startService())

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow the port of the workers if it is used."""
        await self._register(new_config)

    async def _register(self, config: Any) -> None:
        port = self.port if self.port is not None else config.protocols.get("pb", {}).get("port")
        if port is None:
            raise ConfigErrors(["CommandlineUserManager has no port: give it one, say port=9990"])
        if port == self._registered_port:
            return
        await self._unregister()
        self.registration = await self.master.pbmanager.register(port, self.username, self.passwd, self._perspective)
        self._registered_port = port

    def _perspective(self, mind: Any, username: str) -> CommandlineUserManagerPerspective:
        return CommandlineUserManagerPerspective(self.master)

    async def _unregister(self) -> None:
        registration, self.registration, self._registered_port = self.registration, None, None
        if registration is not None:
            await registration.unregister()

    @deferred
    async def stopService(self) -> None:
        """Let it in no longer."""
        await as_deferred(super().stopService())
        await self._unregister()
