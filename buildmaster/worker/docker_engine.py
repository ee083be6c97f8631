"""What a Docker worker asks of the engine, in calls that block: each runs in a thread.

The ``docker`` package is imported when it is used.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from twisted.logger import Logger

from buildmaster.base.interfaces import LatentWorkerCannotSubstantiate, LatentWorkerFailedToSubstantiate

log = Logger()

ATTACHED = "message from master: attached"
"""What a worker writes when it is connected: the start-up log is followed until then."""

LAST_LINES = 20
"""How many lines of a dead container's output are told."""


@attrs.frozen
class ContainerPlan:
    """What a container is made from, with all properties filled in."""

    docker_host: str
    image: str | None
    dockerfile: str | None = None
    """The text of a Dockerfile; with ``custom_context`` the path of a tar file that holds one."""
    volumes: Sequence[str] = ()
    """``host:container`` or ``host:container:mode``."""
    hostconfig: Mapping[str, Any] = attrs.field(factory=dict)
    custom_context: bool = False
    encoding: str = "gzip"
    target: str = ""
    buildargs: Mapping[str, str] | None = None
    hostname: str | None = None

    def image_to_build(self, fallback: str) -> str:
        """The tag of the image that is built from the Dockerfile."""
        return self.image or fallback


class Engine:
    """One engine.  ``version`` is that of its interface, "auto" if it is to be asked; ``tls`` as in the SDK."""

    def __init__(self, docker_host: str, version: str | None, tls: Any) -> None:
        import docker

        self.errors = docker.errors
        self.client = docker.APIClient(base_url=docker_host, version=version or "auto", tls=tls or False)

    def close(self) -> None:
        """Leave the engine."""
        self.client.close()

    # -- images ------------------------------------------------------------------------------------------------------

    def has_image(self, name: str) -> bool:
        """Whether the engine has an image."""
        try:
            self.client.inspect_image(name)
        except self.errors.ImageNotFound:
            return False
        return True

    def pull(self, name: str) -> None:
        """Fetch an image; raises LatentWorkerCannotSubstantiate if that can't be."""
        try:
            for message in self.client.pull(name, stream=True, decode=True):
                _log_message(f"pulling {name}", message)
        except self.errors.APIError as error:
            raise LatentWorkerCannotSubstantiate(f"image {name!r} can't be pulled: {error}") from error

    def build(self, plan: ContainerPlan, tag: str) -> None:
        """Build an image; raises LatentWorkerCannotSubstantiate with the engine's words if that fails."""
        assert plan.dockerfile is not None
        options: dict[str, Any] = {"tag": tag, "rm": True, "decode": True}
        if plan.buildargs:
            options["buildargs"] = dict(plan.buildargs)
        if plan.target:
            options["target"] = plan.target
        if plan.custom_context:
            with open(plan.dockerfile, "rb") as context:
                messages = self.client.build(fileobj=context, custom_context=True, encoding=plan.encoding, **options)
                _watch_build(tag, messages)
        else:
            text = io.BytesIO(plan.dockerfile.encode())
            _watch_build(tag, self.client.build(fileobj=text, **options))

    # -- containers --------------------------------------------------------------------------------------------------

    def remove(self, name: str, seconds: int) -> None:
        """Stop a container, giving it so many seconds, and remove it; nothing happens if there is none."""
        try:
            self.client.stop(name, timeout=seconds)
            self.client.remove_container(name, v=True, force=True)
        except self.errors.NotFound:
            pass

    def exists(self, name: str) -> bool:
        """Whether there is a container of this name."""
        try:
            self.client.inspect_container(name)
        except self.errors.NotFound:
            return False
        return True

    def create(self, plan: ContainerPlan, name: str, image: str, command: Any, environment: Mapping[str, str]) -> str:
        """Make a container and start it; returns its id."""
        hostconfig = {"init": True, **plan.hostconfig}
        binds = [*(hostconfig.pop("binds", None) or ()), *plan.volumes]
        try:
            made = self.client.create_container(
                image,
                command or None,
                name=name,
                hostname=plan.hostname,
                volumes=[volume.split(":")[1] for volume in plan.volumes],
                environment=dict(environment),
                labels={"buildmaster.worker": environment["WORKERNAME"]},
                host_config=self.client.create_host_config(binds=binds, **hostconfig),
            )
        except TypeError as error:  # a name that the SDK does not know
            raise LatentWorkerCannotSubstantiate(f"hostconfig of the container: {error}") from error
        for warning in made.get("Warnings") or ():
            log.warn("container {name}: {warning}", name=name, warning=warning)
        self.client.start(made["Id"])
        return str(made["Id"])

    def follow(self, name: str) -> None:
        """Write what a container says to the log, until its worker is connected or the container ends."""
        for line in _lines(self.client.logs(name, stream=True, follow=True)):
            log.info("container {name}: {line}", name=name, line=line)
            if ATTACHED in line:
                return

    def trouble(self, name: str) -> str | None:
        """What is wrong with a container, in words; None if it runs."""
        try:
            state = self.client.inspect_container(name)["State"]
            if state["Running"]:
                return None
            said = self.client.logs(name, tail=LAST_LINES).decode("utf-8", "replace").strip()
        except self.errors.NotFound:
            return "its container is gone"
        end = f"its container is {state['Status']}, exit code {state['ExitCode']}"
        return f"{end}; it said:\n{said}" if said else f"{end} and said nothing"


class Start:
    """One start of a container; it may be given up from another thread."""

    def __init__(self, plan: ContainerPlan, name: str, built: str) -> None:
        self.plan = plan
        self.name = name
        self.built = built
        """The tag of an image that has no name of its own."""
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Whatever is being done, leave no container behind."""
        self._given_up.set()

    def run(self, engine: Engine, pulls: str, command: Any, environment: Mapping[str, str]) -> list[str]:
        """Do it; ``pulls`` is "always", "if missing" or "never".  Returns words for the log.

        Raises LatentWorkerCannotSubstantiate if there is no image.
        """
        image = self.find_image(engine, pulls)
        self._check(engine)
        engine.remove(self.name, 0)  # of an earlier life
        created = engine.create(self.plan, self.name, image, command, environment)
        self._check(engine)
        return [created[:12], image]

    def _check(self, engine: Engine) -> None:
        if self._given_up.is_set():
            engine.remove(self.name, 0)
            raise LatentWorkerFailedToSubstantiate(f"container {self.name}: its start was given up")

    def find_image(self, engine: Engine, pulls: str) -> str:
        """The image: pulled, found or built."""
        plan = self.plan
        image = plan.image_to_build(self.built)
        if pulls == "always" and plan.image is not None:
            engine.pull(plan.image)
        if engine.has_image(image):
            return image
        if pulls == "if missing" and plan.image is not None:
            engine.pull(plan.image)
        elif plan.dockerfile is not None:
            engine.build(plan, image)
        if not engine.has_image(image):
            raise LatentWorkerCannotSubstantiate(
                f"image {image!r} is not on docker host {plan.docker_host}; pull it there, or set autopull=True"
            )
        return image


def follow_in_background(docker_host: str, version: str | None, tls: Any, name: str) -> None:
    """Follow a container's output in a thread of its own, which ends with the container at the latest."""

    def follow() -> None:
        try:
            engine = Engine(docker_host, version, tls)
            try:
                engine.follow(name)
            finally:
                engine.close()
        except Exception:  # policy: only the log is poorer
            log.failure("the output of container {name} can't be followed", name=name)

    threading.Thread(target=follow, name=f"follows {name}", daemon=True).start()


def _watch_build(tag: str, messages: Iterator[Mapping[str, Any]]) -> None:
    for message in messages:
        _log_message(f"building {tag}", message)
        if "error" in message:
            raise LatentWorkerCannotSubstantiate(f"image {tag!r} can't be built: {message['error']}")


def _log_message(doing: str, message: Mapping[str, Any]) -> None:
    text = str(message.get("stream") or message.get("status") or "").strip()
    if text:
        log.debug("{doing}: {text}", doing=doing, text=text)


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")
