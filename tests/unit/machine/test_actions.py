"""What starts and stops machines, with real programs."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.web.resource import Resource
from twisted.web.server import Site

from buildmaster.base.errors import ConfigErrors
from buildmaster.machine.generic import (
    GenericLatentMachine,
    HttpAction,
    LocalWakeAction,
    LocalWOLAction,
    RemoteSshSuspendAction,
    RemoteSshWakeAction,
    RemoteSshWOLAction,
)
from buildmaster.properties import Interpolate
from tests.support import real_reactor


@pytest.fixture
def run() -> Any:
    manager = SimpleNamespace(master=SimpleNamespace(reactor=real_reactor.reactor))
    return lambda action: real_reactor.run(action.perform(manager))


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A program that writes down how it was called, and the files it was given."""
    path = tmp_path / "program"
    path.write_text(
        "#!/bin/sh\n"
        f'exec > "{tmp_path}/called"\n'
        'while [ $# -gt 0 ]; do echo "$1"; case "$1" in */key) cat "$1"; stat -c %a "$1";; '
        '*=*/known_hosts) cat "${1#*=}";; fail) exit 3;; esac; shift; done\n'
    )
    path.chmod(0o755)
    return os.fspath(path)


def called(tmp_path: Path) -> list[str]:
    lines = (tmp_path / "called").read_text().splitlines()
    return [line if "buildmaster-ssh-" not in line else line.rpartition("/")[2] for line in lines]


def test_a_command_here(run: Any, program: str, tmp_path: Path) -> None:
    assert run(LocalWakeAction([program, Interpolate("a%(kw:x)s", x="b")])) is True
    assert called(tmp_path) == ["ab"]
    assert run(LocalWakeAction([program, "fail"])) is False
    assert run(LocalWakeAction([program + "-that-is-not-there"])) is False
    assert run(LocalWOLAction("00:11", wolBin=program)) is True
    assert called(tmp_path) == ["00:11"]


def test_a_command_by_ssh_gets_its_keys_in_private_files(run: Any, program: str, tmp_path: Path) -> None:
    action = RemoteSshWakeAction("me@host", ["wake", "up"], sshBin=program, sshKey="KEY", sshHostKey="ssh-rsa AAAA")
    assert run(action) is True
    assert called(tmp_path) == [
        *["-o", "BatchMode=yes", "-i", "key", "KEY", "600", "-o", "known_hosts", "host ssh-rsa AAAA"],
        *["me@host", "wake", "up"],
    ]
    assert run(RemoteSshWakeAction("host", ["fail"], sshBin=program)) is False


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda ssh: RemoteSshWOLAction("host", "00:11", sshBin=ssh), ["wakeonlan", "00:11"]),
        (lambda ssh: RemoteSshSuspendAction("host", sshBin=ssh), ["systemctl", "suspend"]),
        (lambda ssh: RemoteSshSuspendAction("host", ["sleep"], sshBin=ssh), ["sleep"]),
    ],
)
def test_the_other_commands_by_ssh(run: Any, program: str, tmp_path: Path, action: Any, words: list[str]) -> None:
    assert run(action(program)) is True
    assert called(tmp_path) == ["-o", "BatchMode=yes", "host", *words]


class Answer(Resource):
    """Answers with the status that is asked for."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        request.setResponseCode(int(request.args[b"status"][0]))
        self.got = (request.method, request.content.read(), request.requestHeaders.getRawHeaders(b"X-Key"))
        return b""


def test_a_web_request(run: Any) -> None:
    answer = Answer()
    port = real_reactor.reactor.listenTCP(0, Site(answer), interface="127.0.0.1")
    url = f"http://127.0.0.1:{port.getHost().port}/"
    key = Interpolate("%(kw:x)s", x="secret")
    assert run(HttpAction(url, "post", params={"status": "201"}, data=b"up", headers={"X-Key": key})) is True
    assert answer.got == (b"POST", b"up", [b"secret"])
    assert run(HttpAction(url, "get", params={"status": "500"})) is False
    real_reactor.run(port.stopListening())
    assert run(HttpAction(url, "get", params={"status": "200"})) is False


def test_actions_are_compared_by_value() -> None:
    one, same, other = (LocalWakeAction(["a", word]) for word in "bbc")
    assert (one == same, one == other) == (True, False)
    machine = GenericLatentMachine("m", start_action=one, stop_action=other)
    assert machine == GenericLatentMachine("m", start_action=same, stop_action=LocalWakeAction(["a", "c"]))


def test_what_an_action_cannot_do_is_refused() -> None:
    with pytest.raises(ConfigErrors, match="HttpAction: the method must be get, put, delete or post, not 'head'"):
        HttpAction("http://x", "head")
    with pytest.raises(ConfigErrors, match="proxies are not supported yet"):
        HttpAction("http://x", "get", proxies={"http": "p"})
    with pytest.raises(ConfigErrors, match="LocalWakeAction: command must be a list"):
        LocalWakeAction("wake up")
