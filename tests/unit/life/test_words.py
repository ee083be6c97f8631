"""What a user is told when a master cannot run."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from twisted.internet.error import CannotListenError

from buildmaster.base.dirlock import DirectoryLocked
from buildmaster.base.errors import ConfigErrors
from buildmaster.life.words import explain, explain_database, hide_password
from buildmaster.service import ReconfigFailed, ServiceFailure


def test_configuration_errors_are_listed():
    assert explain(ConfigErrors(["one", "two\nmore"])) == ["The configuration has errors:", "  one", "  two\n    more"]


def test_a_directory_in_use_names_the_process():
    [line] = explain(DirectoryLocked(Path("/m"), 17))
    assert line.startswith("/m is in use by process 17")


def test_a_port_in_use_is_told_with_the_mend():
    error = CannotListenError("127.0.0.1", 8010, OSError(errno.EADDRINUSE, "in use"))
    assert explain(error) == [
        "cannot listen on port 8010 of 127.0.0.1: another program listens there already: stop it, or configure another "
        "port"
    ]


def test_a_full_disk_is_told_with_the_mend():
    assert explain(OSError(errno.ENOSPC, "No space left on device", "/m/x")) == [
        "/m/x: No space left on device. Make room and start again"
    ]


def test_services_that_did_not_begin_are_listed():
    failure = ServiceFailure("www", "WWWService", "reconfigure", "ConfigErrors: port 1", "x")
    assert explain(ReconfigFailed([failure])) == [
        "Not everything could begin:",
        "  WWWService 'www': ConfigErrors: port 1",
    ]


def test_anything_else_is_told_with_its_type():
    assert explain(RuntimeError("odd"))[0] == "RuntimeError: odd"


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("database is locked", "Another process has it open"),
        ("attempt to write a readonly database", "Let the master's user own the file"),
        ("database or disk is full", "Make room"),
        ("connection refused", "See that its server runs"),
    ],
)
def test_each_trouble_of_a_database_has_its_mend(text, mend):
    lines = explain_database(RuntimeError(text), "sqlite:///x")
    assert lines[0] == f"The database sqlite:///x cannot be used: {text}"
    assert lines[1].startswith(mend)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:se:same@host/db", "postgresql://me:***@host/db"),
        ("sqlite:///state.sqlite", "sqlite:///state.sqlite"),
        ("mysql://me@host/db", "mysql://me@host/db"),
    ],
)
def test_a_password_is_not_shown(url, shown):
    assert hide_password(url) == shown
