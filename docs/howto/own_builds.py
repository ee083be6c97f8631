"""Builds of one's own: the programs of the guide "Decide in the build what is done", run by the project's tests."""

import buildmaster  # noqa: F401  # isort: skip - needed outside a master.cfg only: "buildbot" means buildmaster

from buildbot.plugins import steps, util
from buildbot.process import build, buildstep


class BranchBuild(build.Build):
    """Builds of release branches get further steps; a failed one is told to the people on call."""

    def setupBuildSteps(self, step_factories):
        further = []
        if self.getProperty("kind") == "release":
            further = [steps.ShellCommand(name="package", command=["echo", "packing"])]
        return super().setupBuildSteps([*step_factories, *further])

    def buildFinished(self, text, results):
        if results == util.FAILURE:
            text = [*text, "(on call: ann)"]
        return super().buildFinished(text, results)


release = util.BuildFactory([steps.ShellCommand(name="test", command=["test", util.Property("kind"), "!=", "broken"])])
release.buildClass = BranchBuild


class Targets(buildstep.ShellMixin, buildstep.BuildStep):
    """Asks the source what its targets are, and adds a step for each."""

    name = "targets"

    def __init__(self, **kwargs):
        super().__init__(**self.setupShellMixin(kwargs))

    async def run(self):
        command = await self.makeRemoteShellCommand(collectStdout=True)
        await self.runCommand(command)
        names = command.stdout.split()
        self.build.addStepsAfterCurrentStep([steps.ShellCommand(name=name, command=["echo", name]) for name in names])
        self.build.addStepsAfterLastStep([steps.ShellCommand(name="clean up", command=["true"], alwaysRun=True)])
        return command.results()


found = util.BuildFactory([Targets(command="echo docs tests"), steps.ShellCommand(name="planned", command=["true"])])

by_function = util.BuildFactory([steps.ShellCommand(name="where", command=["pwd"])])
by_function.workdir = lambda source_stamps: "of-" + source_stamps[0].repository.rpartition("/")[2]

by_renderable = util.BuildFactory([steps.ShellCommand(name="where", command=["pwd"])])
by_renderable.workdir = util.Interpolate("for-%(prop:kind)s")

builders = {"release": release, "found": found, "by function": by_function, "by renderable": by_renderable}
