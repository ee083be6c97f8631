"""Builds that trigger builds."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS
from buildmaster.process.factory import BuildFactory
from buildmaster.properties import Interpolate, Property
from buildmaster.steps.master import SetProperty
from buildmaster.steps.shell import ShellCommand
from buildmaster.steps.trigger import Trigger
from tests.support.one_step import STAMP, run_steps


def child(command="child"):
    return BuildFactory([ShellCommand(command=command)])


async def script(command):
    if command.args["command"] == "slow":
        await command.sleep(30)
    if command.args["command"] == "stuck":
        await command.stall()
    command.rc(1 if command.args["command"] == "bad" else 0)


def stamps(done, number=1):
    """What the triggered buildset of this number builds."""
    return [
        (s["codebase"], s["branch"], s["revision"], s["repository"]) for s in done.buildsets[number]["sourcestamps"]
    ]


def test_by_default_the_step_does_not_wait(tmp_path):
    done = run_steps(tmp_path, Trigger(schedulerNames=["c"]), others={"c": child("slow")}, script=script)
    assert (done.results, done.text) == (SUCCESS, "triggered c")
    assert done.urls == [("c #2", "http://localhost:8080/buildrequests/2")]
    assert [(b["results"], b["complete_at"] > done.step["complete_at"]) for b in done.builds[1:]] == [(SUCCESS, True)]
    assert (done.buildsets[1]["parent_buildid"], done.buildsets[1]["parent_relationship"]) == (1, "Triggered from")


def test_waiting_ends_with_the_worst_result(tmp_path):
    step = Trigger(schedulerNames=["good", "bad"], waitForFinish=True)
    done = run_steps(tmp_path, step, others={"good": child("slow"), "bad": child("bad")}, script=script)
    assert (done.results, done.text) == (FAILURE, "triggered good, bad, 1 success, 1 failure")
    assert (done.step["complete_at"] - done.step["started_at"]).total_seconds() == 30
    assert {name for name, _ in done.urls} == {"good #2", "bad #3", "success: good #1", "failure: bad #1"}


def test_unimportant_builds_do_not_count(tmp_path):
    step = Trigger(schedulerNames=["good", "bad"], unimportantSchedulerNames=["bad"], waitForFinish=True)
    done = run_steps(tmp_path, step, others={"good": child(), "bad": child("bad")}, script=script)
    assert done.results == SUCCESS


GOT = SetProperty(property="got_revision", value="abc")


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, [("", "main", "abc", "repo")]),
        ({"updateSourceStamp": False}, [("", "main", "r1", "repo")]),
        ({"alwaysUseLatest": True}, [("", None, None, "")]),
        ({"sourceStamp": {"branch": "b", "revision": Property("got_revision")}}, [("", "b", "abc", "")]),
        (
            {"sourceStamps": [{"branch": "b", "revision": None, "repository": "x"}]},
            [("", "b", None, "x")],
        ),
    ],
)
def test_which_source_the_triggered_builds_get(tmp_path, kwargs, expected):
    done = run_steps(tmp_path, GOT, Trigger(schedulerNames=["c"], **kwargs), others={"c": child()}, script=script)
    assert stamps(done) == expected


def test_properties_are_set_and_copied(tmp_path):
    step = Trigger(schedulerNames=["c"], set_properties={"a": Interpolate("%(prop:x)s!")}, copy_properties=["y"])
    done = run_steps(tmp_path, step, others={"c": child()}, properties={"x": "1", "y": [2]}, script=script)
    properties = done.buildset_properties[1]
    assert (properties["a"], properties["y"], properties["scheduler"]) == ("1!", [2], "c")


def test_a_subclass_chooses_what_to_trigger_several_times_too(tmp_path):
    class Dynamic(Trigger):
        def getSchedulersAndProperties(self):
            return [
                {"sched_name": "c", "props_to_set": {"part": part}, "unimportant": False}
                for part in range(self.getProperty("parts"))
            ]

    step = Dynamic(schedulerNames=["c"], waitForFinish=True)
    done = run_steps(tmp_path, step, others={"c": child()}, properties={"parts": 3}, script=script)
    assert (done.results, done.text) == (SUCCESS, "triggered c, c, c, 3 successes")
    assert [properties["part"] for properties in done.buildset_properties[1:]] == [0, 1, 2]


def test_a_parent_that_lost_its_worker_finds_its_children_again(tmp_path):
    def lose(kit, worker):
        worker.drop()
        kit.advance(1)
        kit.wait_for(worker.connect())

    step = Trigger(schedulerNames=["c"], waitForFinish=True)
    done = run_steps(tmp_path, step, others={"c": child("slow")}, script=script, meanwhile=lose)
    assert [buildset["results"] for buildset in done.buildsets] == [SUCCESS, SUCCESS]
    of_parent = [build["results"] for build in done.builds if build["builderid"] == done.build["builderid"]]
    assert of_parent == [RETRY, SUCCESS]


def test_stopping_the_parent_cancels_those_it_waits_for(tmp_path):
    def stop(kit, worker):
        kit.call(kit.master.data.control, "stop", {"reason": "enough"}, ("builds", 1))

    step = Trigger(schedulerNames=["c"], waitForFinish=True)
    done = run_steps(tmp_path, step, others={"c": child("stuck")}, script=script, meanwhile=stop)
    assert (done.results, done.text) == (CANCELLED, "interrupted")
    assert [build["results"] for build in done.builds] == [CANCELLED, CANCELLED]


def test_stopping_the_parent_leaves_those_it_does_not_wait_for(tmp_path):
    def stop(kit, worker):
        kit.call(kit.master.data.control, "stop", {"reason": "enough"}, ("builds", 1))

    steps = Trigger(schedulerNames=["c"]), ShellCommand(command="stuck")
    done = run_steps(tmp_path, *steps, others={"c": child("slow")}, script=script, meanwhile=stop)
    assert [build["results"] for build in done.builds] == [CANCELLED, SUCCESS]


def test_an_unknown_scheduler_is_an_exception_that_names_it(tmp_path):
    done = run_steps(tmp_path, Trigger(schedulerNames=["nobody"]))
    assert done.results == EXCEPTION
    assert "unknown triggered scheduler: 'nobody'" in done.logs["err.text"]


def test_one_codebase_has_one_stamp(tmp_path):
    step = Trigger(schedulerNames=["c"], sourceStamps=[dict(STAMP), dict(STAMP)])
    done = run_steps(tmp_path, step, others={"c": child()})
    assert done.results == EXCEPTION
    assert "codebase '' specified more than once" in done.logs["err.text"]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "You must specify a scheduler to trigger"),
        (
            {"schedulerNames": ["a"], "sourceStamp": STAMP, "updateSourceStamp": True},
            "You can't specify both sourceStamps and updateSourceStamp",
        ),
        (
            {"schedulerNames": ["a"], "sourceStamps": [STAMP], "alwaysUseLatest": True},
            "You can't specify both sourceStamps and alwaysUseLatest",
        ),
        (
            {"schedulerNames": ["a"], "alwaysUseLatest": True, "updateSourceStamp": True},
            "You can't specify both alwaysUseLatest and updateSourceStamp",
        ),
        (
            {"schedulerNames": ["a"], "unimportantSchedulerNames": ["b"]},
            "unimportantSchedulerNames must be a subset of schedulerNames",
        ),
    ],
)
def test_mistakes_are_told(kwargs, message):
    with pytest.raises(ConfigErrors) as caught:
        Trigger(**kwargs)
    assert caught.value.errors == [message]
