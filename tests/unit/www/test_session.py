"""Sessions as signed cookies."""

from __future__ import annotations

import pytest

from buildmaster.www.session import InvalidToken, build_cookie_name, make_token, read_token

SECRET = "s" * 64
BOB = {"username": "bob", "email": "bob@example.org"}


def test_a_token_carries_the_user_until_it_ends() -> None:
    token = make_token(BOB, expires=1000, secret=SECRET)
    assert read_token(token, SECRET, now=999) == BOB
    with pytest.raises(InvalidToken, match="expired"):
        read_token(token, SECRET, now=1000)


def test_a_token_of_another_secret_is_refused() -> None:
    with pytest.raises(InvalidToken, match="wrong signature"):
        read_token(make_token(BOB, 1000, "other"), SECRET, now=1)


@pytest.mark.parametrize("token", [b"", b"a.b", b"a.b.c", "eyJ.ü.x", b"." * 20_000])
def test_what_is_no_token_is_refused(token: bytes | str) -> None:
    with pytest.raises(InvalidToken):
        read_token(token, SECRET, now=1)


def test_a_token_that_asks_for_no_signature_is_refused() -> None:
    _, body, _ = make_token(BOB, 1000, SECRET).split(b".")
    with pytest.raises(InvalidToken, match="not a session token"):
        read_token(b"eyJhbGciOiJub25lIn0." + body + b".", SECRET, now=1)


def test_a_changed_body_is_refused() -> None:
    head, _, signature = make_token(BOB, 1000, SECRET).split(b".")
    other = make_token({"username": "root"}, 1000, "x").split(b".")[1]
    with pytest.raises(InvalidToken, match="wrong signature"):
        read_token(b".".join((head, other, signature)), SECRET, now=1)


def test_the_cookie_has_the_documented_name() -> None:
    assert build_cookie_name(False, []) == b"TWISTED_SESSION"
    assert build_cookie_name(True, [b"a", b"b"]) == b"TWISTED_SECURE_SESSION_a_b"
