"""The life cycle of everything that runs in a master: starting, stopping, and following the configuration.

``tree``        services whose start and stop may take time, in a tree whose root is the master
``configured``  services that a configuration names, made from arguments and reconfigured with others
``manager``     follows a list of the configuration: starts, stops and reconfigures its services by name
``clustered``   services of which only one in a cluster of masters is active
"""

from buildmaster.service.clustered import ClusteredBuildbotService
from buildmaster.service.configured import BuildbotService
from buildmaster.service.failures import ReconfigFailed, ServiceFailure
from buildmaster.service.manager import BuildbotServiceManager
from buildmaster.service.state import StateMixin
from buildmaster.service.tree import (
    AsyncMultiService,
    AsyncService,
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
    "ReconfigFailed",
    "ReconfigurableServiceMixin",
    "ServiceFailure",
    "SharedService",
    "StateMixin",
]
