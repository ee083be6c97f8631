"""The step of the guide "Find files on the worker", run by the project's tests on a real worker."""

import buildmaster  # noqa: F401  # isort: skip - needed outside a master.cfg only: "buildbot" means buildmaster

import stat

from buildbot.interfaces import WorkerTooOldError
from buildbot.plugins import steps, util
from buildbot.process import buildstep


class FindCompiled(buildstep.BuildStep):
    """Tells which compiled files there are in a directory."""

    name = "find compiled files"

    def __init__(self, dirname, **kwargs):
        super().__init__(**kwargs)
        self.dirname = dirname

    async def run(self):
        if not (self.workerVersion("stat") and self.workerVersion("glob")):
            raise WorkerTooOldError("need stat and glob")
        command = buildstep.RemoteCommand("stat", {"file": self.dirname})
        await self.runCommand(command)
        if command.didFail():
            self.descriptionDone = "File not found."
            return util.FAILURE
        if not stat.S_ISDIR(command.updates["stat"][-1][stat.ST_MODE]):
            self.descriptionDone = "'tis not a directory"
            return util.WARNINGS
        command = buildstep.RemoteCommand("glob", {"path": self.dirname + "/*.pyc"})
        await self.runCommand(command)
        if command.didFail():
            return util.FAILURE
        names = [path.rpartition("/")[2] for path in command.updates["files"][-1]]
        self.descriptionDone = ["Found pycs", *sorted(names)] if names else "No pycs found"
        return util.SUCCESS


put = [steps.StringDownload("x", workerdest=name) for name in ("a.pyc", "b.pyc", "c.py")]

builders = {
    "find": util.BuildFactory([*put, FindCompiled("build"), FindCompiled("build/c.py"), FindCompiled("build/nowhere")]),
}
