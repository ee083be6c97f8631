"""Documented address: the service life cycle."""

from buildmaster.service import (
    AsyncMultiService,
    AsyncService,
    BuildbotService,
    BuildbotServiceManager,
    ClusteredBuildbotService,
    IndependentAsyncMultiService,
    MasterService,
    ReconfigurableServiceMixin,
    SharedService,
)

__all__ = [
    "AsyncMultiService",
    "AsyncService",
    "BuildbotService",
    "BuildbotServiceManager",
    "ClusteredBuildbotService",
    "IndependentAsyncMultiService",
    "MasterService",
    "ReconfigurableServiceMixin",
    "SharedService",
]
