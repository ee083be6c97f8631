"""Reporters on a whole master: what they are given, and that no report is lost."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer, error

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import CANCELLED, FAILURE, SUCCESS
from buildmaster.db import journal, masters, schema, turns
from buildmaster.mq.failing import MOST_ANSWERS, NOTICE_AGE, TryLater
from buildmaster.plugins import reporters, steps
from buildmaster.testing.worker import Command
from tests.support.reporting import Recorder, build, path_with, service


def one(**kwargs: Any) -> Any:
    return lambda: [Recorder(name="r", **kwargs)]


def by(generator: Any) -> Any:
    return lambda: [Recorder(name="r", generators=[generator()])]


def fail_on(*numbers: int) -> Any:
    """A script: the commands with these numbers, from 1, fail."""
    count = iter(range(1, 1000))

    async def script(command: Command) -> None:
        command.out("hello\n")
        command.rc(1 if next(count) in numbers else 0)

    return script


# -- nothing is lost ---------------------------------------------------------------------------------------------------


def test_each_finished_build_is_reported_once(tmp_path: Path) -> None:
    path = path_with(tmp_path, one())
    build(path)
    build(path)
    path.kit.advance(1000)
    assert service(path, "r").bodies() == ["b 1 success", "b 2 success"]
    path.kit.stop()


def test_a_receiver_that_is_away_gets_everything_in_order_when_it_is_back(tmp_path: Path) -> None:
    path = path_with(tmp_path, one())
    recorder = service(path, "r")
    tried: list[float] = []

    def away(reports: list[Any]) -> None:
        tried.append(path.kit.reactor.seconds())
        raise error.ConnectionRefusedError("nobody there")

    recorder.receive = away
    build(path)
    build(path)
    path.kit.advance(200)
    pauses = [round(later - earlier) for earlier, later in itertools.pairwise(tried)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert recorder.sent == []
    recorder.receive = None
    path.kit.advance(60)
    assert recorder.bodies() == ["b 1 success", "b 2 success"]
    path.kit.stop()


def test_a_restart_loses_no_report(tmp_path: Path) -> None:
    """What was not delivered is delivered by the next master, though its journal has gone on meanwhile."""
    path = path_with(tmp_path, one())
    service(path, "r").receive = lambda reports: (_ for _ in ()).throw(error.ConnectionLost())
    build(path)
    build(path)
    now = path.kit.reactor.seconds()
    path.kit.stop()
    path = path_with(tmp_path, one(), now=now + 3600)
    assert service(path, "r").bodies() == ["b 1 success", "b 2 success"]
    path.kit.stop()


def test_a_report_that_is_on_its_way_when_the_master_stops_is_sent_again(tmp_path: Path) -> None:
    path = path_with(tmp_path, one())
    recorder = service(path, "r")
    recorder.sendMessage = lambda reports: defer.Deferred()
    path.master.service_manager.namedServices["r"]._outbox._send = recorder.sendMessage
    build(path)
    stopping = path.master.stopService()
    path.kit.advance(10)
    assert stopping.called
    path = path_with(tmp_path, one(), now=path.kit.reactor.seconds())
    assert service(path, "r").bodies() == ["b 1 success"]
    path.kit.stop()


def test_a_report_is_given_up_when_it_is_too_old(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = path_with(tmp_path, one())
    service(path, "r").receive = lambda reports: (_ for _ in ()).throw(error.ConnectionLost())
    build(path)
    now = path.kit.reactor.seconds()
    path.kit.stop()
    path = path_with(tmp_path, one(), now=now + NOTICE_AGE + 60)
    build(path)
    assert service(path, "r").bodies() == ["b 2 success"]
    path.kit.stop()


def test_what_a_receiver_refuses_again_and_again_does_not_hold_up_the_others_for_ever(tmp_path: Path) -> None:
    path = path_with(tmp_path, one())
    recorder = service(path, "r")
    refused: list[str] = []

    def receive(reports: list[Any]) -> None:
        if reports[0]["body"].startswith("b 1"):
            refused.append(reports[0]["body"])
            raise TryLater("busy")

    recorder.receive = receive
    build(path)
    build(path)
    path.kit.advance(600)
    assert len(refused) == MOST_ANSWERS
    assert recorder.bodies() == ["b 2 success"]
    path.kit.stop()


def test_a_reporter_that_raises_stops_neither_the_next_report_nor_the_other_reporters(tmp_path: Path) -> None:
    path = path_with(tmp_path, lambda: [Recorder(name="bad"), Recorder(name="good")])

    def receive(reports: list[Any]) -> None:
        if reports[0]["body"].startswith("b 1"):
            raise ZeroDivisionError("user code")

    service(path, "bad").receive = receive
    build(path)
    build(path)
    assert service(path, "bad").bodies() == ["b 2 success"]
    assert service(path, "good").bodies() == ["b 1 success", "b 2 success"]
    path.kit.stop()


def test_a_generator_that_raises_takes_no_other_generators_report_with_it(tmp_path: Path) -> None:
    def broken(context: Any) -> Any:
        raise ValueError("user code")

    def services() -> Any:
        formatter = reporters.MessageFormatterFunction(broken, "plain")
        bad = reporters.BuildStatusGenerator(mode="all", message_formatter=formatter)
        good = reporters.BuildStatusGenerator(mode="all", message_formatter=reporters.MessageFormatterEmpty())
        return [Recorder(name="r", generators=[bad, good])]

    path = path_with(tmp_path, services)
    build(path)
    assert service(path, "r").bodies() == [None]
    path.kit.stop()


def test_a_new_reporter_begins_with_what_comes(tmp_path: Path) -> None:
    path = path_with(tmp_path, list)
    build(path)
    made = path.kit.loader.config
    path.kit.reconfig(lambda: {**made(), "services": [Recorder(name="r")]})
    build(path)
    assert service(path, "r").bodies() == ["b 2 success"]
    path.kit.stop()


def places(path: Any) -> list[str]:
    return sorted(path.kit.call(path.master.db.read, journal.cursors, "reporter:"))


def test_a_reporter_that_leaves_the_configuration_loses_its_place(tmp_path: Path) -> None:
    """Else it would keep the journal from being pruned for ever."""
    path = path_with(tmp_path, lambda: [Recorder(name="r"), Recorder(name="s")])
    assert places(path) == ["reporter:r", "reporter:s"]
    made = path.kit.loader.config
    path.kit.reconfig(lambda: {**made(), "services": [Recorder(name="s")]})
    assert places(path) == ["reporter:s"]
    now = path.kit.reactor.seconds()
    path.kit.stop()
    path = path_with(tmp_path, list, now=now)
    assert places(path) == []
    path.kit.stop()


def test_a_reconfiguration_keeps_the_place(tmp_path: Path) -> None:
    """Other generators, even of other events, go on where the old ones were."""
    path = path_with(tmp_path, one())
    recorder = service(path, "r")
    recorder.receive = lambda reports: (_ for _ in ()).throw(error.ConnectionLost())
    build(path)
    made = path.kit.loader.config
    generator = reporters.BuildSetStatusGenerator(mode="all", message_formatter=reporters.MessageFormatterEmpty())
    path.kit.reconfig(lambda: {**made(), "services": [Recorder(name="r", generators=[generator])]})
    assert service(path, "r") is recorder
    recorder.receive = None
    path.kit.advance(120)
    assert [report["buildset"]["bsid"] for [report] in recorder.sent] == [1]
    path.kit.stop()


# -- what is reported --------------------------------------------------------------------------------------------------


def test_the_report_on_a_build(tmp_path: Path) -> None:
    formatter = reporters.MessageFormatterFunction(lambda context: sorted(context), "json", want_steps=True)
    path = path_with(
        tmp_path,
        by(lambda: reporters.BuildStatusGenerator(mode="all", message_formatter=formatter, add_logs=True)),
        script=fail_on(1),
    )
    build(path, reason="because")
    [[report]] = service(path, "r").sent
    [built] = report["builds"]
    assert {name: report[name] for name in report if name not in ("builds", "buildset", "logs")} == {
        "body": ["build"],
        "type": "json",
        "subject": "Buildbot failure in The Site on b",
        "extra_info": None,
        "results": FAILURE,
        "users": ["me@x.org"],
        "patches": [],
        "notice": report["notice"],
    }
    assert report["buildset"]["bsid"] == 1
    assert built["url"] == "http://ci.example/builders/1/builds/1"
    assert (built["buildrequest"]["buildsetid"], built["builder"]["name"], built["parentbuild"]) == (1, "b", None)
    assert built["properties"]["reason"] == ("because", "Force Build Form")
    assert [(step["number"], step["name"]) for step in built["steps"]][-1] == (1, "compile")
    [log] = report["logs"]
    assert (log["stepname"], log["name"], log["url_raw"]) == ("compile", "stdio", "http://ci.example/api/v2/logs/1/raw")
    assert "ohello\n" in log["content"]["content"]
    path.kit.stop()


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("all", [1, 2, 3, 4]),
        ("passing", [1, 4]),
        ("failing", [2, 3]),
        ("warnings", [2, 3]),
        ("problem", [2]),
        ("change", [2, 4]),
        (["problem", "passing"], [1, 2, 4]),
        ("exception", []),
    ],
)
def test_the_modes(tmp_path: Path, mode: Any, expected: list[int]) -> None:
    empty = reporters.MessageFormatterEmpty()
    path = path_with(
        tmp_path, by(lambda: reporters.BuildStatusGenerator(mode=mode, message_formatter=empty)), script=fail_on(2, 3)
    )
    for _ in range(4):
        build(path)
    assert [report["builds"][0]["number"] for [report] in service(path, "r").sent] == expected
    path.kit.stop()


def test_start_and_end(tmp_path: Path) -> None:
    path = path_with(tmp_path, by(reporters.BuildStartEndStatusGenerator))
    build(path)
    found = [(r["body"], r["results"], r["subject"]) for [r] in service(path, "r").sent]
    assert found == [
        ("Build started.", None, None),
        ("Build done.", SUCCESS, "Buildbot success in The Site on b"),
    ]
    path.kit.stop()


def test_a_buildset_of_several_builders(tmp_path: Path) -> None:
    """One report for all of it; the combined one has a template of its own."""
    builders = {name: [steps.ShellCommand(command=["make"])] for name in ("b", "c")}

    def services() -> Any:
        each = reporters.BuildSetStatusGenerator(
            mode="failing", message_formatter=reporters.MessageFormatter("{{ summary }}")
        )
        combined = reporters.BuildSetCombinedStatusGenerator(reporters.MessageFormatter())
        return [Recorder(name="each", generators=[each]), Recorder(name="combined", generators=[combined])]

    path = path_with(tmp_path, services, builders, script=fail_on(2))
    stamps = [{"codebase": "", "repository": "r", "branch": "trunk", "project": "proj"}]
    path.kit.call(
        path.master.data.updates.addBuildset, False, "s", sourcestamps=stamps, builderids=[1, 2], reason="why"
    )
    path.kit.pump()
    [[report]] = service(path, "each").sent
    assert (report["body"], report["subject"]) == (
        "BUILD FAILED: failed 'make' (failure)",
        "☠ The Site: proj - failed 'make' (failure) (trunk)",
    )
    assert [build["builder"]["name"] for build in report["builds"]] == ["c"]
    [[report]] = service(path, "combined").sent
    assert report["results"] == FAILURE
    assert report["body"] == (
        "Failed build: proj\n\nReason:  why\nAuthors: (not known)\n\n"
        "  b: build successful\n       http://ci.example/builders/1/builds/1\n"
        "  c: failed 'make' (failure)\n       http://ci.example/builders/2/builds/1\n"
    )
    path.kit.stop()


def test_requests_that_come_and_are_cancelled(tmp_path: Path) -> None:
    path = path_with(tmp_path, by(lambda: reporters.BuildRequestGenerator(schedulers=["force"])))
    path.kit.call(path.master.data.control, "pause", {"reason": "x"}, ("workers", "w"))
    path.force()
    path.kit.pump()
    path.kit.call(path.master.data.control, "cancel", {}, ("buildrequests", 1))
    path.kit.pump()
    sent = [report for [report] in service(path, "r").sent]
    assert [(r["body"], r["results"], r["builds"][0]["complete"]) for r in sent] == [
        ("Build pending.", None, False),
        ("Build pending.", CANCELLED, True),
    ]
    [known] = sent[0]["builds"]
    assert known["url"] == "http://ci.example/buildrequests/1"
    assert known["properties"]["buildername"] == ("b", "Builder")
    assert known["buildrequest"]["buildername"] == "b"
    path.kit.stop()


def test_a_missing_worker(tmp_path: Path) -> None:
    path = path_with(tmp_path, by(reporters.WorkerMissingGenerator))
    workerid = path.kit.get("workers")[0]["workerid"]
    path.kit.call(path.master.data.updates.workerMissing, workerid, 1, 1_500_000_000, ["admin@x.org"])
    path.kit.pump()
    [[report]] = service(path, "r").sent
    assert (report["subject"], report["users"], report["worker"]) == (
        "The Site: worker w is missing",
        ["admin@x.org"],
        "w",
    )
    assert "connected last at 2017-07-14 02:40:00 UTC" in report["body"]
    path.kit.stop()


def test_messages_of_ones_own(tmp_path: Path) -> None:
    """A generator may want any routing key, a message of ``master.mq.produce`` too."""

    class Mine:
        wanted_event_keys = [("mine", None)]

        def check(self) -> None:
            pass

        def generate_name(self) -> str:
            return "mine"

        def generate(self, master: Any, reporter: Any, key: Any, body: Any) -> Any:
            return {"body": (key, body)}

    path = path_with(tmp_path, by(Mine))
    path.kit.call(path.master.mq.produce, ("mine", "x"), {"a": 1})
    path.kit.call(path.master.mq.produce, ("other", "x"), {"a": 2})
    path.kit.pump()
    assert service(path, "r").bodies() == [(("mine", "x"), {"a": 1})]
    path.kit.stop()


def test_the_default_text(tmp_path: Path) -> None:
    path = path_with(tmp_path, by(lambda: reporters.BuildStatusGenerator(mode="all")))
    build(path, reason="because")
    [[report]] = service(path, "r").sent
    assert report["subject"] == "☺ The Site: b - build successful"
    assert report["body"] == (
        "Passing build: b, The Site\n\nhttp://ci.example/builders/1/builds/1\n\n"
        "State:    build successful\nRevision: (not known)\nWorker:   w\n"
        "Reason:   A build was forced by 'me@x.org': because\nAuthors:  me@x.org\n\n"
        "Steps:\n  0. worker_preparation: success\n  1. compile: success\n"
        "       stdio: http://ci.example/builders/1/builds/1/steps/1/logs/stdio\n"
    )
    path.kit.stop()


# -- configuration -----------------------------------------------------------------------------------------------------


def test_a_reporter_without_a_name_is_named_after_its_generators() -> None:
    def named(**kwargs: Any) -> str:
        return str(reporters.HttpStatusPush("http://x/", name=None, **kwargs).name)

    assert named() == "HttpStatusPush"
    several = [Recorder(generators=[reporters.BuildStatusGenerator(builders=[name])]).name for name in ("a", "b")]
    assert several == [
        "Recorder_BuildStatusGenerator_builders_a_failing_passing_warnings",
        "Recorder_BuildStatusGenerator_builders_b_failing_passing_warnings",
    ]
    many = Recorder(generators=[reporters.BuildStatusGenerator(builders=[str(n) for n in range(500)])])
    assert len(many.name) <= 100


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recorder(generators="x"), "Recorder: generators must be a list of report generators, not 'x'"),
        (
            lambda: Recorder(generators=[reporters.BuildStatusGenerator]),
            "Recorder: BuildStatusGenerator in generators is the class: call it, BuildStatusGenerator(…)",
        ),
        (
            lambda: Recorder(generators=[reporters.BuildStatusGenerator(mode="good")]),
            "BuildStatusGenerator: mode 'good' is unknown; there are change, failing, passing, problem, warnings, "
            "exception, cancelled, and 'all' for every result",
        ),
        (
            lambda: Recorder(generators=[reporters.BuildStatusGenerator(tags=["a"], builders=["b"])]),
            "BuildStatusGenerator: tags and builders cannot both be given; remove one of them",
        ),
        (
            lambda: Recorder(generators=[reporters.BuildStatusGenerator(branches="main")]),
            "BuildStatusGenerator: branches must be a list of names, not 'main'",
        ),
        (
            lambda: reporters.MessageFormatter(template="{% if %}"),
            "MessageFormatter: line 1 of the template: Expected an expression, got 'end of statement block'",
        ),
        (
            lambda: reporters.HttpStatusPush("example.org"),
            "HttpStatusPush: serverUrl must be an address that begins with http:// or https://, not 'example.org'",
        ),
    ],
)
def test_mistakes(make: Any, message: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        make()
    assert raised.value.errors == [message]


# -- several masters ---------------------------------------------------------------------------------------------------


def test_of_two_masters_one_reports_and_the_other_takes_over(tmp_path: Path) -> None:
    path = path_with(tmp_path, one())
    db, here = path.master.db, path.master.masterid
    there = path.kit.call(db.write, lambda txn: txn.new_id("masters"))
    assert path.kit.call(db.write, turns.take, "reporter:r", there) is False
    assert path.kit.call(db.write, turns.take, "reporter:r", here) is True
    now = path.kit.reactor.seconds()
    path.kit.stop()

    path = path_with(tmp_path, list, now=now)
    db = path.master.db

    def other(txn: Any) -> None:
        txn.insert(
            schema.masters,
            id=there,
            name="there",
            active=1,
            last_active=now,
            lease_until=now + 600,
            epoch=1,
            last_batch=0,
        )
        assert turns.take(txn, "reporter:r", there)

    path.kit.call(db.write, other)
    made = path.kit.loader.config
    path.kit.reconfig(lambda: {**made(), "services": [Recorder(name="r")]})
    build(path)
    path.kit.advance(120)
    assert service(path, "r").sent == []
    path.kit.call(db.write, masters.stop, there)
    path.kit.advance(60)
    build(path)
    assert service(path, "r").bodies() == ["b 2 success"]
    path.kit.stop()


def test_html_is_escaped(tmp_path: Path) -> None:
    """What people enter does not become a part of the page that a mail is."""
    formatter = reporters.MessageFormatter(template_type="html")
    combined = reporters.MessageFormatter(template_type="html")
    path = path_with(
        tmp_path,
        lambda: [
            Recorder(name="r", generators=[reporters.BuildStatusGenerator(mode="all", message_formatter=formatter)]),
            Recorder(name="s", generators=[reporters.BuildSetCombinedStatusGenerator(combined)]),
        ],
    )
    build(path, reason="<script>")
    for name in ("r", "s"):
        [[report]] = service(path, name).sent
        assert report["type"] == "html"
        assert "&lt;script&gt;" in report["body"] and "<script>" not in report["body"]
        assert '<a href="http://ci.example/builders/1/builds/1">b</a>' in report["body"]
    path.kit.stop()
