"""Workers in pods of a Kubernetes cluster: one is made for the builds and deleted after them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import LatentWorkerCannotSubstantiate, LatentWorkerFailedToSubstantiate
from buildmaster.base.sameness import same
from buildmaster.net.kubernetes import (
    KubeClientService,
    KubeConfigLoaderBase,
    KubeError,
    KubeInClusterConfigLoader,
)
from buildmaster.properties import rendering_of
from buildmaster.worker.cloud import STOP_LIMIT, bound, own_name, properties_of, until
from buildmaster.worker.compatible import CompatibleLatentWorkerMixin
from buildmaster.worker.docker import PROTOCOLS
from buildmaster.worker.latent import AbstractLatentWorker

log = Logger()

STOP_SECONDS = 10
"""How long a pod may take to end by itself; when the master stops, a second."""

POLL_INTERVAL = 2.0
LAST_LINES = 20
"""How many lines of a dead pod's output are told."""

HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "ImagePullBackOff"})
"""Why a container waits, if it will wait for good."""


@attrs.frozen
class PodPlan:
    """What a pod is made from, with all properties filled in."""

    image: str
    namespace: str | None
    masterFQDN: str
    environment: Mapping[str, str]
    resources: Any
    container_volumes: Any
    volumes: Any
    affinity: Any
    node_selector: Any


class KubeLatentWorker(CompatibleLatentWorkerMixin, AbstractLatentWorker):
    """A worker in a pod of its own.

    ``kube_config`` says which cluster (:class:`~buildmaster.net.kubernetes.KubeHardcodedConfig`,
    :class:`~buildmaster.net.kubernetes.KubeCtlProxyConfigLoader`; by default the one in which the master runs).
    ``image`` is the container's image, ``namespace`` the pod's namespace, by default that of ``kube_config``.  The
    container's environment has ``BUILDMASTER`` and ``BUILDMASTER_PORT`` (from ``masterFQDN``, ``host`` or
    ``host:port``; this host's full name by default), ``BUILDMASTER_PROTOCOL``, ``WORKERNAME`` and ``WORKERPASS``;
    without a ``password`` one is made up.  ``image``, ``namespace`` and ``masterFQDN`` may be renderables; a build that
    renders them otherwise gets a pod of its own.

    Subclasses may override :meth:`getBuildContainerResources`, :meth:`get_build_container_volumes`,
    :meth:`get_volumes`, :meth:`get_affinity`, :meth:`get_node_selector` and :meth:`createEnvironment`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._generated = self.getRandomPass()
        self._client: KubeClientService | None = None
        self._next_client: KubeClientService | None = None
        self._in_cluster: KubeConfigLoaderBase | None = None
        self._pod: tuple[str, str] | None = None  # namespace and name
        self._starts = 0
        super().__init__(*args, **kwargs)

    def checkConfig(  # type: ignore[override]
        self,
        name: str,
        image: Any = "buildbot/buildbot-worker",
        namespace: Any = None,
        masterFQDN: Any = None,
        master_protocol: str = "pb",
        kube_config: KubeConfigLoaderBase | None = None,
        password: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, self._generated if password is None else password, **kwargs)
        place = f"worker {self.name!r}"
        if kube_config is not None and not isinstance(kube_config, KubeConfigLoaderBase):
            error(f"{place}: kube_config must be util.KubeHardcodedConfig(…) or one of its kin, not {kube_config!r}")
        self._in_cluster = KubeInClusterConfigLoader() if kube_config is None else None
        if master_protocol not in PROTOCOLS:
            error(f"{place}: master_protocol must be one of {', '.join(PROTOCOLS)}, not {master_protocol!r}")
        if not image:
            error(f"{place}: image is missing")

    @deferred
    async def reconfigService(self, *args: Any, **kwargs: Any) -> None:
        """Take these arguments over; a pod that was made with others goes when it is idle."""
        own = bound(KubeLatentWorker.checkConfig, (self, *args), kwargs)
        self.image, self.namespace = own["image"], own["namespace"]
        self.masterFQDN = own["masterFQDN"] or socket.getfqdn()
        self.master_protocol = own["master_protocol"]
        password = self._generated if own["password"] is None else own["password"]
        await super().reconfigService(own["name"], password, **own["kwargs"])
        config = own["kube_config"] or self._in_cluster or KubeInClusterConfigLoader()
        if self._next_client is None or not same(self._next_client.config, config):
            self._next_client = KubeClientService(self, config)

    async def _change_client(self) -> None:
        """Ask the cluster that the configuration names now; not while a pod of another one is there."""
        last, self._client = self._client, self._next_client
        if last is not None and last is not self._client:
            await last.close()

    @deferred
    async def stopService(self) -> None:
        """Delete the pod, fast, then leave the cluster."""
        try:
            await super().stopService()
        finally:
            if self._client is not None:
                await self._client.close()

    # -- what the pod is made from -----------------------------------------------------------------------------------

    def createEnvironment(self, build: Any = None) -> dict[str, str]:
        """What the worker in the container needs to know, besides the master's address."""
        return {
            "BUILDMASTER_PROTOCOL": self.master_protocol,
            "WORKERNAME": self.workername,
            "WORKERPASS": self.password,
        }

    def getBuildContainerResources(self, build: Any) -> Any:
        """The container's ``resources``: requests and limits; may be a renderable, or a Deferred of one."""
        return {}

    def get_build_container_volumes(self, build: Any) -> Any:
        """The container's ``volumeMounts``; may be a renderable, or a Deferred of one."""
        return []

    def get_volumes(self, build: Any) -> Any:
        """The pod's ``volumes``; may be a renderable, or a Deferred of one."""
        return []

    def get_affinity(self, build: Any) -> Any:
        """The pod's ``affinity``; may be a renderable, or a Deferred of one."""
        return {}

    def get_node_selector(self, build: Any) -> Any:
        """The pod's ``nodeSelector``; may be a renderable, or a Deferred of one."""
        return {}

    @deferred
    async def renderWorkerProps(self, build: Any) -> PodPlan:
        """A Deferred of what the pod for a build, or for a build with these properties, is made from."""
        return PodPlan(
            image=await self._of(build, self.image),
            namespace=await self._of(build, self.namespace),
            masterFQDN=await self._of(build, self.masterFQDN),
            environment=await self._of(build, await maybe(self.createEnvironment, build)),
            resources=await self._of(build, await maybe(self.getBuildContainerResources, build)),
            container_volumes=await self._of(build, await maybe(self.get_build_container_volumes, build)),
            volumes=await self._of(build, await maybe(self.get_volumes, build)),
            affinity=await self._of(build, await maybe(self.get_affinity, build)),
            node_selector=await self._of(build, await maybe(self.get_node_selector, build)),
        )

    async def _of(self, build: Any, value: Any) -> Any:
        return await as_deferred(rendering_of(value, properties_of(build)))

    def getContainerName(self) -> str:
        """The pod's name: the same for each one of this worker on this master."""
        return own_name(self)

    def pod(self, plan: PodPlan) -> dict[str, Any]:
        """The pod as the cluster takes it."""
        host, _, port = plan.masterFQDN.partition(":")
        if not port and self.registration is not None:
            own = self.registration.get_msgpack_port if self.master_protocol != "pb" else self.registration.getPBPort
            port = str(own() or "")
        environment = {"BUILDMASTER": host, **({"BUILDMASTER_PORT": port} if port else {}), **plan.environment}
        container: dict[str, Any] = {
            "name": self.getContainerName(),
            "image": plan.image,
            "env": [{"name": name, "value": str(value)} for name, value in environment.items()],
            "resources": plan.resources or {},
        }
        spec: dict[str, Any] = {"containers": [container], "restartPolicy": "Never"}
        for key, value, target in (
            ("volumeMounts", plan.container_volumes, container),
            ("volumes", plan.volumes, spec),
            ("affinity", plan.affinity, spec),
            ("nodeSelector", plan.node_selector, spec),
        ):
            if value:
                target[key] = value
        labels = {"app.kubernetes.io/managed-by": "buildmaster"}
        metadata = {
            "name": self.getContainerName(),
            "labels": labels,
            "annotations": {"buildmaster/worker": self.workername},
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    # -- the instance ------------------------------------------------------------------------------------------------

    @deferred
    async def start_instance(self, build: Any) -> list[str]:
        """Make a pod."""
        await self._change_client()
        client = self._client
        assert client is not None
        plan = await self.renderWorkerPropsOnStart(build)
        namespace, name = plan.namespace or client.namespace, self.getContainerName()
        self._starts = this = self._starts + 1
        self._pod = (namespace, name)
        await self.save_instance({"namespace": namespace, "pod": name})
        if await client.delete_pod(namespace, name, 0):  # of an earlier life
            await self._until_gone(namespace, name)
        if this != self._starts:
            raise LatentWorkerFailedToSubstantiate(f"worker {self.workername!r}: the start of its pod was given up")
        try:
            await client.create_pod(namespace, self.pod(plan))
        except KubeError as refusal:
            mistake = refusal.status in (400, 404, 422)
            kind = LatentWorkerCannotSubstantiate if mistake else LatentWorkerFailedToSubstantiate
            raise kind(f"worker {self.workername!r}: pod {name}: {refusal}") from refusal
        if this != self._starts:
            await client.delete_pod(namespace, name, 0)
        return [f"{namespace}/{name}", plan.image]

    async def _until_gone(self, namespace: str, name: str) -> None:
        client = self._client
        assert client is not None

        async def gone() -> bool | None:
            return True if await client.get_pod(namespace, name) is None else None

        await until(self, f"the end of pod {namespace}/{name}", gone, POLL_INTERVAL, STOP_LIMIT)

    @deferred
    async def stop_instance(self, fast: bool = False) -> None:
        """Delete the pod; without ``fast`` wait until it is gone."""
        self._starts += 1
        place, self._pod = self._pod, None
        try:
            if place is not None and self._client is not None:
                there = await self._client.delete_pod(*place, 1 if fast else STOP_SECONDS)
                if there and not fast:
                    await self._until_gone(*place)
        finally:
            self.resetWorkerPropsOnStop()

    @deferred
    async def check_instance(self) -> tuple[bool, str]:
        """Whether the pod runs, or may still come to run."""
        if self._pod is None or self._client is None:
            return (True, "")
        found = await self._client.get_pod(*self._pod)
        if found is None:
            return (False, "its pod is gone")
        trouble = trouble_of(found.get("status", {}))
        if trouble is None:
            return (True, "")
        said = (await self._client.pod_log(*self._pod, LAST_LINES)).strip()
        return (False, f"{trouble}; it said:\n{said}" if said else trouble)

    @deferred
    async def recover_instance(self, saved: Any) -> bool:
        """Find the pod that an earlier process of this master has left."""
        if not saved:
            return False
        await self._change_client()
        assert self._client is not None
        place = (saved["namespace"], saved["pod"])
        if await self._client.get_pod(*place) is None:
            return False
        self._pod = place
        return True


def trouble_of(status: Mapping[str, Any]) -> str | None:
    """What is wrong with a pod of this status, in words; None if nothing is."""
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in HOPELESS:
            return f"its container waits: {waiting['reason']} {waiting.get('message', '')}".strip()
        ended = (container.get("state") or {}).get("terminated")
        if ended:
            return f"its container has ended, exit code {ended.get('exitCode')} {ended.get('reason', '')}".strip()
    if status.get("phase") in ("Failed", "Succeeded"):
        return f"its pod is {status['phase']} {status.get('message', '')}".strip()
    return None
