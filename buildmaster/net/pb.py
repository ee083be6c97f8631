"""The Perspective Broker ports of the master.

All services that name the same port share one listener; the user name of a login decides whose it is.  Ports are
Twisted's strports, so TLS, interfaces and UNIX sockets come for free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer, endpoints, error
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.errors import ConfigErrors
from buildmaster.net.pblogin import AvatarFactory, Door, ServerFactory, User
from buildmaster.service import AsyncMultiService, ReconfigurableServiceMixin

log = Logger()

BACKLOG = 1024
"""Connections that may wait to be accepted: a fleet that comes back all at once."""

LINGER = 2.0
"""Seconds that a port nobody uses stays open, so that a service replaced in a reconfig finds it again."""


def normal_port(port: int | str) -> str:
    """The strports description of a port given as a number, its digits or a description.

    Raises ConfigErrors for what is none of these.
    """
    text = str(port).strip() if not isinstance(port, bytes) else port.decode("ascii", "replace").strip()
    if text.isdigit():
        text = "tcp:" + text
    if not text or ":" not in text or isinstance(port, bool):
        raise ConfigErrors([f"PB port {port!r} is not a port: give a number (9989) or a strports text ('tcp:9989')"])
    return text


def with_backlog(description: str) -> str:
    """The same description, with our backlog unless it names one."""
    kind = description.partition(":")[0]
    if kind not in ("tcp", "tcp6", "ssl", "unix") or "backlog=" in description:
        return description
    return f"{description}:backlog={BACKLOG}"


class Registration:
    """One name on one port; given up with :meth:`unregister`."""

    def __init__(self, manager: PBManager, portstr: str, username: str) -> None:
        self.portstr = portstr
        self.username = username
        self._manager: PBManager | None = manager

    def __repr__(self) -> str:
        return f"<pb.Registration for {self.username} on {self.portstr}>"

    def getPort(self) -> int:
        """The number of the listening TCP port (of use when port 0 was asked for); raises if it is not open."""
        if self._manager is None:
            raise RuntimeError(f"{self!r} has been given up")
        return self._manager.port_number(self.portstr)

    def update(self, password: str | bytes, factory: AvatarFactory) -> None:
        """Change what this name is worth, without touching the port or those who are logged in."""
        if self._manager is not None:
            self._manager.replace(self, password, factory)

    def unregister(self) -> defer.Deferred[None]:
        """Give the name up; logins with it are refused from now on.  Those who are logged in stay.

        A second call does nothing.
        """
        manager, self._manager = self._manager, None
        return defer.succeed(None) if manager is None else manager.forget(self)


class Listener:
    """One open port and its names."""

    kind = "PB port"
    """What messages call it."""

    def __init__(self, portstr: str, reactor: Any, gate: Gate) -> None:
        self.portstr = portstr
        self.door = Door(gate.opened)
        self.linger: Any = None
        self.port: Any = None
        self._reactor = reactor
        self._gate = gate
        self._factory = self.make_factory()

    def make_factory(self) -> Any:
        """What makes a protocol of each connection."""
        return ServerFactory(self.door, self._reactor, lambda: self._gate.held)

    @deferred
    async def open(self) -> None:
        """Bind and listen; raises ConfigErrors with the cause and the mend.  Does nothing if open."""
        if self.port is not None:
            return
        try:
            endpoint = endpoints.serverFromString(self._reactor, with_backlog(self.portstr))
            self.port = await endpoint.listen(self._factory)
        except error.CannotListenError as e:
            raise ConfigErrors([_in_use(self.kind, self.portstr, e)]) from e
        except Exception as e:
            raise ConfigErrors([f"{self.kind} {self.portstr!r} can't be opened: {type(e).__name__}: {e}"]) from e

    def close(self) -> defer.Deferred[None]:
        """Accept no more connections; those that are open stay."""
        port, self.port = self.port, None
        if self.linger is not None and self.linger.active():
            self.linger.cancel()
        return defer.maybeDeferred(port.stopListening) if port is not None else defer.succeed(None)


def _in_use(kind: str, portstr: str, why: error.CannotListenError) -> str:
    return (
        f"{kind} {portstr!r} can't be opened: {why.socketError}. If another program (a second master?) listens there, "
        "stop it or name another port in c['protocols']; two services of this master share a port only if both "
        "spell it the same way"
    )


class Gate:
    """Holds logins back while a configuration is being made live: nobody is refused because we are half-way."""

    def __init__(self) -> None:
        self._holders = 0
        self._waiting: list[defer.Deferred[None]] = []

    @property
    def held(self) -> bool:
        """Whether logins wait."""
        return self._holders > 0

    def hold(self) -> Callable[[], None]:
        """Let logins wait until the function that is returned is called (it may be called twice)."""
        self._holders += 1
        done: list[bool] = []

        def release() -> None:
            if not done:
                done.append(True)
                self._holders -= 1
                self._let_in()

        return release

    def _let_in(self) -> None:
        if self._holders == 0:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def opened(self) -> defer.Deferred[None]:
        """Fires when nobody holds the gate."""
        result: defer.Deferred[None] = defer.Deferred()
        if self._holders:
            self._waiting.append(result)
        else:
            result.callback(None)
        return result


class PBManager(AsyncMultiService, ReconfigurableServiceMixin):
    """Opens PB ports when somebody registers a name on them, closes them when nobody does any more.

    While the master starts, those who log in wait until all services have followed the first configuration: a worker
    is never refused, or told that it has no builders, because we are half-way.
    """

    name = "pbmanager"
    reconfig_priority = -1000  # the last to be told
    listener_class: type[Listener] = Listener

    def __init__(self, reactor: Any = None) -> None:
        """``reactor`` is the master's unless given."""
        super().__init__()
        self.setName(self.name)
        self.gate = Gate()
        self._given_reactor = reactor
        self._listeners: dict[str, Listener] = {}
        self._release: Callable[[], None] = lambda: None
        self._late: list[Listener] = []  # ports to be opened at the end of a reconfiguration

    @property
    def _reactor(self) -> Any:
        return self._given_reactor if self._given_reactor is not None else self.master.reactor

    def hold(self) -> Callable[[], None]:
        """Let logins wait until the returned function is called; connections are accepted meanwhile."""
        return self.gate.hold()

    @deferred
    async def register(
        self, portstr: int | str, username: str | bytes, password: str | bytes, pfactory: AvatarFactory
    ) -> Registration:
        """Let ``username`` log in on a port with ``password``.

        ``pfactory(mind, username)`` makes the avatar, usually a :class:`twisted.spread.pb.Avatar`; it may return a
        Deferred or coroutine.  If the avatar has ``attached(mind)`` and ``detached(mind)`` they are called at login
        and at the end of the connection.  The port is opened by the first name on it (when this service runs; else
        at its start).  Raises ConfigErrors if the name is taken or the port can't be opened.
        """
        portstr, name = normal_port(portstr), _decode(username)
        listener = self._listeners.get(portstr)
        if listener is not None and name in listener.door.users:
            raise ConfigErrors(
                [f"two services want the user name {name!r} on {self.listener_class.kind} {portstr!r}; rename one"]
            )
        if listener is None:
            listener = self._listeners[portstr] = self.listener_class(portstr, self._reactor, self.gate)
        listener.door.users[name] = User(_encode(password), pfactory)
        try:
            await self.open(portstr)
        except ConfigErrors:
            listener.door.users.pop(name, None)
            if not listener.door.users:
                self._listeners.pop(portstr, None)
            raise
        return Registration(self, portstr, name)

    async def open(self, portstr: int | str) -> None:
        """Open a port ahead of the services that will use it; raises ConfigErrors if that can't be done.

        A port that nobody registers on is closed again after :data:`LINGER` seconds.
        """
        portstr = normal_port(portstr)
        listener = self._listeners.get(portstr)
        if listener is None:
            listener = self._listeners[portstr] = self.listener_class(portstr, self._reactor, self.gate)
        if self.running:
            await self._open(listener)
        if not listener.door.users:
            self._let_linger(listener)

    async def _open(self, listener: Listener, later: bool = True) -> None:
        """Open a port that one of ours may hold under another spelling.

        While others move away from that one, in the middle of a reconfiguration, its end is waited for (``later``).
        """
        try:
            await listener.open()
        except ConfigErrors:
            for each in [each for each in self._listeners.values() if each.port is not None and not each.door.users]:
                await self._close(each)
            if later and self._twin(listener) is not None and self.master is not None:
                self._late.append(listener)
            else:
                await listener.open()

    def _twin(self, listener: Listener) -> Listener | None:
        """An open listener on the port number of this one."""
        number = listener.portstr.split(":")[1]
        others = [each for each in self._listeners.values() if each.port is not None and each is not listener]
        return next((each for each in others if str(getattr(each.port.getHost(), "port", "")) == number), None)

    def replace(self, registration: Registration, password: str | bytes, factory: AvatarFactory) -> None:
        """Give a registered name another password and avatar factory."""
        listener = self._listeners[registration.portstr]
        listener.door.users[registration.username] = User(_encode(password), factory)

    @deferred
    async def forget(self, registration: Registration) -> None:
        """The other end of :meth:`Registration.unregister`."""
        listener = self._listeners.get(registration.portstr)
        if listener is None:
            return
        listener.door.users.pop(registration.username, None)
        if not listener.door.users:
            self._let_linger(listener)

    def port_number(self, portstr: str) -> int:
        """The TCP port that an open listener has."""
        listener = self._listeners.get(portstr)
        if listener is None or listener.port is None:
            raise RuntimeError(f"{self.listener_class.kind} {portstr!r} is not open")
        return int(listener.port.getHost().port)

    @deferred
    async def startService(self) -> None:
        """Open the ports that were asked for so far; raises ConfigErrors if one can't be."""
        if self.master is not None and not getattr(self.master, "has_started", True):
            self._release = self.hold()
        await super().startService()
        for listener in list(self._listeners.values()):
            await self._open(listener)

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """All other services have followed the configuration: let in who waits."""
        late, self._late = self._late, []
        for listener in late:
            await self._open(listener, later=False)
        self._release()

    @deferred
    async def stopService(self) -> None:
        """Close all ports."""
        self._release()
        for listener in list(self._listeners.values()):
            await listener.close()
        self._listeners = {key: each for key, each in self._listeners.items() if each.door.users}
        await super().stopService()

    def _let_linger(self, listener: Listener) -> None:
        if listener.linger is None or not listener.linger.active():
            listener.linger = self._reactor.callLater(LINGER, self._close_if_idle, listener)

    def _close_if_idle(self, listener: Listener) -> None:
        if not listener.door.users:
            closed = defer.Deferred.fromCoroutine(self._close(listener))
            closed.addErrback(lambda f: log.failure("PB port {port!r} did not close", f, port=listener.portstr))

    async def _close(self, listener: Listener) -> None:
        if self._listeners.get(listener.portstr) is listener:
            del self._listeners[listener.portstr]
        await listener.close()


def _decode(name: str | bytes) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else name


def _encode(password: str | bytes) -> bytes:
    return password.encode("utf-8") if isinstance(password, str) else password
