"""Secrets in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.secrets.providers.base import SecretUnavailable
from buildmaster.secrets.providers.file import SecretInAFile
from buildmaster.testing.sync import result_of


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Three files and a directory."""
    made = tmp_path / "secrets"
    (made / "sub").mkdir(parents=True)
    for name, text in (("pw", " hunter2 \n\r\n"), ("key.pem", "one\ntwo\n"), ("user.txt", "bob")):
        (made / name).write_bytes(text.encode())
        (made / name).chmod(0o640)
    (tmp_path / "outside").write_text("not yours")
    (tmp_path / "outside").chmod(0o600)
    return made


def provider(directory, **kwargs):
    made = SecretInAFile(dirname=str(directory), **kwargs)
    result_of(made.configureService())
    return made


def test_a_secret_is_called_like_its_file(directory):
    secrets = provider(directory)
    assert [secrets.get(name) for name in ("pw", "key.pem", "key", "none")] == [" hunter2 ", "one\ntwo", None, None]


def test_line_ends_can_be_kept(directory):
    assert provider(directory, strip=False).get("key.pem") == "one\ntwo\n"


def test_with_suffixes_the_secret_has_the_name_before_it(directory):
    secrets = provider(directory, suffixes=[".pem", ".txt"])
    assert [secrets.get(name) for name in ("key", "user", "pw", "key.pem")] == ["one\ntwo", "bob", None, None]


@pytest.mark.parametrize("name", ["../outside", "sub", ".", "..", "", "sub/../pw", "/etc/passwd", "pw\0"])
def test_a_name_leads_nowhere_else(directory, name):
    assert provider(directory).get(name) is None


def test_a_secret_that_changes_is_known_at_once(directory):
    secrets = provider(directory)
    (directory / "pw").write_text("new")
    assert secrets.get("pw") == "new"
    (directory / "pw").unlink()
    assert secrets.get("pw") is None


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o601])
def test_files_that_others_may_use_are_refused(directory, mode):
    secrets = provider(directory)
    (directory / "pw").chmod(mode)
    words = f"permissions 0o{mode:o} on the secret file {directory}/pw are too open: .*; run: chmod o= {directory}/pw"
    with pytest.raises(ConfigErrors, match=words):
        provider(directory)
    with pytest.raises(SecretUnavailable, match=words):
        secrets.get("pw")
    assert provider(directory, suffixes=[".pem"]).get("key") == "one\ntwo"


def test_what_is_no_text_is_told(directory):
    (directory / "pw").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretUnavailable, match="pw is not UTF-8 text"):
        provider(directory).get("pw")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dirname": "/nowhere"}, "the directory /nowhere can't be read: No such file"),
        ({"dirname": None}, "dirname must be the path of a directory, not None"),
        ({"dirname": "/", "suffixes": ".key"}, "suffixes must be a list of file name endings, say .*, not '.key'"),
    ],
)
def test_mistakes_are_told(arguments, words):
    with pytest.raises(ConfigErrors, match=words):
        SecretInAFile(**arguments)
