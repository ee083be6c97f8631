"""Two commits within a minute are built together."""

from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import ScriptedWorker


def config():
    return {
        "workers": [worker.Worker("w", "password")],
        "protocols": {"pb": {"port": 9989}},
        "builders": [
            util.BuilderConfig(
                name="tests",
                workernames=["w"],
                factory=util.BuildFactory([steps.ShellCommand(command=["make", "test"])]),
            )
        ],
        "schedulers": [schedulers.AnyBranchScheduler(name="all", treeStableTimer=60, builderNames=["tests"])],
    }


async def make_fails(command):
    command.out("1 test failed\n")
    command.rc(2)


def test_two_commits_are_built_together(tmp_path):
    kit = MemoryMaster(tmp_path, config).start()
    kit.wait_for(ScriptedWorker(kit.master, "w", make_fails).connect())

    for revision in ("r1", "r2"):
        kit.call(kit.master.data.updates.addChange, author="me", revision=revision, comments="", files=["a.c"])
        kit.advance(30)
    assert kit.get("builds") == []

    kit.advance(60)
    [build] = kit.get("builds")
    assert build["results"] == util.FAILURE
    changes = kit.get("builds", build["buildid"], "changes", order=["changeid"])
    assert [change["revision"] for change in changes] == ["r1", "r2"]
    kit.stop()
