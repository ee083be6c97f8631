"""Small rules of reporters: which build is news, in which words, and how reports are joined."""

from __future__ import annotations

import types
from typing import Any

import pytest
from twisted.internet import error
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived

from buildmaster.base.aio import DeadlineExceeded
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.mq import failing
from buildmaster.mq.failing import TryLater
from buildmaster.plugins import reporters
from buildmaster.reporters import message, utils
from buildmaster.reporters.chat import access, events
from buildmaster.reporters.chat.asking import UsageError, parse_force, parse_properties
from buildmaster.reporters.chat.telegram_bot import PARTS, parts
from buildmaster.testing.sync import result_of


@pytest.mark.parametrize(
    ("mode", "results", "before", "text"),
    [
        (("change",), FAILURE, None, "failed build"),
        (("change",), FAILURE, SUCCESS, "new failure"),
        (("problem",), FAILURE, EXCEPTION, "new failure"),
        (("failing",), FAILURE, SUCCESS, "failed build"),
        (("change",), SUCCESS, FAILURE, "restored build"),
        (("problem",), SUCCESS, FAILURE, "passing build"),
        (("all",), WARNINGS, SUCCESS, "problem in the build"),
        (("all",), SKIPPED, None, "skipped build"),
        (("all",), EXCEPTION, None, "build exception"),
        (("all",), RETRY, None, "retry build"),
        (("all",), CANCELLED, None, "cancelled build"),
        (("all",), None, None, "not finished build"),
    ],
)
def test_what_was_detected(mode: Any, results: Any, before: Any, text: str) -> None:
    assert message.get_detected_status_text(mode, results, before) == text


@pytest.mark.parametrize(
    ("results", "text"),
    [
        (SUCCESS, "Build succeeded!"),
        (WARNINGS, "Build Had Warnings: what"),
        (FAILURE, "BUILD FAILED: what"),
        (EXCEPTION, "BUILD FAILED: what"),
        (CANCELLED, "Build was cancelled"),
    ],
)
def test_summaries(results: int, text: str) -> None:
    assert message.get_message_summary_text({"state_string": "what"}, results) == text


def test_sources_and_projects() -> None:
    stamps = [
        {"codebase": "c", "project": "q", "branch": "b", "revision": "r", "patch": {}},
        {"codebase": "", "project": "p", "branch": None, "revision": None, "patch": None},
    ]
    master = types.SimpleNamespace(config=types.SimpleNamespace(title="T"))
    assert message.get_message_source_stamp_text(stamps) == (
        "Build Source Stamp 'c': [branch b] r (plus patch)\nBuild Source Stamp: HEAD\n"
    )
    assert message.get_projects_text(stamps, master) == "p, q"
    assert message.get_projects_text([], master) == "T"


def test_reports_are_joined() -> None:
    reports = [{"a": "x", "b": None}, {"a": None, "b": [1]}, {"b": [2]}, {}]
    assert [utils.merge_reports_prop(reports, name) for name in ("a", "b", "c")] == ["x", [1, 2], None]
    assert [utils.merge_reports_prop_take_first(reports, name) for name in ("a", "b", "c")] == ["x", [1], None]


@pytest.mark.parametrize(
    ("wanted", "attached"),
    [(True, True), (False, False), ([], False), (["stdio"], True), (["make.stdio"], True), (["make.*"], False)],
)
def test_which_logs_are_attached(wanted: Any, attached: bool) -> None:
    assert utils.should_attach_log(wanted, {"stepname": "make", "name": "stdio"}) is attached


def test_a_template_has_the_documented_variables() -> None:
    """Those of ``ctx`` too; the subject is one line; further information comes from a function."""
    formatter = reporters.MessageFormatter(
        template="{{ mine }} {{ buildername }} {{ workername }} {{ blamelist | join(',') }} "
        "{{ is_buildset }} {{ mode[0] }}",
        subject="{{ result_names[results] }}\n{{ summary }}",
        ctx={"mine": 1},
        extra_info_cb=lambda context: {"info": {"project": context["projects"]}},
    )
    build = {
        "builder": {"name": "b"},
        "properties": {"workername": ("w", "x")},
        "results": FAILURE,
        "state_string": "what",
        "url": "u",
        "buildset": {"sourcestamps": []},
    }
    config = types.SimpleNamespace(title="T", buildbotURL="http://x/")
    master = types.SimpleNamespace(config=config)
    made = result_of(formatter.format_message_for_build(master, build, mode=("all",), users=["al"]))
    assert made == {
        "body": "1 b w al False all",
        "type": "plain",
        "subject": "failure BUILD FAILED: what",
        "extra_info": {"info": {"project": "T"}},
    }


@pytest.mark.parametrize(
    ("wanted", "results", "before", "told"),
    [
        (["finished"], SUCCESS, None, True),
        (["success"], SUCCESS, None, True),
        (["failure"], SUCCESS, FAILURE, False),
        (["problem"], EXCEPTION, None, True),
        (["recovery"], SUCCESS, FAILURE, True),
        (["recovery"], SUCCESS, None, False),
        (["recovery"], FAILURE, SUCCESS, False),
        (["better"], WARNINGS, FAILURE, True),
        (["better"], FAILURE, FAILURE, False),
        (["worse"], FAILURE, WARNINGS, True),
        (["successToFailure"], FAILURE, SUCCESS, True),
        (["successToFailure"], FAILURE, WARNINGS, False),
        ([], FAILURE, SUCCESS, False),
    ],
)
def test_of_which_builds_a_chat_is_told(wanted: Any, results: int, before: Any, told: bool) -> None:
    assert events.wanted(wanted, results, before) is told


def test_names_of_events() -> None:
    names = ("started", "worker", "failureToSuccess", "cancelledToWarnings", "failuretoSuccess", "broken")
    assert [events.is_event(name) for name in names] == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("authz", "command", "dangerous", "allowed"),
    [
        ({}, "status", False, True),
        ({}, "force", True, False),
        ({"": True}, "force", True, False),
        ({"": False}, "status", False, False),
        ({"!": ["bob"]}, "force", True, True),
        ({"!": ["ann"]}, "force", True, False),
        ({"!": True, ("force", "stop"): ["ann"]}, "stop", True, False),
        ({"FORCE": True}, "force", True, True),
        ({"": ["ann"], "status": True}, "status", False, True),
    ],
)
def test_who_may_do_what(authz: Any, command: str, dangerous: bool, allowed: bool) -> None:
    assert access.may(access.expand_authz(authz), command, ["bob"], dangerous) is allowed


def test_the_options_of_force() -> None:
    options = parse_force(["b", "it", "is", "--branch=x", "time", "--props=a=1,b=c=d"])
    assert (options["builder"], options["branch"], options["reason"]) == ("b", "x", "it is time")
    assert parse_properties(options["props"]) == {"a": "1", "b": "c=d"}
    with pytest.raises(UsageError, match="option --nosuch not recognized"):
        parse_force(["--nosuch=1", "b"])


def test_long_messages_are_cut_between_lines() -> None:
    lines = [f"line {n} " + "x" * 90 for n in range(100)]
    pieces = list(parts("\n".join(lines)))
    assert "\n".join(pieces).split("\n") == lines
    assert max(map(len, pieces)) <= PARTS
    assert [len(piece) for piece in parts("y" * (PARTS + 1))] == [PARTS, 1]


@pytest.mark.parametrize(
    ("raised", "answers", "again"),
    [
        (error.ConnectionRefusedError(), 1000, True),
        (error.DNSLookupError(), 1000, True),
        (ResponseNeverReceived([Failure(error.ConnectionLost())]), 1000, True),
        (TryLater("x", unreachable=True), 1000, True),
        (TryLater("x"), failing.MOST_ANSWERS - 1, True),
        (TryLater("x"), failing.MOST_ANSWERS, False),
        (DeadlineExceeded("x"), 1, True),
        (ValueError("x"), 1, False),
    ],
)
def test_which_errors_are_worth_another_attempt(raised: Exception, answers: int, again: bool) -> None:
    assert failing.may_be_repeated(raised, answers) is again


def test_an_error_in_one_line() -> None:
    assert failing.words(ResponseNeverReceived([Failure(ValueError("a")), Failure(KeyError("b"))])) == (
        "ValueError: a; KeyError: 'b'"
    )
