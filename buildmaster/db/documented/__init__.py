"""``master.db.builds``, ``master.db.changes`` …: the documented connectors, for those who use them.

Nothing inside uses them: they are a second way to the tables' own modules beside this one, with the documented names,
records and Deferreds.  What they write is told like all else, and an answer means committed.
"""

from __future__ import annotations

from typing import Any

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


class Connectors:
    """The attributes of ``master.db`` that are connectors, each made when it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        kind = CONNECTORS.get(name)
        if kind is None:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        made = self.__dict__[name] = kind(self)
        return made
