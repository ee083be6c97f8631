"""A latent worker whose instances are kept by an imagined cloud, tried on a master in memory."""

import buildmaster.testing.master  # noqa: F401, I001  from here on "buildbot" means buildmaster
from buildbot.plugins import schedulers, steps, util
from buildbot.worker import AbstractLatentWorker
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import ScriptedWorker

cloud = {}


class CloudWorker(AbstractLatentWorker):
    """Starts an instance of the cloud for the builds that come, and stops it when they are done."""

    async def start_instance(self, build):
        await self.save_instance(f"vm-{self.name}")  # to be found again after a crash
        cloud[f"vm-{self.name}"] = ScriptedWorker(self.master, self.name)
        cloud[f"vm-{self.name}"].connect()
        return [f"vm-{self.name}"]

    async def stop_instance(self, fast=False):
        cloud.pop(f"vm-{self.name}").drop()

    async def recover_instance(self, saved):
        return saved in cloud


def config():
    factory = util.BuildFactory([steps.ShellCommand(command=["make"])])
    return {
        "workers": [CloudWorker("w", "password", build_wait_timeout=60)],
        "builders": [util.BuilderConfig(name="b", workernames=["w"], factory=factory)],
        "schedulers": [schedulers.AnyBranchScheduler(name="s", builderNames=["b"])],
        "protocols": {"pb": {"port": 9989}},
    }


def test_an_instance_lives_as_long_as_builds_want_it(tmp_path):
    kit = MemoryMaster(tmp_path, config)
    kit.start()
    assert list(cloud) == []
    kit.call(kit.master.data.updates.addChange, author="me", revision="1", files=["f"], comments="c")
    kit.advance(1)
    assert [build["results"] for build in kit.get("builds")] == [util.SUCCESS]
    assert list(cloud) == ["vm-w"]
    kit.advance(60)
    assert list(cloud) == []
    kit.stop()
