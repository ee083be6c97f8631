"""Try schedulers for a master.cfg."""

import buildmaster  # noqa: F401  # isort: skip - from here on "buildbot" means buildmaster

from buildbot.plugins import schedulers, util


def over_the_network(builders, port=8031):
    return schedulers.Try_Userpass(
        name="try-pb",
        builderNames=builders,
        port=port,
        userpass=[("ann", util.Secret("try-ann")), ("bob", util.Secret("try-bob"))],
    )


def by_ssh(builders, jobdir="jobdir"):
    return schedulers.Try_Jobdir(name="try-ssh", builderNames=builders, jobdir=jobdir)
