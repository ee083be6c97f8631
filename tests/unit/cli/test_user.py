"""``user``: how the command line becomes the arguments on the wire."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from buildmaster.cli.user import command, make_command


def test_each_info_is_a_user_named_after_its_first_value() -> None:
    made = make_command("add", None, None, None, ("svn=jdoe,git=John Doe <j@x>", "email=k@x"))
    assert made == {
        "op": "add",
        "bb_username": None,
        "bb_password": None,
        "ids": None,
        "info": [
            {"identifier": "jdoe", "svn": "jdoe", "git": "John Doe <j@x>"},
            {"identifier": "k@x", "email": "k@x"},
        ],
    }


def test_an_update_names_the_user_first() -> None:
    assert make_command("update", None, None, None, ("jdoe:git=J",))["info"] == [{"identifier": "jdoe", "git": "J"}]
    for info in ("jdoe", "jdoe:"):
        assert make_command("update", "j", "pw", None, (info,))["info"] == [{"identifier": "jdoe"}]


def test_ids_are_separated_by_commas() -> None:
    assert make_command("get", None, None, "a, b,", ())["ids"] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("steal", None, None, "a", ()), "--op must be"),
        (("get", "j", "pw", "a", ()), "go with --op update"),
        (("update", "j", None, None, ("a:",)), "go together"),
        (("add", None, None, "a", ()), "--op add takes --info"),
        (("remove", None, None, None, ("a=b",)), "--op remove takes --ids"),
        (("update", None, None, None, ("git=x",)), "must begin with the identifier"),
        (("update", None, None, None, ("jdoe:",)), "it has no TYPE=VALUE"),
        (("add", None, None, None, ("git",)), "'git' is not TYPE=VALUE"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        make_command(*arguments)


def test_what_is_missing_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, ["--master", "h:1", "--passwd", "x", "--op", "get", "--ids", "a"])
    assert (result.exit_code, "--username is missing" in result.output) == (2, True)
