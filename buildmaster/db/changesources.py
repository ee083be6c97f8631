"""Documented address: the connector for change sources."""

from buildmaster.db.documented.configured import ChangeSourceAlreadyClaimedError, ChangeSourcesConnectorComponent
from buildmaster.db.documented.models import ChangeSourceModel

__all__ = ["ChangeSourceAlreadyClaimedError", "ChangeSourceModel", "ChangeSourcesConnectorComponent"]
