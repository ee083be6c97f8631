"""Real programs at the PB port of a whole master: ``buildbot sendchange``, and a port with TLS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.internet import endpoints, threads
from twisted.spread import pb

from buildmaster.net.pbclient import send_change
from buildmaster.plugins import changes, schedulers, steps, util, worker
from tests.support.real_workers import PORT, Site


def config() -> dict[str, Any]:
    factory = util.BuildFactory([steps.ShellCommand(command=["true"])])
    return {
        "workers": [worker.Worker("w", "pw")],
        "builders": [util.BuilderConfig(name="b", workernames=["w"], factory=factory)],
        "schedulers": [schedulers.ForceScheduler(name="f", builderNames=["b"])],
        "change_source": [changes.PBChangeSource(user="alice", passwd="secret")],
        "user_managers": [util.CommandlineUserManager("admin", "pass", PORT)],
        "protocols": {"pb": {"port": PORT}},
    }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, config)
    made.run(made.start())
    yield made
    made.run(made.stop())


def test_the_real_sendchange_is_understood(site: Site, tool: Callable[[str], str]) -> None:
    program = tool("buildbot")

    def sendchange(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [program, "sendchange", "--master", f"127.0.0.1:{site.port}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    async def story() -> list[dict[str, Any]]:
        pool = site.reactor.getThreadPool()
        sent = await threads.deferToThreadPool(
            site.reactor, pool, sendchange, "--auth", "alice:secret", "--who", "Jö <j@x>", "--revision", "abc",
            "--branch", "main", "--comments", "words", "--property", "p:v", "--when", "1234", "--vc", "git",
            "--project", "pr", "--repository", "git://r", "a.c", "b.c",
        )  # fmt: skip
        assert sent.returncode == 0, sent.stdout + sent.stderr
        refused = await threads.deferToThreadPool(
            site.reactor, pool, sendchange, "--auth", "alice:wrong", "--who", "me", "a.c"
        )
        assert refused.returncode != 0
        return await site.get("changes")

    [change] = site.run(story())
    assert change["author"] == "Jö <j@x>"
    assert change["files"] == ["a.c", "b.c"]
    assert (change["revision"], change["branch"], change["comments"]) == ("abc", "main", "words")
    assert (change["project"], change["repository"], change["when_timestamp"]) == ("pr", "git://r", 1234)
    assert change["properties"]["p"] == ("v", "Change")


def test_users_are_managed_from_the_command_line(site: Site) -> None:
    """By our command: that of Buildbot 4.3 fails before it sends a word, its password is of the wrong type."""
    login = ["user", "--master", f"127.0.0.1:{site.port}", "--username", "admin", "--passwd", "pass"]
    program = [sys.executable, "-m", "buildmaster.cli.main"]

    def user(*arguments: str) -> str:
        done = subprocess.run([*program, *login, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def story() -> list[str]:
        user("--op=add", "--info=git=Jö <j@x>,email=j@x")
        user("--op=update", "--info=Jö <j@x>:svn=joe")
        user("--op=update", "--bb_username=jo", "--bb_password=pw", "--info=Jö <j@x>:")
        return [user("--op=get", "--ids=Jö <j@x>"), user("--op=remove", "--ids=Jö <j@x>")]

    async def run() -> list[str]:
        return await threads.deferToThreadPool(site.reactor, site.reactor.getThreadPool(), story)

    assert site.run(run()) == [
        "user(s) found:\nidentifier: Jö <j@x>\nuid: 1\nbb_username: jo\nemail: j@x\ngit: Jö <j@x>\nsvn: joe\n",
        "user(s) removed:\nJö <j@x>\n",
    ]


def test_a_port_may_be_spelled_anew(site: Site) -> None:
    async def story() -> None:
        number = site.port
        for port in (number, f"tcp:{number}:interface=127.0.0.1"):
            site.loader.config = lambda port=port: {  # type: ignore[misc]
                **config(),
                "protocols": {"pb": {"port": port}},
                "user_managers": [],  # one would hold the port under its old spelling
            }
            outcome = await site.master.reconfig()
            assert outcome.ok, outcome
            assert site.port == number
            await send_change("127.0.0.1", number, "alice", "secret", {"who": "me", "files": ["a"]}, site.reactor)

    site.run(story())


def test_a_port_with_tls_takes_changes(tmp_path: Path, tool: Callable[[str], str]) -> None:
    pytest.importorskip("OpenSSL")
    key = tmp_path / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(tmp_path / "c"),
         "-days", "1", "-subj", "/CN=localhost"],
        capture_output=True,
    )  # fmt: skip
    assert made.returncode == 0
    key.write_bytes(key.read_bytes() + (tmp_path / "c").read_bytes())

    def with_tls() -> dict[str, Any]:
        return {**config(), "protocols": {"pb": {"port": f"ssl:0:privateKey={key}:interface=127.0.0.1"}}}

    site = Site(tmp_path, with_tls)

    async def story() -> None:
        await site.start()
        factory: Any = pb.PBClientFactory()
        factory.noisy = False
        from twisted.internet.ssl import CertificateOptions

        options = CertificateOptions(verify=False)
        await endpoints.SSL4ClientEndpoint(site.reactor, "127.0.0.1", site.port, options).connect(factory)
        remote = await factory.login(UsernamePassword(b"alice", b"secret"))
        await remote.callRemote("addChange", {"who": "me", "files": ["a"]})
        assert len(await site.get("changes")) == 1
        factory.disconnect()

    try:
        site.run(story())
    finally:
        site.run(site.stop())
