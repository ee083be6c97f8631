"""Arguments of reporters from before Buildbot 3.0."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.plugins import reporters
from buildmaster.reporters.older import generators_of
from buildmaster.reporters.wants import today


def made(**given: Any) -> Any:
    return generators_of("MailNotifier", None, given, html=True)


def test_what_is_reported_goes_to_a_generator_of_builds():
    formatter = reporters.MessageFormatter(subject="s")
    (builds, missing) = made(
        mode=("failing", "passing"),
        builders=["b"],
        schedulers=["s"],
        branches=["main"],
        subject="Build %(builder)s",
        addLogs=True,
        addPatch=False,
        messageFormatter=formatter,
    )
    assert type(builds) is reporters.BuildStatusGenerator
    assert (builds.mode, builds.builders, builds.schedulers, builds.branches) == (
        ("failing", "passing"),
        ["b"],
        ["s"],
        ["main"],
    )
    assert (builds.subject, builds.add_logs, builds.add_patch) == ("Build %(builder)s", True, False)
    assert builds.formatter is formatter
    assert (type(missing), missing.workers) == (reporters.WorkerMissingGenerator, "all")


def test_what_is_not_given_is_as_without_arguments():
    (builds, missing) = made(tags=["t"])
    default_builds, default_missing = reporters.MailNotifier("ci@x.org", name="m")._create_default_generators()
    assert (builds.formatter, missing) == (default_builds.formatter, default_missing)
    assert (builds.mode, builds.add_patch) == (default_builds.mode, default_builds.add_patch)


def test_a_summary_of_the_buildset():
    assert type(made(buildSetSummary=True)[0]) is reporters.BuildSetStatusGenerator


@pytest.mark.parametrize(("watched", "workers"), [("all", ["all"]), (["w"], [["w"]]), (None, [])])
def test_workers_that_are_watched(watched, workers):
    assert [one.workers for one in made(watchedWorkers=watched)[1:]] == workers


def test_generators_stay_what_they_are():
    assert generators_of("MailNotifier", ["g"], {}) == ["g"]


def test_a_notifier_takes_them():
    reporters.MailNotifier("ci@x.org", name="m", mode="failing", messageFormatter=reporters.MessageFormatter())
    with pytest.raises(ConfigErrors, match="builders, mode can't be used together with generators; give them to a"):
        reporters.MailNotifier("ci@x.org", name="m", mode="failing", builders=["b"], generators=[])
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonesuch'"):
        reporters.MailNotifier("ci@x.org", name="m", nonesuch=1)


def test_formatters_know_the_older_wants():
    formatter = reporters.MessageFormatter(template="x", wantProperties=False, wantSteps=True, wantLogs=True)
    assert (formatter.want_properties, formatter.want_steps) == (False, True)
    assert (formatter.want_logs, formatter.want_logs_content) == (True, True)
    assert formatter == reporters.MessageFormatter(
        template="x", want_properties=False, want_steps=True, want_logs=True, want_logs_content=True
    )
    with pytest.raises(TypeError, match=r"MessageFormatter\(\) got an unexpected keyword argument 'wantNothing'"):
        reporters.MessageFormatter(wantNothing=True)


def test_wants_of_one_function():
    assert today("f", {"wantSteps": True}, want_steps=False) == {"want_steps": True}
    with pytest.raises(TypeError, match=r"f\(\) got an unexpected keyword argument 'wantLogs'"):
        today("f", {"wantLogs": True}, want_steps=False)
