"""Which documented connector is which attribute of ``master.db``."""

from __future__ import annotations

from buildmaster.db.documented.base import DBConnectorComponent
from buildmaster.db.documented.built import BuildsConnectorComponent, LogsConnectorComponent, StepsConnectorComponent
from buildmaster.db.documented.configured import (
    BuildersConnectorComponent,
    ChangeSourcesConnectorComponent,
    MastersConnectorComponent,
    ProjectsConnectorComponent,
    SchedulersConnectorComponent,
    WorkersConnectorComponent,
)
from buildmaster.db.documented.kept import StateConnectorComponent, TagsConnectorComponent, UsersConnectorComponent
from buildmaster.db.documented.noticed import ChangesConnectorComponent, SourceStampsConnectorComponent
from buildmaster.db.documented.requested import BuildRequestsConnectorComponent, BuildsetsConnectorComponent

CONNECTORS: dict[str, type[DBConnectorComponent]] = {
    "builders": BuildersConnectorComponent,
    "buildrequests": BuildRequestsConnectorComponent,
    "builds": BuildsConnectorComponent,
    "buildsets": BuildsetsConnectorComponent,
    "changes": ChangesConnectorComponent,
    "changesources": ChangeSourcesConnectorComponent,
    "logs": LogsConnectorComponent,
    "masters": MastersConnectorComponent,
    "projects": ProjectsConnectorComponent,
    "schedulers": SchedulersConnectorComponent,
    "sourcestamps": SourceStampsConnectorComponent,
    "state": StateConnectorComponent,
    "steps": StepsConnectorComponent,
    "tags": TagsConnectorComponent,
    "users": UsersConnectorComponent,
    "workers": WorkersConnectorComponent,
}
"""Attribute of ``master.db`` → the connector's class."""
