# Text 003, the project of a Change: what the words describe.
from buildbot.plugins import schedulers, steps, util


@util.renderer
def changed_tests(props):
    files = props.getBuild().allFiles()
    return ["pytest", *[name for name in files if name.startswith("test_")]]


for project, test in (("win-client", ["nmake", "check"]), ("server", changed_tests)):
    c["builders"].append(
        util.BuilderConfig(
            name=project,
            workernames=["w"],
            factory=util.BuildFactory([steps.ShellCommand(command=test)]),
        )
    )
    c["schedulers"].append(
        schedulers.SingleBranchScheduler(
            name=project,
            change_filter=util.ChangeFilter(project=project, branch=None),
            fileIsImportant=has_C_files,
            treeStableTimer=60,
            builderNames=[project],
        )
    )
