"""All documented records, connectors and exceptions in one place, for the table of documented addresses."""

from buildmaster.db.documented.built import BuildsConnectorComponent, LogsConnectorComponent, StepsConnectorComponent
from buildmaster.db.documented.configured import (
    BuildersConnectorComponent,
    MastersConnectorComponent,
    ProjectsConnectorComponent,
    SchedulerAlreadyClaimedError,
    SchedulersConnectorComponent,
    WorkersConnectorComponent,
)
from buildmaster.db.documented.kept import StateConnectorComponent, UsersConnectorComponent
from buildmaster.db.documented.models import (
    BuilderMasterModel,
    BuilderModel,
    BuildModel,
    BuildSetModel,
    ChangeModel,
    LogModel,
    MasterModel,
    PatchModel,
    ProjectModel,
    SchedulerModel,
    SourceStampModel,
    StepModel,
    UrlModel,
    UserModel,
    WorkerModel,
)
from buildmaster.db.documented.noticed import ChangesConnectorComponent, SourceStampsConnectorComponent
from buildmaster.db.documented.requested import (
    AlreadyCompleteError,
    BuildsetsConnectorComponent,
)

__all__ = [
    "AlreadyCompleteError",
    "BuildModel",
    "BuildSetModel",
    "BuilderMasterModel",
    "BuilderModel",
    "BuildersConnectorComponent",
    "BuildsConnectorComponent",
    "BuildsetsConnectorComponent",
    "ChangeModel",
    "ChangesConnectorComponent",
    "LogModel",
    "LogsConnectorComponent",
    "MasterModel",
    "MastersConnectorComponent",
    "PatchModel",
    "ProjectModel",
    "ProjectsConnectorComponent",
    "SchedulerAlreadyClaimedError",
    "SchedulerModel",
    "SchedulersConnectorComponent",
    "SourceStampModel",
    "SourceStampsConnectorComponent",
    "StateConnectorComponent",
    "StepModel",
    "StepsConnectorComponent",
    "UrlModel",
    "UserModel",
    "UsersConnectorComponent",
    "WorkerModel",
    "WorkersConnectorComponent",
]
