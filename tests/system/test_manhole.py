"""A Python prompt in a running master, by telnet and by the real ssh."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet import defer, endpoints, protocol, threads

from buildmaster.base.aio import maybe
from buildmaster.base.errors import ConfigErrors
from buildmaster.net import manhole as manholes
from buildmaster.plugins import util
from buildmaster.service import MasterService
from tests.support import real_reactor

PORT = "tcp:0:interface=127.0.0.1"


def under(master_dir: Path, manhole: Any) -> Any:
    """The manhole, open, below a root that stands for the master."""
    master: Any = MasterService()
    master.reactor, master.basedir, master.title = real_reactor.reactor, os.fspath(master_dir), "the master"
    real_reactor.run(maybe_start(master, manhole))
    return SimpleNamespace(service=manhole, port=manhole._listening.getHost().port, master=master)


async def maybe_start(master: Any, manhole: Any) -> None:
    await maybe(master.startService)
    await manhole.setServiceParent(master)


def close(opened: Any) -> None:
    real_reactor.run(opened.service.disownServiceParent())


ANSWERS = {b"\xff\xfb\x01": b"\xff\xfd\x01", b"\xff\xfc\x01": b"\xff\xfe\x01"}
"""Telnet: the server echoes or not, and is told that this is all right."""


class Client(protocol.Protocol):
    """Types at a prompt, and waits for what it shows."""

    def __init__(self) -> None:
        self.text = b""
        self._wanted: list[tuple[bytes, defer.Deferred[None]]] = []

    def dataReceived(self, data: bytes) -> None:
        for word, answer in ANSWERS.items():
            if word in data:
                self.transport.write(answer)  # type: ignore[union-attr]
        self.text += data
        self._look()

    def connectionLost(self, reason: Any = None) -> None:
        self.text += b"<lost>"
        self._look()

    def _look(self) -> None:
        plain = re.sub(rb"\x1b\[[0-9;]*[A-Za-z]", b"", self.text)
        for word, waiter in list(self._wanted):
            if word in plain:
                self._wanted.remove((word, waiter))
                self.text = b""
                waiter.callback(None)

    def see(self, word: bytes) -> defer.Deferred[None]:
        waiter: defer.Deferred[None] = defer.Deferred()
        self._wanted.append((word, waiter))
        self._look()
        return waiter

    def type(self, line: bytes) -> None:
        self.transport.write(line + b"\r\n")  # type: ignore[union-attr]


def test_telnet_with_a_password(tmp_path: Path) -> None:
    opened = under(tmp_path, util.TelnetManhole(PORT, "me", "pw"))

    async def story() -> None:
        endpoint = endpoints.TCP4ClientEndpoint(real_reactor.reactor, "127.0.0.1", opened.port)
        client: Any = await endpoint.connect(protocol.Factory.forProtocol(Client))
        await client.see(b"Username:")
        client.type(b"me")
        await client.see(b"Password:")
        client.type(b"wrong")
        await client.see(b"Authentication failed")
        client.type(b"me")
        await client.see(b"Password:")
        client.type(b"pw")
        await client.see(b">>>")
        client.type(b"master.title.upper()")
        await client.see(b"'THE MASTER'")
        lost = client.see(b"<lost>")
        await opened.service.disownServiceParent()
        await lost

    real_reactor.run(story(), timeout=20)


@pytest.fixture
def keys(tmp_path: Path, tool: Callable[[str], str]) -> Path:
    """A directory with a host key and a user's key."""
    keygen = tool("ssh-keygen")
    for name in ("ssh_host_ed25519_key", "user"):
        subprocess.run([keygen, "-q", "-N", "", "-t", "ed25519", "-f", tmp_path / name], check=True)
    return tmp_path


def ssh(tool: Callable[[str], str], keys: Path, port: int) -> subprocess.CompletedProcess[str]:
    options = {
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": keys / "known",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    command = [tool("ssh"), "-F", "/dev/null", "-tt", *words, "-i", keys / "user", "-p", str(port), "me@127.0.0.1"]
    return subprocess.run(command, input="show(master)\r\x04", capture_output=True, text=True, timeout=30)


def test_ssh_with_an_authorized_key(tool: Callable[[str], str], keys: Path) -> None:
    opened = under(keys, util.AuthorizedKeysManhole(PORT, "authorized", "."))

    def story() -> tuple[Any, Any]:
        (keys / "authorized").write_text("")
        refused = ssh(tool, keys, opened.port)
        (keys / "authorized").write_text((keys / "user.pub").read_text())
        return refused, ssh(tool, keys, opened.port)

    pool = real_reactor.reactor.getThreadPool()
    refused, let_in = real_reactor.run(threads.deferToThreadPool(real_reactor.reactor, pool, story))
    close(opened)
    assert "Permission denied" in refused.stderr
    assert "title: 'the master'" in let_in.stdout, let_in.stderr


def test_a_missing_host_key_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"there is no host key in .*; make one: ssh-keygen -q -N '' -t ed25519 -f"):
        under(tmp_path, util.PasswordManhole(PORT, "me", "pw", "."))


def test_the_configuration_opens_changes_and_closes_it(tmp_path: Path) -> None:
    from buildmaster.testing.master import MemoryMaster

    def config(password: str) -> dict[str, Any]:
        return {"multiMaster": True, "manhole": util.TelnetManhole("tcp:9999:interface=127.0.0.1", "me", password)}

    kit = MemoryMaster(tmp_path, lambda: config("a")).start()
    first = kit.master.debug.manhole
    listeners = kit.reactor.tcpServers
    assert [(port, interface) for port, _, _, interface in listeners] == [(9999, "127.0.0.1")]
    assert kit.reconfig(lambda: config("a")).ok
    assert kit.master.debug.manhole is first
    assert kit.reconfig(lambda: config("b")).ok
    assert (kit.master.debug.manhole is first, first._listening) == (False, None)
    assert kit.reconfig({"multiMaster": True}).ok
    assert list(kit.master.debug) == []
    kit.stop()


def test_what_is_no_manhole_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigErrors, match="ArbitraryCheckerManhole: checker must be an ICredentialsChecker, not 'x'"):
        manholes.ArbitraryCheckerManhole(PORT, "x")
    with pytest.raises(ConfigErrors, match="TelnetManhole: port must be a number or strports text"):
        util.TelnetManhole("telnet", "me", "pw")
    monkeypatch.setattr(manholes, "find_spec", lambda name: None)
    with pytest.raises(ConfigErrors, match=r"needs packages that are not installed: pip install 'buildmaster-ci\[man"):
        util.TelnetManhole(1, "me", "pw")
