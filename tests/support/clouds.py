"""Clouds that run on this machine, for workers whose master is in memory: each answers over real HTTP from a thread."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from buildmaster.plugins import schedulers, steps, util
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import ScriptedWorker

DEBIAN_PACKAGES = Path("/usr/lib/python3/dist-packages")


class CloudKit(MemoryMaster):
    """A master with the latent worker ``w1``, whose worker a test lets connect by hand."""

    scripted: ScriptedWorker | None = None
    crashed = False

    def crash(self) -> float:
        self.crashed = True
        return super().crash()

    def end(self) -> None:
        """Stop the master, giving its instance the time that it takes; nothing if it crashed."""
        if self.master.running and not self.crashed:
            stopping = self.master.stopService()
            self.advance(30)
            self.wait_for(stopping)

    def next_life(self) -> CloudKit:
        """Crash, and start the next master on what the last has left."""
        now = self.crash()
        return type(self)(self.master.basedir, self.loader.config, now=now).start()  # type: ignore[return-value]

    @property
    def w1(self) -> Any:
        return self.master.workers.getWorkerByName("w1")

    def change(self) -> None:
        self.call(self.master.data.updates.addChange, author="me", revision="1", files=["f"], comments="c")
        self.pump()

    def connect(self) -> None:
        """The worker on the instance comes."""
        self.scripted = ScriptedWorker(self.master, "w1")
        self.scripted.connect()
        self.pump()

    def results(self) -> list[int | None]:
        return [build["results"] for build in self.get("builds", order=("buildid",))]

    def told(self) -> str:
        """What the step ``worker_preparation`` of the first build says."""
        for name in ("worker_preparation", "worker_prepare"):
            for log in self.get("builders", "b", "builds", 1, "steps", name, "logs"):
                return str(self.get("logs", log["logid"], "contents")["content"])
        return ""


def config(make: Callable[..., Any], **options: Any) -> dict[str, Any]:
    """A configuration with one worker."""
    factory = util.BuildFactory([steps.ShellCommand(command=["make"], name="make")])
    return {
        "workers": [make(**options)],
        "builders": [util.BuilderConfig(name="b", workernames=["w1"], factory=factory)],
        "schedulers": [schedulers.AnyBranchScheduler(name="s", builderNames=["b"])],
        "protocols": {"pb": {"port": 9989}},
    }


@contextmanager
def ec2() -> Iterator[str]:
    """Moto's server, an Amazon EC2 that starts nothing; its address.

    Moto is held to the real EC2 by the schemas of botocore and by its own users' tests.  One documented filter that it
    lacks, ``client-token``, is added.
    """
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    from moto.ec2 import utils
    from moto.server import ThreadedMotoServer

    utils.filter_dict_attribute_mapping["client-token"] = "client_token"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def libvirt_module() -> Any:
    """The module ``libvirt``: this Python's own, or the system's if it fits this Python; None if there is none."""
    if "libvirt" in sys.modules:
        return sys.modules["libvirt"]
    if importlib.util.find_spec("libvirt") is None:
        compiled = f"libvirtmod.cpython-{sys.version_info[0]}{sys.version_info[1]}-"
        if not any(path.name.startswith(compiled) for path in DEBIAN_PACKAGES.glob("libvirtmod.*.so")):
            return None
        for name in ("libvirtmod", "libvirt"):
            found = next(iter(DEBIAN_PACKAGES.glob(f"{name}.py")), None) or next(DEBIAN_PACKAGES.glob(f"{name}.*.so"))
            spec = importlib.util.spec_from_file_location(name, found)
            assert spec is not None and spec.loader is not None
            sys.modules[name] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
    import libvirt

    return libvirt


class OpenStack:
    """As much of an OpenStack cloud as a worker needs: Identity v3, Image v2, Compute v2.1.

    Written from the services' API references; that ``openstacksdk`` logs in, finds and lists by it is what it is
    checked against.  A server is ``BUILD`` when it is looked at for the first time, then what ``becomes`` says.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, str, Any]] = []
        self.servers: dict[str, dict[str, Any]] = {}
        self.becomes = "ACTIVE"
        self.refusal: tuple[int, Any] | None = None
        self.images = [{"id": "img-1", "name": "debian", "min_disk": 2, "size": 3 * 2**30 + 1, "status": "active"}]
        self.flavors = [{"id": "fl-1", "name": "m1.small", "ram": 1, "vcpus": 1, "disk": 1, "links": []}]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers for a request."""
        self.asked.append((method, path, body))
        path, _, query = path.partition("?")
        parts = path.strip("/").split("/")
        if parts[:2] == ["identity", "v3"]:
            return self._identity(method, parts[2:])
        if path.rstrip("/") in ("/image", "/image/v2"):
            return 200, {"versions": [self._version("v2.9", "/image/v2/")]}, {}
        if path.startswith("/image/v2/images"):
            return self._one_or_all("images", self.images, parts[3:], query, "")
        if path.rstrip("/") in ("/compute", "/compute/v2.1"):
            newest = {**self._version("v2.1", "/compute/v2.1/"), "version": "2.60", "min_version": "2.1"}
            return 200, ({"version": newest} if path.rstrip("/").endswith("v2.1") else {"versions": [newest]}), {}
        return self._compute(method, parts[2:], query, body)

    def _version(self, name: str, path: str) -> dict[str, Any]:
        return {"id": name, "status": "CURRENT", "links": [{"rel": "self", "href": self.url + path}]}

    def _identity(self, method: str, parts: list[str]) -> tuple[int, Any, dict[str, str]]:
        if parts != ["auth", "tokens"]:
            return 200, {"version": {**self._version("v3.14", "/identity/v3/"), "status": "stable"}}, {}
        catalog = [
            {"type": kind, "id": kind, "name": kind, "endpoints": [self._endpoint(path)]}
            for kind, path in (("image", "/image"), ("compute", "/compute/v2.1"))
        ]
        token = {"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": catalog, "methods": ["password"]}
        people = {"user": {"id": "u", "name": "u"}, "project": {"id": "p", "name": "p"}}
        return 201, {"token": {**token, **people}}, {"X-Subject-Token": "the-token"}

    def _endpoint(self, path: str) -> dict[str, Any]:
        return {"id": path, "interface": "public", "region": "here", "region_id": "here", "url": self.url + path}

    def _one_or_all(
        self, what: str, rows: list[dict[str, Any]], rest: list[str], query: str, one: str
    ) -> tuple[int, Any, dict[str, str]]:
        if rest and rest != ["detail"]:
            found = [row for row in rows if row["id"] == rest[0]]
            return (200, {one: found[0]} if one else found[0], {}) if found else (404, {"x": {"message": "none"}}, {})
        wanted = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair).get("name")
        return 200, {what: [row for row in rows if wanted is None or row["name"] == wanted]}, {}

    def _compute(self, method: str, parts: list[str], query: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        if parts[0] == "flavors":
            if parts[1:] and parts[-1] == "os-extra_specs":
                return 200, {"extra_specs": {}}, {}
            return self._one_or_all("flavors", self.flavors, parts[1:], query, "flavor")
        if method == "POST":
            if self.refusal is not None:
                return (*self.refusal, {})
            name = f"srv-{len(self.servers) + 1}"
            self.servers[name] = {"id": name, "status": "BUILD", **body["server"]}
            return 202, {"server": {"id": name, "links": []}}, {}
        if method == "DELETE":
            gone = self.servers.pop(parts[1], None)
            return (404, {"itemNotFound": {"message": "none"}}, {}) if gone is None else (204, None, {})
        answer = self._one_or_all("servers", list(self.servers.values()), parts[1:], query, "server")
        answer = (answer[0], json.loads(json.dumps(answer[1])), answer[2])
        for server in self.servers.values():
            server["status"] = self.becomes
        return answer


@contextmanager
def openstack() -> Iterator[OpenStack]:
    """A running :class:`OpenStack`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            status, value, headers = cloud.answer(self.command, self.path, json.loads(text) if text else None)
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            for name, each in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, each)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = reply

        def log_message(self, format: str, *args: Any) -> None:
            """Not on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    cloud = OpenStack(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
