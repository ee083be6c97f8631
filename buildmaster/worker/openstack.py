"""Workers on servers of an OpenStack cloud; through ``openstacksdk`` and the compute service's documented interface.

The bodies of requests are those of the Compute API (https://docs.openstack.org/api-ref/compute/), version 2.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import (
    IRenderable,
    LatentWorkerCannotSubstantiate,
    LatentWorkerFailedToSubstantiate,
)
from buildmaster.worker.cloud import STOP_LIMIT, Start, ask, bound, check_library, rendered, until
from buildmaster.worker.compatible import CompatibleLatentWorkerMixin
from buildmaster.worker.latent import AbstractLatentWorker

log = Logger()

ACTIVE = "ACTIVE"
BUILD = "BUILD"
DELETED = "DELETED"
UNKNOWN = "UNKNOWN"

MARK = "BUILDBOT:instance"
"""The key in a server's metadata under which it is found again."""

HINTS = "os:scheduler_hints"
"""Stands beside the server in a request, not in it."""

POLL_INTERVAL = 5.0

CALL_SECONDS = 60.0
"""How long one request to the cloud may take."""

_RENDERED = ("flavor", "image", "block_devices", "meta", "nova_args")


@attrs.frozen
class ServerPlan:
    """What a server is made from, with all properties filled in."""

    flavor: str
    image: Any
    block_devices: Any
    meta: Any
    nova_args: Any


class OpenStackLatentWorker(CompatibleLatentWorkerMixin, AbstractLatentWorker):
    """A worker on a server of an OpenStack cloud.

    ``flavor`` and ``image`` are names or ids; ``image`` may be a function that gets the list of images, as the SDK has
    them, and returns one or its id.  ``os_username``, ``os_password``, ``os_tenant_name`` (the project),
    ``os_auth_url``, ``os_user_domain`` and ``os_project_domain`` (names or ids) say who is asking, as the variables
    ``OS_…`` do elsewhere; ``os_auth_args`` is a dictionary to be used instead of them, whose ``auth_type`` names
    another kind of login (``v3applicationcredential``).  All these may be secrets.  ``region`` is the region,
    ``client_version`` the version of the compute interface (``"2"``, or with a microversion ``"2.60"``).

    ``block_devices`` is a list of dictionaries, each a device: ``uuid`` of what it is made from, ``source_type``
    (``image`` by default, ``snapshot``, ``volume``, ``blank``), ``destination_type`` (``volume``), ``volume_size``
    in GiB (of an image or snapshot by default what it needs), ``device_name``, ``boot_index`` (0),
    ``delete_on_termination`` (True).  ``meta`` is a dictionary of texts that the server can read.  ``nova_args`` is a
    dictionary of what else the server is made from, under the names of the compute interface or those of
    ``novaclient`` (``nics``, ``userdata``, ``key_name``, ``security_groups`` …).  ``flavor``, ``image``,
    ``block_devices``, ``meta`` and ``nova_args`` may be renderables; a build that renders them otherwise gets a
    server of its own.

    The server must start ``buildbot-worker`` by itself; without a ``password`` one is made up, which the server can
    learn from ``meta`` or ``userdata`` only if it is given there.

    Needs the package ``openstacksdk`` (``pip install buildmaster-ci[openstack]``).
    """

    flavor: Any
    image: Any
    block_devices: Any
    meta: Any
    nova_args: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._generated = self.getRandomPass()
        self._start: Start | None = None
        self._server: str | None = None
        self._cloud: Any = None
        super().__init__(*args, **kwargs)

    def checkConfig(  # type: ignore[override]
        self,
        name: str,
        password: Any,
        flavor: Any,
        os_username: Any = None,
        os_password: Any = None,
        os_tenant_name: Any = None,
        os_auth_url: Any = None,
        os_user_domain: Any = None,
        os_project_domain: Any = None,
        os_auth_args: Any = None,
        block_devices: Any = None,
        region: str | None = None,
        image: Any = None,
        meta: Any = None,
        nova_args: Any = None,
        client_version: str = "2",
        **kwargs: Any,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, self._generated if password is None else password, **kwargs)
        place = f"worker {self.name!r}"
        check_library(place, OpenStackLatentWorker, "openstack", "openstack", "openstacksdk")
        if not block_devices and not image:
            error(f"{place}: give an image, or block_devices to boot from")
        if os_auth_args is None:
            needed = {"os_username": os_username, "os_password": os_password, "os_auth_url": os_auth_url}
            for what in [what for what, value in needed.items() if value is None]:
                error(f"{place}: {what} is missing; give it, or os_auth_args")
        for what, value in (("meta", meta), ("nova_args", nova_args), ("os_auth_args", os_auth_args)):
            if value is not None and not isinstance(value, Mapping) and not IRenderable.providedBy(value):
                error(f"{place}: {what} must be a dictionary, not {value!r}")
        if not (isinstance(block_devices, list | tuple | None) or IRenderable.providedBy(block_devices)):
            error(f"{place}: block_devices must be a list of dictionaries, not {block_devices!r}")

    @deferred
    async def reconfigService(self, *args: Any, **kwargs: Any) -> None:
        """Take these arguments over; a server that was made with others goes when it is idle."""
        own = bound(OpenStackLatentWorker.checkConfig, (self, *args), kwargs)
        for what in _RENDERED:
            setattr(self, what, own[what])
        self.region, self.client_version = own["region"], str(own["client_version"])
        login = auth_of(own) if own["os_auth_args"] is None else own["os_auth_args"]
        self._login = dict(await self.renderSecrets(dict(login)))
        self._cloud = None
        password = self._generated if own["password"] is None else own["password"]
        await super().reconfigService(own["name"], password, **own["kwargs"])

    @deferred
    async def renderWorkerProps(self, build: Any) -> ServerPlan:
        """A Deferred of what the server for a build, or for a build with these properties, is made from."""
        plain_image = callable(self.image) and not IRenderable.providedBy(self.image)
        names = [name for name in _RENDERED if not (name == "image" and plain_image)]
        values = await rendered({name: getattr(self, name) for name in names}, build)
        return ServerPlan(**{"image": self.image, **values})

    # -- what is asked of the cloud, in threads ----------------------------------------------------------------------

    def _connected(self) -> Any:
        """The SDK's connection."""
        if self._cloud is None:
            import openstack

            login = dict(self._login)
            kind = login.pop("auth_type", "password")
            self._cloud = openstack.connection.Connection(
                auth=login,
                auth_type=kind,
                region_name=self.region,
                compute_api_version="2",
                app_name="buildmaster",
                api_timeout=CALL_SECONDS,
            )
        return self._cloud

    def _compute(self, method: str, path: str, **kwargs: Any) -> Any:
        """A request to the compute service; its answer."""
        version = self.client_version if "." in self.client_version else None
        return self._connected().compute.request(path, method, microversion=version, raise_exc=False, **kwargs)

    def _launch(self, start: Start, plan: ServerPlan) -> str:
        start.check(self.workername)
        cloud = self._connected()
        body = server_body(
            self.workername,
            plan,
            self._image_id(cloud, plan.image),
            self._found("flavor", cloud.compute.find_flavor, plan.flavor),
        )
        body["metadata"] = {**body.get("metadata", {}), MARK: start.token}
        for each in body.get("block_device_mapping_v2", ()):
            _add_size(cloud, each)
        start.check(self.workername)
        hints = {name: body.pop(name) for name in [HINTS] if name in body}
        answer = self._compute("POST", "/servers", json={"server": body, **hints})
        if answer.status_code >= 400:
            mistake = answer.status_code in (400, 404)
            kind = LatentWorkerCannotSubstantiate if mistake else LatentWorkerFailedToSubstantiate
            raise kind(f"worker {self.workername!r}: the cloud says {answer.status_code}: {_words(answer)}")
        server = str(answer.json()["server"]["id"])
        if start.given_up:
            self._delete(server)
        start.check(self.workername)
        return server

    def _image_id(self, cloud: Any, image: Any) -> str | None:
        if not image:
            return None
        if callable(image):
            chosen = image(list(cloud.image.images()))
            return str(getattr(chosen, "id", chosen))
        return self._found("image", cloud.image.find_image, image)

    def _found(self, what: str, find: Any, name: str) -> str:
        """The id of an image or a flavor, by its name or id."""
        from openstack.exceptions import NotFoundException

        try:
            return str(find(name, ignore_missing=False).id)
        except NotFoundException as missing:
            raise LatentWorkerCannotSubstantiate(
                f"worker {self.workername!r}: the cloud has no {what} {name!r}"
            ) from missing

    def _state(self, server: str) -> tuple[str, str]:
        """The state of a server and what the cloud says of a fault."""
        answer = self._compute("GET", f"/servers/{server}")
        if answer.status_code == 404:
            return DELETED, ""
        if answer.status_code >= 400:
            raise OSError(f"the cloud says {answer.status_code}: {_words(answer)}")
        found = answer.json()["server"]
        return str(found.get("status", UNKNOWN)), str(found.get("fault", {}).get("message", ""))

    def _delete(self, server: str) -> None:
        answer = self._compute("DELETE", f"/servers/{server}")
        if answer.status_code >= 400 and answer.status_code != 404:
            raise OSError(f"the cloud says {answer.status_code}: {_words(answer)}")

    def _find(self, token: str) -> str | None:
        """The server whose metadata has this token."""
        for server in self._connected().compute.servers(details=True, name=self.workername):
            if (server.metadata or {}).get(MARK) == token and server.status != DELETED:
                return str(server.id)
        return None

    # -- the instance ------------------------------------------------------------------------------------------------

    @deferred
    async def start_instance(self, build: Any) -> list[str]:
        """Make a server and wait until it runs."""
        plan = await self.renderWorkerPropsOnStart(build)
        self._start = start = Start()
        await self.save_instance({"token": start.token})
        self._server = server = await self.master.in_thread(self._launch, start, plan)
        state, fault = await until(self, "the start", lambda: self._left_build(start, server), POLL_INTERVAL)
        if state != ACTIVE:
            self.failed_to_start(server, f"{state}: {fault}" if fault else state)
        return [server, str(plan.image)]

    async def _left_build(self, start: Start, server: str) -> tuple[str, str] | None:
        start.check(self.workername)
        state = await ask(self, "the state of its server", self._state, server)
        return None if state[0] in (BUILD, UNKNOWN) else state

    @deferred
    async def stop_instance(self, fast: bool = False) -> None:
        """Delete the server; without ``fast`` wait until it is gone."""
        start, self._start = self._start, None
        server, self._server = self._server, None
        try:
            if start is not None:
                start.give_up()
                server = server or await ask(self, "what was started", self._find, start.token)
            if server is not None:
                await self._end(server, fast)
        finally:
            self.resetWorkerPropsOnStop()

    async def _end(self, server: str, fast: bool) -> None:
        async def gone() -> bool | None:
            return True if (await ask(self, "the state of its server", self._state, server))[0] == DELETED else None

        await ask(self, "its end", self._delete, server)
        if not fast:
            await until(self, f"the end of server {server}", gone, POLL_INTERVAL, STOP_LIMIT)

    @deferred
    async def check_instance(self) -> tuple[bool, str]:
        """Whether the server runs."""
        if self._server is None:
            return (True, "")
        state, fault = await ask(self, "the state of its server", self._state, self._server)
        return (state in (ACTIVE, BUILD, UNKNOWN), f"server {self._server} is {state} {fault}".strip())

    @deferred
    async def recover_instance(self, saved: Any) -> bool:
        """Find the server that an earlier process of this master has left."""
        if not saved:
            return False
        self._server = await ask(self, "what an earlier process has left", self._find, saved["token"])
        return self._server is not None


def auth_of(own: Mapping[str, Any]) -> dict[str, Any]:
    """The login as the SDK takes it, from the arguments ``os_…``."""
    login = {
        "username": own["os_username"],
        "password": own["os_password"],
        "project_name": own["os_tenant_name"],
        "auth_url": own["os_auth_url"],
    }
    for kind in ("user", "project"):
        domain = own[f"os_{kind}_domain"]
        if domain is not None:
            login[f"{kind}_domain_id" if domain == "default" else f"{kind}_domain_name"] = domain
    return {name: value for name, value in login.items() if value is not None}


def device(given: Mapping[str, Any]) -> dict[str, Any]:
    """One of ``block_devices`` as the compute interface has it (``block_device_mapping_v2``)."""
    made = {
        "uuid": given.get("uuid"),
        "device_name": given.get("device_name"),
        "source_type": given.get("source_type", "image"),
        "destination_type": given.get("destination_type", "volume"),
        "delete_on_termination": bool(given.get("delete_on_termination", True)),
        "boot_index": int(given.get("boot_index", 0)),
    }
    if given.get("volume_size") is not None:
        made["volume_size"] = int(given["volume_size"])
    return {name: value for name, value in made.items() if value is not None}


def _add_size(cloud: Any, made: dict[str, Any]) -> None:
    """A volume that is made from an image or a snapshot is as large as that needs, unless its size is given."""
    if made["destination_type"] != "volume" or "volume_size" in made:
        return
    if made["source_type"] == "image":
        source = cloud.image.get_image(made["uuid"])
        made["volume_size"] = max(source.min_disk or 0, math.ceil((source.size or 0) / 2**30), 1)
    elif made["source_type"] == "snapshot":
        made["volume_size"] = cloud.block_storage.get_snapshot(made["uuid"]).size


def nova_parts(given: Mapping[str, Any]) -> dict[str, Any]:
    """``nova_args`` under the names of the compute interface."""
    made: dict[str, Any] = {}
    for name, value in given.items():
        if name == "nics":
            made["networks"] = value if isinstance(value, str) else [_network(nic) for nic in value]
        elif name == "userdata":
            text = value.read() if hasattr(value, "read") else value
            made["user_data"] = base64.b64encode(text.encode() if isinstance(text, str) else text).decode("ascii")
        elif name == "security_groups":
            made[name] = [{"name": group} if isinstance(group, str) else group for group in value]
        elif name == "scheduler_hints":
            made[HINTS] = value
        elif value is not None:
            made[{"meta": "metadata", "disk_config": "OS-DCF:diskConfig"}.get(name, name)] = value
    return made


def _network(nic: Mapping[str, Any]) -> dict[str, Any]:
    names = {"net-id": "uuid", "port-id": "port", "v4-fixed-ip": "fixed_ip", "v6-fixed-ip": "fixed_ip"}
    return {names.get(name, name): value for name, value in nic.items()}


def server_body(name: str, plan: ServerPlan, image: str | None, flavor: str) -> dict[str, Any]:
    """The ``server`` of a request for one."""
    body: dict[str, Any] = {"name": name, "flavorRef": flavor, **nova_parts(plan.nova_args or {})}
    if image is not None:
        body["imageRef"] = image
    if plan.block_devices:
        body["block_device_mapping_v2"] = [device(each) for each in plan.block_devices]
    if plan.meta:
        body["metadata"] = {**body.get("metadata", {}), **{key: str(value) for key, value in plan.meta.items()}}
    return body


def _words(answer: Any) -> str:
    """What an answer that refuses says."""
    try:
        [(_, said)] = answer.json().items()
        return str(said["message"])
    except Exception:  # policy: whatever it is, it is shown as it came
        return str(answer.text)[:500]
