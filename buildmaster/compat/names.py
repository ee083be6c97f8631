"""Retired spellings, all in one place: modules that moved and names that sat in a module by accident.

A row is wanted only where Buildbot's own name is not the name of our module.
"""

from __future__ import annotations

NEW, OLD = "buildmaster", "buildbot"

MODULES = {
    "buildbot.buildrequest": "buildmaster.process.buildrequest",
    "buildbot.plugins.db": "buildmaster.compat.plugins_db",
    "buildbot.process.mtrlogobserver": "buildmaster.steps.mtrlogobserver",
    "buildbot.status": "buildmaster.compat.status",
    "buildbot.status.builder": "buildmaster.base.results",
    "buildbot.status.results": "buildmaster.base.results",
    "buildbot.status.web.hooks.github": "buildmaster.www.hooks.github",
}
"""Module under its old address → the module that is served."""

_RESULTS = ("SUCCESS", "WARNINGS", "FAILURE", "SKIPPED", "EXCEPTION", "RETRY", "CANCELLED", "Results")
_LOG_OBSERVERS = ("LogObserver", "LogLineObserver", "OutputProgressObserver")

_DOCUMENTED_DB = {
    "builders": ("BuilderModel", "BuildersConnectorComponent"),
    "builds": ("BuildModel", "BuildsConnectorComponent"),
    "buildsets": ("AlreadyCompleteError", "BuildSetModel", "BuildsetsConnectorComponent"),
    "changes": ("ChangeModel", "ChangesConnectorComponent"),
    "logs": ("LogModel", "LogsConnectorComponent"),
    "masters": ("MasterModel", "MastersConnectorComponent"),
    "projects": ("ProjectModel", "ProjectsConnectorComponent"),
    "schedulers": ("SchedulerAlreadyClaimedError", "SchedulerModel", "SchedulersConnectorComponent"),
    "sourcestamps": ("PatchModel", "SourceStampModel", "SourceStampsConnectorComponent"),
    "state": ("StateConnectorComponent",),
    "steps": ("StepModel", "StepsConnectorComponent", "UrlModel"),
    "users": ("UserModel", "UsersConnectorComponent"),
    "workers": ("BuilderMasterModel", "WorkerModel", "WorkersConnectorComponent"),
}
"""Documented classes of modules of ``db`` whose names are those of the tables' own modules here."""

ATTRIBUTES: dict[str, dict[str, str]] = {
    **{
        f"buildmaster.db.{module}": {name: f"buildmaster.db.documented.names:{name}" for name in names}
        for module, names in _DOCUMENTED_DB.items()
    },
    "buildmaster": {
        "getVersion": "buildmaster.compat.versions:getVersion",
    },
    "buildmaster.process.buildstep": {
        **{name: f"buildmaster.base.results:{name}" for name in _RESULTS},
        **{name: f"buildmaster.process.logobserver:{name}" for name in _LOG_OBSERVERS},
        "LoggingBuildStep": "buildmaster.process.logging_step:LoggingBuildStep",
        "RemoteCommand": "buildmaster.process.remotecommand:RemoteCommand",
        "RemoteShellCommand": "buildmaster.process.remotecommand:RemoteShellCommand",
    },
    "buildmaster.process.builder": {
        **{name: f"buildmaster.base.results:{name}" for name in _RESULTS},
    },
    "buildmaster.schedulers.basic": {
        "Dependent": "buildmaster.schedulers.dependent:Dependent",
        "Triggerable": "buildmaster.schedulers.triggerable:Triggerable",
    },
    "buildmaster.worker": {
        "LocalWorker": "buildmaster.worker.local:LocalWorker",
    },
    "buildmaster.steps.shell": {
        "SetProperty": "buildmaster.steps.shell:SetPropertyFromCommand",
    },
}
"""Module → name that it does not hold itself → where the object is (``module:name``).

They are added when the module is reached as ``buildbot…``, and found only then.
"""

PACKAGES = tuple(
    f"{NEW}.{package}"
    for package in ("process", "steps", "steps.source", "changes", "schedulers", "reporters", "worker", "www", "util")
)
"""Packages whose modules are reached as attributes once any module has been imported as ``buildbot…``."""


def new_name(old: str) -> str:
    """The module that a name ``buildbot…`` stands for.

    A retired package carries its submodules with it: the longest row that fits decides.
    """
    parts = old.split(".")
    for length in range(len(parts), 0, -1):
        head = ".".join(parts[:length])
        if head in MODULES:
            return ".".join([MODULES[head], *parts[length:]])
    return ".".join([NEW, *parts[1:]])
