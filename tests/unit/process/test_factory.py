"""Build factories, and what is learnt about their steps' times."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from buildmaster.base.errors import ConfigErrors
from buildmaster.process.buildstep import BuildStep
from buildmaster.process.factory import BuildFactory
from buildmaster.process.progress import BuildProgress, Expectations
from buildmaster.process.secret_files import DownloadSecretsToWorker, RemoveWorkerFileSecret
from buildmaster.properties import Property
from buildmaster.steps.shell import ShellCommand
from tests.support.buildkit import BuildKit


def classes(factory: BuildFactory) -> list[type]:
    return [step.step_class for step in factory.steps]


def test_factories_of_equal_steps_are_equal():
    assert BuildFactory([BuildStep(name="a")]) == BuildFactory([BuildStep(name="a")])
    assert BuildFactory([BuildStep(name="a")]) != BuildFactory([BuildStep(name="b")])


def test_only_steps_can_be_added():
    with pytest.raises(ConfigErrors, match="addStep takes a step, not 'make'"):
        BuildFactory(["make"])


def test_a_class_is_not_a_step():
    with pytest.raises(ConfigErrors, match="give it an instance"):
        BuildFactory([BuildStep])


def test_secrets_are_on_the_worker_while_their_steps_run():
    factory = BuildFactory()
    factory.addSteps([BuildStep()], withSecrets=[("path", Property("x"))])
    with factory.withSecrets([("other", "y")]) as same:
        same.addStep(BuildStep())
    once = [DownloadSecretsToWorker, BuildStep, RemoveWorkerFileSecret]
    assert classes(factory) == once * 2


def test_secret_files_are_written_and_removed(tmp_path):
    seen: list = []

    async def script(command):
        seen.append((command.name, command.args.get("workerdest", command.args.get("path"))))
        if command.name == "downloadFile":
            seen.append(await command.read(100))
        command.rc(1 if command.name == "shell" else 0)

    factory = BuildFactory()
    factory.addSteps([ShellCommand(command="x", haltOnFailure=True)], withSecrets=[("key", Property("branch"))])
    kit = BuildKit(tmp_path, factory, script=script)
    kit.build()
    assert seen == [("downloadFile", "key"), b"main", ("shell", None), ("rmfile", "build/key")]
    kit.stop()


# -- expected times ------------------------------------------------------------------------------------------------


def finished(progress: BuildProgress, clock: Clock, **seconds: float) -> BuildProgress:
    for name, each in seconds.items():
        step = progress.add_step(name, ("tests",))
        step.start()
        clock.advance(each)
        step.setProgress("tests", each * 10)
        step.finish()
    return progress


def test_nothing_is_expected_of_a_builder_that_has_not_built():
    progress = BuildProgress(Expectations(), Clock())
    progress.add_step("compile", ())
    assert progress.eta() is None


def test_what_is_left_is_what_the_steps_took_before():
    clock, known = Clock(), Expectations()
    known.learn(finished(BuildProgress(known, clock), clock, compile=60, test=40))
    now = BuildProgress(known, clock)
    one, two = now.add_step("compile", ()), now.add_step("test", ("tests",))
    assert now.eta() == 100
    one.start()
    clock.advance(20)
    assert now.eta() == 80
    one.finish()
    two.start()
    two.setProgress("tests", 100)  # a quarter of 400
    assert now.eta() == 30


def test_newer_builds_count_more():
    clock, known = Clock(), Expectations()
    for seconds in (10, 20, 20):
        known.learn(finished(BuildProgress(known, clock), clock, test=seconds))
    assert known.steps["test"].seconds == 17.5


def test_steps_of_one_name_are_told_apart():
    clock, known = Clock(), Expectations()
    first = BuildProgress(known, clock)
    for seconds in (10, 30):
        finished(first, clock, shell=seconds)
    known.learn(first)
    assert {name: step.seconds for name, step in known.steps.items()} == {"shell": 10, "shell_1": 30}


def test_what_was_learnt_can_be_stored():
    clock, known = Clock(), Expectations()
    known.learn(finished(BuildProgress(known, clock), clock, test=10))
    assert Expectations(known.to_json()).to_json() == {"test": {"seconds": 10, "metrics": {"tests": 100}}}


def test_steps_that_are_gone_are_forgotten():
    clock, known = Clock(), Expectations({"old": {"seconds": 5}})
    known.learn(finished(BuildProgress(known, clock), clock, test=10))
    assert list(known.steps) == ["test"]
