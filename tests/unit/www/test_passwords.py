"""Passwords: of the configuration, of a file, and of a user's own check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin

from buildmaster.base.errors import ConfigErrors
from buildmaster.testing.sync import failure_of, result_of
from buildmaster.www import htpasswd
from buildmaster.www.auth import CustomAuth, HTPasswdAuth, RemoteUserAuth, UserPasswordAuth


def avatar(checker: Any, name: bytes, password: bytes) -> Any:
    return result_of(checker.requestAvatarId(UsernamePassword(name, password)))


@pytest.mark.parametrize("users", [{"homer": "doh!"}, [("homer", b"doh!")]])
def test_users_of_the_configuration(users: Any) -> None:
    checker = UserPasswordAuth(users).checkers[0]
    assert avatar(checker, b"homer", b"doh!") == b"homer"
    for name, password in ((b"homer", b"D'oh"), (b"marge", b"doh!"), (b"", b"")):
        failure_of(checker.requestAvatarId(UsernamePassword(name, password)), UnauthorizedLogin)


def test_users_that_are_no_table_are_a_configuration_error() -> None:
    with pytest.raises(ConfigErrors, match="users must be a dict"):
        UserPasswordAuth(["homer", "marge"])


def test_a_users_own_check_gets_text() -> None:
    asked = []

    class Mine(CustomAuth):
        def check_credentials(self, username: str, password: str) -> bool:
            asked.append((username, password))
            return username == "snow" and password == "white"

    checker = Mine()
    assert avatar(checker, b"snow", b"white") == "snow"
    failure_of(checker.requestAvatarId(UsernamePassword(b"snow", b"black")), UnauthorizedLogin)
    assert asked == [("snow", "white"), ("snow", "black")]


def test_nobody_gets_in_by_a_check_that_was_not_written() -> None:
    failure_of(CustomAuth().requestAvatarId(UsernamePassword(b"x", b"y")), UnauthorizedLogin)


@pytest.mark.parametrize(
    "stored",
    [
        "$apr1$rOioh4Wh$m5Xihq8Geii9fCC0S7.KC1",  # openssl passwd -apr1 -salt rOioh4Wh secret
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    ],
)
def test_hashes_of_password_files(stored: str) -> None:
    assert htpasswd.matches(b"secret", stored)
    assert not htpasswd.matches(b"Secret", stored)


def test_a_hash_that_is_not_understood_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("bob:$9$what\n")
    checker = HTPasswdAuth(str(tmp_path / "passwords")).checkers[0]
    failure_of(checker.requestAvatarId(UsernamePassword(b"bob", b"$9$what")), UnauthorizedLogin)


def test_a_password_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_text("# people\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    checker = HTPasswdAuth(str(path)).checkers[0]
    assert avatar(checker, b"bob", b"secret") == b"bob"
    path.write_text("alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    failure_of(checker.requestAvatarId(UsernamePassword(b"bob", b"secret")), UnauthorizedLogin)
    assert avatar(checker, b"alice", b"secret") == b"alice"


def test_a_missing_password_file_lets_nobody_in(tmp_path: Path) -> None:
    checker = HTPasswdAuth(str(tmp_path / "none")).checkers[0]
    failure_of(checker.requestAvatarId(UsernamePassword(b"bob", b"")), UnauthorizedLogin)


def test_a_header_pattern_must_find_the_user_name() -> None:
    with pytest.raises(ConfigErrors, match="username"):
        RemoteUserAuth(headerRegex="(.*)")
