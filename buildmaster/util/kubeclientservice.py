"""Documented address: where Kubernetes clusters are and who may use them."""

from buildmaster.net.kubernetes import (
    KubeClientService,
    KubeConfigLoaderBase,
    KubeCtlProxyConfigLoader,
    KubeError,
    KubeHardcodedConfig,
    KubeInClusterConfigLoader,
)

__all__ = [
    "KubeClientService",
    "KubeConfigLoaderBase",
    "KubeCtlProxyConfigLoader",
    "KubeError",
    "KubeHardcodedConfig",
    "KubeInClusterConfigLoader",
]
