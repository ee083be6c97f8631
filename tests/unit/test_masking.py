"""What is hidden, and by what it is replaced."""

from __future__ import annotations

import pickle
from collections import namedtuple

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.properties import Interpolate, Properties, Secrets, mask_secrets

KEY = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nx7+y\n-----END KEY-----\n"


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("s3cret", "it is s3cret!", "it is <pw>!"),
        ("s3cret\n", "s3cret, without its line end", "<pw>, without its line end"),
        ("it's", "echo 'it'\"'\"'s' \"it's\"", "echo '<pw>' \"<pw>\""),
        ('a\\b"c', """argv: ['x', 'a\\\\b"c']  {"a": "a\\\\b\\"c"}""", """argv: ['x', '<pw>']  {"a": "<pw>"}"""),
        ("p@ss/w&rd", "https://u:p%40ss%2Fw%26rd@h/ and p@ss/w&amp;rd", "https://u:<pw>@h/ and <pw>"),
        ("two words", "q=two+words&p=two%20words", "q=<pw>&p=<pw>"),
        ("größe", "gr\\xf6\\xdfe b'gr\\xc3\\xb6\\xc3\\x9fe' gr\\u00f6\\u00dfe", "<pw> b'<pw>' <pw>"),
        ("1234567", "curl -u u:MTIzNDU2Nw==", "curl -u u:MTIzNDU2Nw=="),  # too short to be looked for in base64
        (KEY, f"the key {KEY}!", "the key <pw>!"),
        (KEY, "cat: MIIEowIBAAKCAQEA", "cat: <pw>"),
        (KEY, "x7+y", "x7+y"),  # a short line alone
        (" \n", "nothing is hidden \n", "nothing is hidden \n"),
    ],
)
def test_a_secret_is_hidden_in_all_its_forms(secret, text, shown):
    assert mask_secrets(text, {secret: "pw"}) == shown


def test_of_secrets_in_each_other_the_longest_is_hidden():
    assert mask_secrets("abcdef abc", {"abc": "short", "abcdef": "long"}) == "<long> <short>"


def test_a_name_that_would_tell_a_secret_is_not_shown():
    assert mask_secrets("the password: password", {"password": "password"}) == "the <hidden>: <hidden>"
    assert mask_secrets("key, hidden", {"key": "the key", "hidden": "h"}) == "<***>, <h>"


Pair = namedtuple("Pair", "name value")


def test_values_of_any_shape_are_hidden():
    props = Properties()
    value = {"list": ["x", ("s3cret", 1)], "s3cret": b"\xff s3cret", "none": None, "pair": Pair("n", "s3cret")}
    assert props.without_secrets(value) is value
    props.useSecret("s3cret", "pw")
    assert props.without_secrets(value) == {
        "list": ["x", ("<pw>", 1)],
        "<pw>": b"\xff <pw>",
        "none": None,
        "pair": Pair("n", "<pw>"),
    }
    assert props.names_of_secrets_in(value) == ["pw"]
    assert props.names_of_secrets_in({"a": ["b"]}) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [("abc", "<pw> def"), (b"abc", "<pw> def"), ({"a": "abc", "b": ["def", None, True]}, "<pw> <pw>"), (12, "abc def")],
)
def test_a_provider_may_give_other_things_than_texts(value, shown):
    props = Properties()
    props.useSecret(value, "pw")
    assert props.cleanupTextFromSecrets("abc def") == shown


def test_short_values_may_be_left_alone():
    secrets = Secrets(shortest=4)
    secrets.use("abc", "short")
    secrets.use("abcd", "long")
    assert pickle.loads(pickle.dumps(secrets)) == secrets == {"abcd": "long"}


def test_of_many_values_those_are_known_that_were_used_last():
    secrets = Secrets(most=2)
    for value, name in (("aaaa", "a"), ("bbbb", "b"), ("aaaa", "again"), ("cccc", "c")):
        secrets.use(value, name)
    assert list(secrets) == ["aaaa", "cccc"]
    assert mask_secrets("aaaa bbbb cccc", secrets) == "<a> bbbb <c>"


def test_a_secret_of_any_name_can_be_interpolated():
    """Those of Vault hold slashes and a bar."""
    Interpolate("%(secret:path/to\\|it|key)s %(secret:a b:-none)s")
    with pytest.raises(ConfigErrors, match="must not be empty"):
        Interpolate("%(secret:)s")
