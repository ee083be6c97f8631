"""Job files of Try_Jobdir in a whole master in memory: each is built once, whatever happens to it."""

from __future__ import annotations

import json
import os

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.config.builder import BuilderConfig
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.trysched import Try_Jobdir, Try_Userpass
from buildmaster.testing.master import MemoryMaster
from buildmaster.worker.base import Worker


def put(directory, name, **job):
    text = json.dumps({"patch_level": 1, "patch_body": "diff", **job}).encode()
    (directory / "new" / name).write_bytes(b"1:5,%d:%s," % (len(text), text))


@pytest.fixture
def jobs(tmp_path):
    for part in ("new", "cur", "tmp"):
        (tmp_path / "jobs" / part).mkdir(parents=True)
    return tmp_path / "jobs"


@pytest.fixture
def kit(tmp_path, jobs):
    def config():
        return {
            "protocols": {"pb": {"port": "tcp:0"}},
            "workers": [Worker("w", "secret")],
            "builders": [BuilderConfig(name=name, workernames=["w"], factory=BuildFactory()) for name in ("a", "b")],
            "schedulers": [Try_Jobdir(name="try", builderNames=["a", "b"], jobdir=str(jobs), properties={"p": "s"})],
        }

    (tmp_path / "master").mkdir()
    running = MemoryMaster(tmp_path / "master", config).start()
    yield running
    running.stop()


def buildsets(kit):
    return kit.get("buildsets", order=("bsid",))


def test_a_job_becomes_one_buildset(kit, jobs):
    put(jobs, "1", jobid="j", branch="main", baserev="r", who="me", comment="why", properties={"q": 1})
    kit.advance(10)
    (buildset,) = buildsets(kit)
    assert (buildset["reason"], buildset["external_idstring"]) == ("'try' job by user me", "j")
    (stamp,) = buildset["sourcestamps"]
    assert (stamp["branch"], stamp["revision"]) == ("main", "r")
    patch = {key: stamp["patch"][key] for key in ("level", "body", "author", "comment")}
    assert patch == {"level": 1, "body": b"diff", "author": "me", "comment": "why"}
    found = kit.get("buildsets", buildset["bsid"], "properties")
    assert {name: tuple(value) for name, value in found.items() if name != "scheduler"} == {
        "p": ("s", "Scheduler"),
        "q": (1, "try build"),
    }
    assert len(kit.get("buildrequests")) == 2
    assert os.listdir(jobs / "cur") == ["1"]
    # a master that died before it moved the file finds it again
    (jobs / "cur" / "1").rename(jobs / "new" / "1")
    kit.advance(10)
    assert (len(buildsets(kit)), os.listdir(jobs / "cur")) == (1, ["1"])


def test_a_job_that_makes_no_sense_is_moved_and_not_built(kit, jobs):
    (jobs / "new" / "1").write_bytes(b"nonsense")
    put(jobs, "2", builderNames=["nobody"])
    put(jobs, "3", builderNames=["b"], patch_body=None)
    kit.advance(10)
    (buildset,) = buildsets(kit)
    assert buildset["sourcestamps"][0]["patch"] is None
    assert len(kit.get("buildrequests")) == 1
    assert sorted(os.listdir(jobs / "cur")) == ["1", "2", "3"]


def test_jobs_wait_while_the_scheduler_is_switched_off(kit, jobs):
    (scheduler,) = kit.get("schedulers")
    control = ("schedulers", scheduler["schedulerid"])
    kit.call(kit.master.data.control, "enable", {"enabled": False}, control)
    put(jobs, "1")
    kit.advance(30)
    assert buildsets(kit) == []
    kit.call(kit.master.data.control, "enable", {"enabled": True}, control)
    kit.advance(10)
    assert len(buildsets(kit)) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Try_Jobdir(name="t", builderNames=[], jobdir=""), "scheduler 't': jobdir must be a directory, not ''"),
        (
            lambda: Try_Userpass(name="t", builderNames=[], port=1, userpass=[]),
            "scheduler 't': userpass must name at least one user, as a pair (user name, password)",
        ),
        (
            lambda: Try_Userpass(name="t", builderNames=[], port=1, userpass=["ann"]),
            "scheduler 't': userpass must be a list of pairs (user name, password)",
        ),
        (
            lambda: Try_Userpass(name="t", builderNames=[], port="x", userpass=[("a", "b")]),
            "scheduler 't': PB port 'x' is not a port: give a number (9989) or a strports text ('tcp:9989')",
        ),
    ],
)
def test_mistakes_are_told(make, message):
    with pytest.raises(ConfigErrors) as caught:
        make()
    assert caught.value.errors == [message]
