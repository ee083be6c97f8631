"""What the master can ask of a connected worker, whatever the wire.

:class:`Connection` is the contract that each protocol and the scripted worker of :mod:`buildmaster.testing` fulfil,
proven by one suite (``tests/contract/test_connection.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred, deferred
from buildmaster.net.pb import normal_port
from buildmaster.worker.protocols.patience import Patience, Timer

log = Logger()


class Listener:
    """Lets workers of one protocol in."""


class UpdateRegistrationListener(Listener):
    """Keeps names, passwords and ports of the workers with the manager of its ports."""

    def __init__(self) -> None:
        self._registrations: dict[str, tuple[str | None, Any, Any]] = {}  # name → (port, password, registration)

    def get_manager(self) -> Any:
        """Whoever holds the ports of this protocol."""
        raise TypeError(f"{type(self).__name__} has no ports")

    @deferred
    async def updateRegistration(self, username: str, password: Any, portStr: int | str | None) -> Any:
        """Let ``username`` in on this port with this password from now on; None as port or password: not at all.

        The Deferred gives the registration.  Nothing is touched if nothing has changed.
        """
        portStr = None if portStr is None or password is None else normal_port(portStr)
        old_port, old_password, registration = self._registrations.get(username, (None, None, None))
        if registration is not None and (old_port, old_password) == (portStr, password):
            return registration
        if registration is not None and old_port == portStr:
            registration.update(password, self._login)
        else:
            if registration is not None:
                del self._registrations[username]
                await registration.unregister()
            if portStr is None:
                return None
            registration = await self.get_manager().register(portStr, username, password, self._login)
        self._registrations[username] = (portStr, password, registration)
        return registration

    async def _login(self, mind: Any, workerName: str) -> Any:
        """Make the :class:`Connection` of a worker that has proved its password."""
        raise TypeError(f"{type(self).__name__} lets nobody in")


class RemoteCommandImpl:
    """What a running command's owner offers to the connection."""

    def remote_update(self, updates: list[Any]) -> Any:
        """``[[{key: value}, 0], …]`` has come from the worker."""
        raise TypeError(f"{type(self).__name__} takes no updates")

    def remote_complete(self, failure: Failure | None = None) -> Any:
        """The command has ended; ``failure`` tells why if it did not end by itself."""
        raise TypeError(f"{type(self).__name__} takes no completion")


class FileWriterImpl:
    """A file on the master that the worker fills: a command's ``writer``.

    Any object with these methods does; a subclass need not have those that its command does not use.
    """

    wire_methods = ("remote_write", "remote_close")

    def remote_write(self, data: bytes) -> Any:
        """Append these bytes."""
        raise TypeError(f"{type(self).__name__} takes no data")

    def remote_utime(self, accessed_modified: tuple[float, float]) -> Any:
        """Set the file's times, in epoch seconds."""
        raise TypeError(f"{type(self).__name__} keeps no times")

    def remote_unpack(self) -> Any:
        """The archive is complete: unpack it."""
        raise TypeError(f"{type(self).__name__} is no archive")

    def remote_close(self) -> Any:
        """Nothing more comes."""
        raise TypeError(f"{type(self).__name__} can't be closed")


class FileReaderImpl:
    """A file on the master that the worker reads: a command's ``reader``.  Any object with these methods does."""

    wire_methods = ("remote_read", "remote_close")

    def remote_read(self, maxLength: int) -> Any:
        """At most so many bytes; none at the end."""
        raise TypeError(f"{type(self).__name__} has no data")

    def remote_close(self) -> Any:
        """The worker has read enough."""
        raise TypeError(f"{type(self).__name__} can't be closed")


class Subscription:
    """A wish to be told; withdrawn with :meth:`unsubscribe`."""

    def __init__(self, callbacks: dict[Subscription, Callable[[], Any]], callback: Callable[[], Any]) -> None:
        self._callbacks = callbacks
        callbacks[self] = callback

    def unsubscribe(self) -> None:
        """Do not call any more; a second call does nothing."""
        self._callbacks.pop(self, None)


class Connection:
    """A worker that is connected.

    The ``remote…`` methods return Deferreds.  They fail with ``WorkerMisbehaved`` when the answer is not of the kind
    that was asked for, and with ``ConnectionLost`` when the worker goes away first.
    """

    proxies: ClassVar[dict[Any, Any]] = {}
    """Kinds of command arguments that must be wrapped for the wire, and by what."""

    SILENCE_DEADLINE = 300.0
    """Seconds that a worker has for answering a keepalive."""

    def __init__(self, name: str, clock: Any = None) -> None:
        self.name = name
        self.connected = True
        self.patience = Patience(clock) if clock is not None else None
        self.last_heard = clock.seconds() if clock is not None else 0.0
        self._clock = clock
        self._throttled: set[Hashable] = set()
        self._on_disconnect: dict[Subscription, Callable[[], Any]] = {}
        self._leaving: defer.Deferred[None] = defer.Deferred()  # fires when the connection is lost
        self._left: list[defer.Deferred[None]] = []
        self._told = False
        self._keepalive: Timer | None = None

    # -- the end ---------------------------------------------------------------------------------------------------

    def notifyOnDisconnect(self, cb: Callable[[], Any]) -> Subscription:
        """Have ``cb()`` called once when the connection is lost; it may return a Deferred or coroutine."""
        return Subscription(self._on_disconnect, cb)

    def notifyDisconnected(self) -> None:
        """The connection is lost: tell everybody who asked, once."""
        if not self.connected:
            return
        self.connected = False
        self.stop_keepalive()
        self._throttled.clear()
        if self.patience is not None:
            self.patience.end()
        self._leaving.callback(None)
        callbacks, told = list(self._on_disconnect.values()), []
        self._on_disconnect.clear()
        for callback in callbacks:
            answer = defer.maybeDeferred(_run, callback)
            answer.addErrback(lambda f: log.failure("after the loss of worker {name!r}", f, name=self.name))
            told.append(answer)
        defer.DeferredList(told).addCallback(lambda _: self._all_told())

    def _all_told(self) -> None:
        self._told = True
        left, self._left = self._left, []
        for each in left:
            each.callback(None)

    def wait_shutdown_started(self) -> defer.Deferred[None]:
        """Fires when the connection is lost."""
        result: defer.Deferred[None] = defer.Deferred()
        self._leaving.addCallback(lambda _: result.callback(None))
        return result

    def waitShutdown(self) -> defer.Deferred[None]:
        """Fires when the connection is lost and everybody who asked has been told and is done."""
        result: defer.Deferred[None] = defer.Deferred()
        if self._told:
            result.callback(None)
        else:
            self._left.append(result)
        return result

    def loseConnection(self) -> Any:
        """End the connection."""
        raise TypeError(f"{type(self).__name__} has no connection to lose")

    # -- reading ---------------------------------------------------------------------------------------------------

    def heard(self) -> None:
        """Something has come from the worker."""
        if self._clock is not None:
            self.last_heard = self._clock.seconds()

    def throttle(self, key: Hashable) -> None:
        """Read nothing more from this worker until :meth:`unthrottle` was called with each key it was throttled with.

        Deadlines stand still meanwhile.  What the master says still goes out, so a command can be interrupted.
        """
        if not self.connected:
            return
        first = not self._throttled
        self._throttled.add(key)
        if first:
            if self.patience is not None:
                self.patience.freeze()
            self._pause_reading()

    def unthrottle(self, key: Hashable) -> None:
        """Withdraw a :meth:`throttle`; does nothing for an unknown key."""
        if key in self._throttled:
            self._throttled.discard(key)
            if not self._throttled:
                if self.patience is not None:
                    self.patience.thaw()
                self._resume_reading()

    @property
    def throttled(self) -> bool:
        """Whether we do not read from this worker just now."""
        return bool(self._throttled)

    def _pause_reading(self) -> None:
        """Protocols whose transport can wait do so."""

    def _resume_reading(self) -> None:
        """The opposite."""

    # -- signs of life ---------------------------------------------------------------------------------------------

    def start_keepalive(self, interval: float) -> None:
        """Ask the worker for a sign of life whenever it was silent for ``interval`` seconds; end a dead connection."""
        self.stop_keepalive()
        if self.patience is not None and interval and self.connected:
            self._keepalive = self.patience.call_later(interval, lambda: self._check_life(interval))

    def stop_keepalive(self) -> None:
        """Ask no more."""
        if self._keepalive is not None:
            self._keepalive.cancel()
            self._keepalive = None

    def _check_life(self, interval: float) -> None:
        assert self._clock is not None
        silent = self._clock.seconds() - self.last_heard
        if silent < interval and self.patience is not None:
            self._keepalive = self.patience.call_later(interval - silent, lambda: self._check_life(interval))
            return
        answer = self.is_alive(min(self.SILENCE_DEADLINE, max(interval, 10.0)))
        answer.addCallback(lambda alive: self.start_keepalive(interval) if alive else self._give_up(interval))
        answer.addErrback(lambda f: log.failure("keepalive of worker {name!r}", f, name=self.name))

    def _give_up(self, interval: float) -> None:
        if self.connected:
            log.warn("worker {name!r} gave no sign of life for {n:g} s: disconnected", name=self.name, n=interval)
            self.loseConnection()

    def is_alive(self, deadline: float) -> defer.Deferred[bool]:
        """Whether the worker answers, with whatever, within so many seconds of our listening."""
        if not self.connected:
            return defer.succeed(False)
        assert self.patience is not None
        before = self.last_heard
        answer = self.patience.wait_for(self.remote_sign_of_life(), deadline, f"worker {self.name}")

        def no_answer(_: Failure) -> bool:
            return self.connected and self.last_heard > before

        return answer.addCallbacks(lambda _: self.connected, no_answer)

    def remote_sign_of_life(self) -> defer.Deferred[Any]:
        """Ask something that every worker answers and that leaves no trace there."""
        return self.remotePrint("ping")

    # -- what can be asked -----------------------------------------------------------------------------------------

    def get_peer(self) -> str:
        """The address of the worker, for people."""
        return "unknown"

    def createArgsProxies(self, args: dict[str, Any]) -> dict[str, Any]:
        """Command arguments with writers and readers wrapped for the wire, as :attr:`proxies` says."""
        return {key: self._proxy(value) for key, value in args.items()}

    def _proxy(self, value: Any) -> Any:
        for kind, proxy in self.proxies.items():
            if isinstance(value, kind) or all(callable(getattr(value, name, None)) for name in kind.wire_methods):
                return proxy(value)
        return value

    def remotePrint(self, message: str) -> defer.Deferred[Any]:
        """Have a line written to the worker's log."""
        raise TypeError(f"{type(self).__name__} can't print")

    def remoteGetWorkerInfo(self) -> defer.Deferred[dict[str, Any]]:
        """What the worker tells about itself and its host."""
        raise TypeError(f"{type(self).__name__} has no worker info")

    def remoteSetBuilderList(self, builders: Iterable[tuple[str, str]]) -> defer.Deferred[list[str]]:
        """Tell the worker its builders, as (name, directory) pairs; gives the names that it took."""
        raise TypeError(f"{type(self).__name__} takes no builders")

    def remoteStartBuild(self, builderName: str) -> defer.Deferred[None]:
        """A build of this builder starts on the worker."""
        raise TypeError(f"{type(self).__name__} starts no builds")

    def remoteStartCommand(
        self, remoteCommand: Any, builderName: str, commandId: str, commandName: str, args: dict[str, Any]
    ) -> defer.Deferred[None]:
        """Start a command.

        The Deferred tells that it was started.  ``remoteCommand`` then gets ``remote_update(updates)`` any number of
        times and ``remote_complete(failure=None)`` once, unless the connection is lost.
        """
        raise TypeError(f"{type(self).__name__} starts no commands")

    def remoteInterruptCommand(self, builderName: str, commandId: str, why: str) -> defer.Deferred[None]:
        """Ask for the end of a running command; its completion still comes."""
        raise TypeError(f"{type(self).__name__} interrupts no commands")

    def remoteShutdown(self) -> defer.Deferred[None]:
        """Ask the worker process to end."""
        raise TypeError(f"{type(self).__name__} shuts nothing down")


def _run(callback: Callable[[], Any]) -> defer.Deferred[Any]:
    return as_deferred(callback())
