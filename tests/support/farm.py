"""A real master with a real worker, on which a test builds whatever it likes."""

from __future__ import annotations

from pathlib import Path

from buildmaster.config.builder import BuilderConfig
from buildmaster.process.factory import BuildFactory
from buildmaster.process.triggering import wait_for_buildset
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.worker.local import LocalWorker
from tests.support.git_repo import ENV
from tests.support.live_master import LiveMaster


class Farm:
    """A master with one real worker; each test gives it other steps and another directory."""

    def __init__(self, basedir: Path) -> None:
        self.basedir = basedir
        self.steps: list = []
        self.directory = "none"
        self.live = LiveMaster(basedir, self.config)

    def config(self):
        return {
            "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
            "workers": [LocalWorker("w")],
            "builders": [
                BuilderConfig(
                    name="b",
                    workernames=["w"],
                    workerbuilddir=self.directory,
                    factory=BuildFactory(self.steps),
                    env=ENV,
                )
            ],
            "schedulers": [Triggerable(name="t", builderNames=["b"])],
        }

    @property
    def tree(self) -> Path:
        """Where the source is."""
        return self.basedir / "workers" / "w" / self.directory / "build"

    def build(self, *steps, branch=None, revision=None, patch=None):
        """Build; the build with its properties."""
        self.steps = list(steps)
        self.live.call(self.live.master.reconfig)
        stamp = {"codebase": "", "repository": "", "project": "", "branch": branch, "revision": revision}
        if patch is not None:
            stamp |= {
                "patch_level": 1,
                "patch_body": patch,
                "patch_subdir": "",
                "patch_author": "",
                "patch_comment": "",
            }
        builder = self.live.get("builders", "b")
        bsid, requests = self.live.call(
            self.live.master.data.updates.addBuildset,
            waited_for=False,
            builderids=[builder["builderid"]],
            sourcestamps=[stamp],
            reason="test",
        )
        self.live.call(wait_for_buildset, self.live.master, bsid)
        (request,) = requests.values()
        (build,) = self.live.get("buildrequests", request, "builds")
        found = self.live.get("builds", build["buildid"], "properties")
        return {**build, "properties": {name: value for name, (value, _) in found.items()}}

    def log(self, build, name="stdio"):
        """The log of the build's last step."""
        step = self.live.get("builds", build["buildid"], "steps", order=("-number",))[0]
        (log,) = [one for one in self.live.get("steps", step["stepid"], "logs") if one["name"] == name]
        return self.live.get("logs", log["logid"], "contents")["content"]
