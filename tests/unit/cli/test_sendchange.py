"""``sendchange``: how the command line becomes the dictionary on the wire."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from buildmaster.cli.main import Failed
from buildmaster.cli.sendchange import command, make_change, parse_auth, parse_master
from buildmaster.cli.user_options import load_user_options

NOTHING = {
    "who": "me",
    "repository": "",
    "vc": None,
    "project": "",
    "branch": None,
    "category": None,
    "codebase": None,
    "revision": None,
    "revision_file": None,
    "properties": (),
    "comments": None,
    "logfile": None,
    "when": None,
    "revlink": "",
}


def change(*files: str, encoding: str = "utf8", **given: object) -> dict[str, object]:
    return make_change(files, encoding, **{**NOTHING, **given})


def test_all_fields_have_their_names_on_the_wire():
    assert change(
        "a.c",
        "b.c",
        repository="repo",
        vc="git",
        project="p",
        branch="main",
        category="cat",
        codebase="cb",
        revision="abc",
        properties=("x:1", "url:http://host/"),
        comments="why",
        when=12.5,
        revlink="http://page",
    ) == {
        "who": "me",
        "files": ["a.c", "b.c"],
        "comments": "why",
        "branch": "main",
        "revision": "abc",
        "category": "cat",
        "properties": {"x": "1", "url": "http://host/"},
        "repository": "repo",
        "project": "p",
        "revlink": "http://page",
        "codebase": "cb",
        "src": "git",
        "when": 12.5,
    }


def test_no_codebase_is_sent_when_none_was_given():
    assert "codebase" not in change()


def test_comments_and_revision_may_come_from_files(tmp_path):
    (tmp_path / "message").write_bytes("grün\n".encode("latin-1"))
    (tmp_path / "revision").write_text("r99\n")
    made = change(encoding="latin-1", logfile=str(tmp_path / "message"), revision_file=tmp_path / "revision")
    assert (made["comments"], made["revision"]) == ("grün\n", "r99")


def test_bytes_of_the_command_line_that_were_not_utf8_are_read_in_the_given_encoding():
    name = os.fsdecode("müller".encode("latin-1"))
    assert change(encoding="latin-1", who=name)["who"] == "müller"
    assert change(encoding="latin-1", who="müller")["who"] == "müller"


def test_a_property_without_a_value_is_refused():
    with pytest.raises(click.BadParameter, match="not NAME:VALUE"):
        change(properties=("x",))


@pytest.mark.parametrize(
    ("text", "address"), [("host:9989", ("host", 9989)), ("host", ("host", 9989)), ("[::1]:7", ("::1", 7))]
)
def test_the_master_is_host_and_port(text, address):
    assert parse_master(text) == address


def test_a_port_that_is_no_number_is_refused():
    with pytest.raises(click.BadParameter, match="not HOST:PORT"):
        parse_master("host:http")


def test_a_password_may_hold_colons():
    assert parse_auth("user:a:b") == ("user", "a:b")


@pytest.mark.parametrize(("args", "missing"), [(["--who", "me"], "--master"), (["--master", "h:1"], "--who")])
def test_what_is_missing_is_named(args, missing, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, args)
    assert result.exit_code == 2
    assert f"{missing}" in result.output


def options_file(directory: Path, text: str) -> None:
    (directory / ".buildbot").mkdir(parents=True)
    (directory / ".buildbot" / "options").write_text(text)


def test_the_nearest_options_file_counts(tmp_path):
    options_file(tmp_path, "master = 'home:1'")
    options_file(tmp_path / "project", "master = 'project:1'\nbranch = 'b'")
    here = tmp_path / "project" / "sub"
    here.mkdir()
    assert load_user_options(here, tmp_path) == {"master": "project:1", "branch": "b"}


def test_the_search_does_not_go_above_the_home_directory(tmp_path):
    options_file(tmp_path, "master = 'above:1'")
    (tmp_path / "home" / "project").mkdir(parents=True)
    assert load_user_options(tmp_path / "home" / "project", tmp_path / "home") == {}


def test_an_options_file_that_raises_is_named(tmp_path):
    options_file(tmp_path, "1/0")
    with pytest.raises(Failed, match="options could not be run: ZeroDivisionError"):
        load_user_options(tmp_path, tmp_path)
