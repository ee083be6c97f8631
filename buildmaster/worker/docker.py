"""Workers in Docker containers: one is made for the builds and removed after them."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import socket
from typing import Any

from buildmaster.base.aio import as_deferred, deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable, LatentWorkerCannotSubstantiate
from buildmaster.properties import Properties, rendering_of
from buildmaster.worker.compatible import CompatibleLatentWorkerMixin
from buildmaster.worker.docker_engine import ContainerPlan, Engine, Start, follow_in_background
from buildmaster.worker.latent import AbstractLatentWorker

__all__ = ["CompatibleLatentWorkerMixin", "DockerLatentWorker"]

STOP_SECONDS = 10
"""How long a container may take to end by itself before it is killed; when the master stops, a second."""

PROTOCOLS = ("pb", "msgpack_experimental_v7")

NEVER_CALLED = {"_thd_start_instance": "start_instance", "_thd_stop_instance": "stop_instance"}
"""Inner methods of Buildbot's class, which ran in a thread: a subclass that replaces one would be passed over."""


class DockerLatentWorker(CompatibleLatentWorkerMixin, AbstractLatentWorker):
    """A worker in a container of its own.

    ``docker_host`` is the engine's address (``unix:///var/run/docker.sock``, ``tcp://host:2375``), ``version`` its
    interface's (found out by default), ``tls`` True or a ``docker.tls.TLSConfig``.  ``image`` is the image's name;
    ``autopull`` fetches one that the engine does not have, ``alwaysPull`` fetches it at each start.  ``dockerfile`` is
    the text of a Dockerfile from which an image that is not there is built, with ``buildargs`` and ``target``; with
    ``custom_context`` it is the path of a tar file holding the whole context, packed as ``encoding`` says.
    ``command`` is run instead of the image's own, ``hostname`` is the container's.  ``volumes`` are texts
    ``host:container[:mode]``; ``hostconfig`` holds further arguments of the SDK's ``create_host_config``
    (``{"network_mode": "host"}``); its ``init`` is True by default.  All but ``version``, ``tls`` and ``command`` may
    be renderables; a build that renders them otherwise gets a container of its own.

    The container's environment has ``BUILDMASTER`` and ``BUILDMASTER_PORT`` (from ``masterFQDN``, ``host`` or
    ``host:port``; this host's full name by default), ``BUILDMASTER_PROTOCOL``, ``WORKERNAME`` and ``WORKERPASS``;
    without a ``password`` one is made up.  ``followStartupLogs`` writes the container's output to the master's log
    until the worker is connected.

    Needs the package ``docker`` (``pip install buildmaster-ci[docker]``).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._generated = self.getRandomPass()
        super().__init__(*args, **kwargs)
        self._start: Start | None = None
        self._container: tuple[str, str] | None = None  # the engine's address, the container's name

    def checkConfig(  # type: ignore[override]
        self,
        name: str,
        password: Any,
        docker_host: Any,
        image: Any = None,
        command: Any = None,
        volumes: Any = None,
        dockerfile: Any = None,
        version: str | None = None,
        tls: Any = None,
        followStartupLogs: bool = False,
        masterFQDN: str | None = None,
        master_protocol: str = "pb",
        hostconfig: Any = None,
        autopull: bool = False,
        alwaysPull: bool = False,
        custom_context: Any = False,
        encoding: Any = "gzip",
        buildargs: Any = None,
        hostname: Any = None,
        target: Any = "",
        **kwargs: Any,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, self._generated if password is None else password, **kwargs)
        place = f"worker {self.name!r}"
        if importlib.util.find_spec("docker") is None:
            error(f"{place}: DockerLatentWorker needs the package 'docker': pip install 'buildmaster-ci[docker]'")
        if not image and not dockerfile:
            error(f"{place}: give an image, or a dockerfile to build one from")
        if custom_context and not dockerfile:
            error(f"{place}: custom_context needs a dockerfile, the path of the context's tar file")
        if master_protocol not in PROTOCOLS:
            error(f"{place}: master_protocol must be one of {', '.join(PROTOCOLS)}, not {master_protocol!r}")
        check_volumes(place, volumes)
        for what, value in (("hostconfig", hostconfig), ("buildargs", buildargs)):
            if value is not None and not isinstance(value, dict) and not IRenderable.providedBy(value):
                error(f"{place}: {what} must be a dictionary, not {value!r}")
        for inner, public in NEVER_CALLED.items():
            if hasattr(self, inner):
                error(f"{place}: {type(self).__name__}.{inner} is never called here; override {public} instead")

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        name: str,
        password: Any,
        docker_host: Any,
        image: Any = None,
        command: Any = None,
        volumes: Any = None,
        dockerfile: Any = None,
        version: str | None = None,
        tls: Any = None,
        followStartupLogs: bool = False,
        masterFQDN: str | None = None,
        master_protocol: str = "pb",
        hostconfig: Any = None,
        autopull: bool = False,
        alwaysPull: bool = False,
        custom_context: Any = False,
        encoding: Any = "gzip",
        buildargs: Any = None,
        hostname: Any = None,
        target: Any = "",
        **kwargs: Any,
    ) -> None:
        """Take these arguments over; an instance that was made with others goes when it is idle."""
        self.docker_host, self.image, self.dockerfile = docker_host, image, dockerfile
        self.volumes, self.hostconfig, self.hostname = volumes or [], hostconfig or {}, hostname
        self.custom_context, self.encoding = custom_context, encoding
        self.target, self.buildargs = target, buildargs
        self.command, self.version, self.tls = command, version, tls
        self.followStartupLogs = followStartupLogs
        self.masterFQDN = masterFQDN or socket.getfqdn()
        self.master_protocol = master_protocol
        self.pulls = "always" if alwaysPull else "if missing" if autopull else "never"
        await super().reconfigService(name, self._generated if password is None else password, **kwargs)

    @deferred
    async def renderWorkerProps(self, build: Any) -> ContainerPlan:
        """A Deferred of what the container for a build, or for a build with these properties, is made from."""
        props = Properties() if build is None else build.getProperties() if hasattr(build, "getProperties") else build
        names = (
            "docker_host",
            "image",
            "dockerfile",
            "volumes",
            "hostconfig",
            "custom_context",
            "encoding",
            "target",
            "buildargs",
            "hostname",
        )
        values = {name: await as_deferred(rendering_of(getattr(self, name), props)) for name in names}
        return ContainerPlan(**values)

    # -- the instance ------------------------------------------------------------------------------------------------

    @deferred
    async def start_instance(self, build: Any) -> Any:
        """Make a container and start it."""
        plan = await self.renderWorkerPropsOnStart(build)
        if not plan.image and not plan.dockerfile:
            raise LatentWorkerCannotSubstantiate(f"worker {self.workername!r}: image and dockerfile render to nothing")
        name = self.getContainerName()
        self._start = start = Start(plan, name, image_name(plan))
        self._container = (plan.docker_host, name)
        await self.save_instance({"docker_host": plan.docker_host, "container": name})
        words = await self._ask(start.run, self.pulls, self.command, self.createEnvironment())
        if self.followStartupLogs:
            follow_in_background(plan.docker_host, self.version, self.tls, name)
        return words

    @deferred
    async def stop_instance(self, fast: bool = False) -> None:
        """End the container and remove it."""
        start, self._start = self._start, None
        if start is not None:
            start.give_up()
        try:
            if self._container is not None:
                await self._ask(Engine.remove, self._container[1], 1 if fast else STOP_SECONDS)
        finally:
            self._container = None
            self.resetWorkerPropsOnStop()

    @deferred
    async def check_instance(self) -> tuple[bool, str]:
        """Whether the container runs."""
        if self._container is None:
            return (True, "")
        trouble = await self._ask(Engine.trouble, self._container[1])
        return (trouble is None, trouble or "")

    @deferred
    async def recover_instance(self, saved: Any) -> bool:
        """Find the container that an earlier process of this master has left."""
        if not saved:
            return False
        self._container = (saved["docker_host"], saved["container"])
        return await self._ask(Engine.exists, saved["container"])

    async def _ask(self, question: Any, *args: Any) -> Any:
        """Ask the engine in a thread: ``question(engine, *args)``."""
        assert self._container is not None
        return await self.master.in_thread(_asked, self._container[0], self.version, self.tls, question, args)

    def getContainerName(self) -> str:
        """The container's name: the same for each instance of this worker on this master."""
        master = hashlib.sha256(f"{self.master.name}:{self.master.masterid}".encode()).hexdigest()[:6]
        return f"buildmaster-{re.sub(r'[^a-zA-Z0-9_.-]', '-', self.workername)}-{master}"

    def createEnvironment(self) -> dict[str, str]:
        """What the worker in the container needs to know."""
        host, _, port = self.masterFQDN.partition(":")
        if not port and self.registration is not None:
            own = self.registration.get_msgpack_port if self.master_protocol != "pb" else self.registration.getPBPort
            port = str(own() or "")
        environment = {
            "BUILDMASTER": host,
            "BUILDMASTER_PROTOCOL": self.master_protocol,
            "WORKERNAME": self.workername,
            "WORKERPASS": self.password,
        }
        return {**environment, "BUILDMASTER_PORT": port} if port else environment


def _asked(docker_host: str, version: str | None, tls: Any, question: Any, args: Any) -> Any:
    engine = Engine(docker_host, version, tls)
    try:
        return question(engine, *args)
    finally:
        engine.close()


def image_name(plan: ContainerPlan) -> str:
    """The tag of an image that is built from a Dockerfile and was given no name."""
    made_from = repr((plan.dockerfile, plan.target, sorted((plan.buildargs or {}).items())))
    return f"buildmaster-worker-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}:image"


def check_volumes(place: str, volumes: Any) -> None:
    """``volumes`` is a list of texts ``host:container[:mode]`` or a renderable; mistakes are reported."""
    if volumes is None or IRenderable.providedBy(volumes):
        return
    if not isinstance(volumes, list | tuple):
        error(f"{place}: volumes must be a list of 'host:container' texts, not {volumes!r}")
        return
    for volume in volumes:
        if IRenderable.providedBy(volume):
            continue
        if not isinstance(volume, str) or volume.count(":") not in (1, 2):
            error(f"{place}: a volume must be written 'host:container' or 'host:container:mode', not {volume!r}")
