"""Secrets in a real password store, encrypted by a real gpg."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.secrets.providers.base import SecretUnavailable
from buildmaster.secrets.providers.passwordstore import SecretInPass
from buildmaster.service import MasterService
from tests.support.real_reactor import reactor, run

pytestmark = pytest.mark.needs("pass", "gpg")

PASSPHRASE = "open sesame"


@pytest.fixture(scope="module")
def store() -> Iterator[Path]:
    """A store with three entries, and the key's home; gpg's sockets need a short path."""
    home = Path(tempfile.mkdtemp(prefix="pass-", dir="/tmp"))
    env = {**os.environ, "GNUPGHOME": str(home / "gpg"), "PASSWORD_STORE_DIR": str(home / "store")}
    (home / "gpg").mkdir(mode=0o700)
    (home / "gpg/gpg-agent.conf").write_text("s2k-count 65536\n")  # else it measures for seconds how slow it can be

    def do(*words: str, text: str = "") -> None:
        subprocess.run(words, env=env, input=text, text=True, check=True, capture_output=True)

    try:
        generate = ["--batch", "--pinentry-mode", "loopback", "--passphrase", PASSPHRASE, "--quick-gen-key"]
        do("gpg", *generate, "ci@example.org", "future-default", "default", "never")
        do("pass", "init", "ci@example.org")
        do("pass", "insert", "--multiline", "db/password", text="hunter2\nuser: bob\n")
        do("pass", "insert", "--multiline", "--", "-dash", text="dashed\n")
        yield home
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False)
        shutil.rmtree(home)


@pytest.fixture
def secrets(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes a live provider."""
    monkeypatch.setenv("GNUPGHOME", str(store / "gpg"))
    master: Any = MasterService()
    master.reactor = reactor
    run(master.startService())

    def made(**kwargs: Any) -> SecretInPass:
        provider = SecretInPass(**kwargs)
        run(provider.setServiceParent(master))
        return provider

    yield made
    run(master.stopService())


def test_a_secret_is_the_first_line_of_an_entry(secrets, store, monkeypatch):
    provider = secrets(gpgPassphrase=PASSPHRASE, dirname=str(store / "store"))
    assert run(provider.get("db/password")) == "hunter2"
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False)  # it remembers the pass phrase
    monkeypatch.setenv("PASSWORD_STORE_DIR", str(store / "store"))
    monkeypatch.setattr(tempfile, "tempdir", str(store / "gpg"))
    assert run(secrets(gpgPassphrase=PASSPHRASE, name="other").get("-dash")) == "dashed"
    assert [path.name for path in (store / "gpg").iterdir() if path.name.startswith("buildmaster-")] == []


@pytest.mark.parametrize("name", ["none", "db", "../store/db/password", "", "db/password\0"])
def test_what_is_no_entry_is_none(secrets, store, name):
    """A directory of the store is none: pass would list it."""
    assert run(secrets(dirname=str(store / "store")).get(name)) is None


def test_a_wrong_pass_phrase_is_told_without_it(secrets, store):
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False)
    provider = secrets(gpgPassphrase="wrong", dirname=str(store / "store"))
    with pytest.raises(SecretUnavailable, match=r"'pass show db/password' failed: .*decryption failed") as info:
        run(provider.get("db/password"))
    assert "wrong" not in str(info.value)


def test_mistakes_are_told(monkeypatch):
    with pytest.raises(ConfigErrors, match="the directory /nowhere does not exist"):
        SecretInPass(dirname="/nowhere")
    with pytest.raises(ConfigErrors, match="gpgPassphrase must be a text, not an object of int"):
        SecretInPass(gpgPassphrase=1)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigErrors, match="no program 'pass' in the PATH; install the package pass"):
        SecretInPass()
