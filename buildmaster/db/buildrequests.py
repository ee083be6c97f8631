"""Documented address: the connector for build requests."""

from buildmaster.db.documented.models import BuildRequestModel
from buildmaster.db.documented.requested import AlreadyClaimedError, BuildRequestsConnectorComponent, NotClaimedError

__all__ = ["AlreadyClaimedError", "BuildRequestModel", "BuildRequestsConnectorComponent", "NotClaimedError"]
