"""A latent machine that is started and stopped by actions: commands here or over ssh, wake-on-LAN, web requests."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IMachineAction
from buildmaster.machine.latent import AbstractLatentMachine
from buildmaster.net.childprocess import run_process
from buildmaster.net.httpclient import HTTPSession
from buildmaster.properties import Properties

log = Logger()

COMMAND_SECONDS = 300.0
"""How long a command may take."""


@deferred
async def runProcessLogFailures(reactor: Any, args: Sequence[str], expectedCode: int = 0) -> bool:
    """Run a program; a Deferred of whether its exit status was ``expectedCode``, with its output in the log if not."""
    try:
        result = await run_process(reactor, list(args), timeout=COMMAND_SECONDS)
    except Exception as e:  # policy: told as a failure of the action
        log.error("{command} could not be run: {e}", command=shlex.join(args), e=e)
        return False
    if result.rc == expectedCode:
        return True
    output = (result.stdout + result.stderr).decode("utf-8", "replace")
    log.error("{command} ended with {rc}: {output}", command=shlex.join(args), rc=result.rc, output=output)
    return False


async def _rendered(manager: Any, values: Any) -> Any:
    properties = Properties()
    properties.master = manager.master
    return await properties.render(values)


def _check_list(kind: type, what: str, value: Any) -> None:
    if not isinstance(value, list | tuple):
        error(f"{kind.__name__}: {what} must be a list, the program and its arguments, not {value!r}")


class _LocalMachineActionMixin(ComparableMixin):
    """Runs a command on the master's machine."""

    compare_attrs: Sequence[str] = ("_command",)

    def setupLocal(self, command: Any) -> None:
        """Take the command over."""
        _check_list(type(self), "command", command)
        self._command = command

    @deferred
    async def perform(self, manager: Any) -> bool:
        """Run it; returns whether it went well."""
        return await runProcessLogFailures(manager.master.reactor, await _rendered(manager, self._command))


class _SshActionMixin(ComparableMixin):
    """Runs a command on another machine by ssh."""

    compare_attrs: Sequence[str] = ("_host", "_remoteCommand", "_sshBin", "_sshKey", "_sshHostKey")

    def setupSsh(self, sshBin: Any, host: Any, remoteCommand: Any, sshKey: Any = None, sshHostKey: Any = None) -> None:
        """Take the arguments over: the key's and the host key's texts, which may be secrets."""
        _check_list(type(self), "remoteCommand", remoteCommand)
        self._sshBin, self._host, self._remoteCommand = sshBin, host, remoteCommand
        self._sshKey, self._sshHostKey = sshKey, sshHostKey

    @deferred
    async def perform(self, manager: Any) -> bool:
        """Run it; returns whether it went well."""
        host, command, program, key, host_key = await _rendered(
            manager, [self._host, self._remoteCommand, self._sshBin, self._sshKey, self._sshHostKey]
        )
        with tempfile.TemporaryDirectory(prefix="buildmaster-ssh-") as directory:
            options = ["-o", "BatchMode=yes"]
            if key is not None:
                options += ["-i", _write(directory, "key", key)]
            if host_key is not None:
                known = _write(directory, "known_hosts", f"{host.rpartition('@')[2]} {host_key}")
                options += ["-o", f"UserKnownHostsFile={known}"]
            words = [program, *options, host, *command]
            return await runProcessLogFailures(manager.master.reactor, words)


def _write(directory: str, name: str, text: str) -> str:
    path = os.path.join(directory, name)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text if text.endswith("\n") else text + "\n")
    return path


@implementer(IMachineAction)
class LocalWakeAction(_LocalMachineActionMixin):
    """Runs ``command``, a list that may hold renderables, on the master's machine."""

    def __init__(self, command: Sequence[Any]) -> None:
        self.setupLocal(command)


class LocalWOLAction(LocalWakeAction):
    """Wakes the machine with the network address ``wakeMac`` by the program ``wolBin``."""

    def __init__(self, wakeMac: Any, wolBin: Any = "wakeonlan") -> None:
        super().__init__([wolBin, wakeMac])


@implementer(IMachineAction)
class RemoteSshWakeAction(_SshActionMixin):
    """Runs ``remoteCommand``, a list that may hold renderables, on ``host`` (``user@name``) by ssh.

    ``sshKey`` is the text of a private key, ``sshHostKey`` that of the host's public key (``ssh-ed25519 AAAA…``); both
    may be secrets.
    """

    def __init__(
        self, host: Any, remoteCommand: Sequence[Any], sshBin: Any = "ssh", sshKey: Any = None, sshHostKey: Any = None
    ) -> None:
        self.setupSsh(sshBin, host, remoteCommand, sshKey, sshHostKey)


class RemoteSshWOLAction(RemoteSshWakeAction):
    """Wakes a machine from another one, ``host``, by ssh; see :class:`LocalWOLAction`."""

    def __init__(
        self,
        host: Any,
        wakeMac: Any,
        wolBin: Any = "wakeonlan",
        sshBin: Any = "ssh",
        sshKey: Any = None,
        sshHostKey: Any = None,
    ) -> None:
        super().__init__(host, [wolBin, wakeMac], sshBin, sshKey, sshHostKey)


@implementer(IMachineAction)
class RemoteSshSuspendAction(_SshActionMixin):
    """Lets ``host`` sleep by ssh; ``remoteCommand`` is by default ``systemctl suspend``."""

    def __init__(
        self,
        host: Any,
        remoteCommand: Sequence[Any] | None = None,
        sshBin: Any = "ssh",
        sshKey: Any = None,
        sshHostKey: Any = None,
    ) -> None:
        self.setupSsh(
            sshBin, host, ["systemctl", "suspend"] if remoteCommand is None else remoteCommand, sshKey, sshHostKey
        )


@implementer(IMachineAction)
class HttpAction(ComparableMixin):
    """Makes a web request; an answer of 2xx or 3xx means that it went well.  The arguments may be renderables."""

    compare_attrs: Sequence[str] = ("_url", "_method", "_arguments")

    def __init__(
        self,
        url: Any,
        method: str,
        params: Any = None,
        data: Any = None,
        json: Any = None,
        headers: Mapping[str, Any] | None = None,
        cookies: Mapping[str, Any] | None = None,
        files: Any = None,
        auth: Any = None,
        timeout: float | None = None,
        allow_redirects: bool | None = None,
        proxies: Any = None,
    ) -> None:
        if method not in ("get", "put", "delete", "post"):
            error(f"HttpAction: the method must be get, put, delete or post, not {method!r}")
        if proxies is not None:
            error("HttpAction: proxies are not supported yet; leave the argument out")
        self._url, self._method = url, method
        given = {
            "params": params,
            "data": data,
            "json": json,
            "headers": headers,
            "cookies": cookies,
            "files": files,
            "auth": auth,
            "timeout": timeout,
            "allow_redirects": allow_redirects,
        }
        self._arguments = {name: value for name, value in given.items() if value is not None}

    @deferred
    async def perform(self, manager: Any) -> bool:
        """Make the request; returns whether it went well."""
        url, arguments = await _rendered(manager, [self._url, self._arguments])
        try:
            session = HTTPSession(manager, url)
            response = await maybe(getattr(session, self._method), "", **arguments)
        except Exception as e:  # policy: told as a failure of the action
            log.error("{method} {url} failed: {e}", method=self._method, url=url, e=e)
            return False
        if 200 <= response.code < 400:
            return True
        log.error("{method} {url} was answered with {code}", method=self._method, url=url, code=response.code)
        return False


class GenericLatentMachine(AbstractLatentMachine):
    """A latent machine that ``start_action`` starts and ``stop_action`` stops."""

    def checkConfig(self, name: str, start_action: Any, stop_action: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, **kwargs)
        for what, action in (("start_action", start_action), ("stop_action", stop_action)):
            if not IMachineAction.providedBy(action):
                error(f"machine {name!r}: {what} of {type(self).__name__} is {action!r}, which is no machine action")

    @deferred
    async def reconfigService(self, name: str, start_action: Any, stop_action: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Take these arguments over."""
        await as_deferred(super().reconfigService(name, **kwargs))
        self.start_action = start_action
        self.stop_action = stop_action

    def start_machine(self) -> Any:
        """Perform the one action."""
        return self.start_action.perform(self)

    def stop_machine(self) -> Any:
        """Perform the other."""
        return self.stop_action.perform(self)
