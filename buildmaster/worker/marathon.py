"""Workers in applications of Marathon, which runs containers on a Mesos cluster: each is made for the builds.

The interface is described in Marathon's REST reference, https://mesosphere.github.io/marathon/api-console/.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

import attrs

from buildmaster.base.aio import as_deferred, deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import LatentWorkerCannotSubstantiate, LatentWorkerFailedToSubstantiate
from buildmaster.net.httpclient import HTTPSession
from buildmaster.properties import rendering_of
from buildmaster.worker.cloud import STOP_LIMIT, bound, own_name, properties_of, until
from buildmaster.worker.compatible import CompatibleLatentWorkerMixin
from buildmaster.worker.docker import PROTOCOLS
from buildmaster.worker.latent import AbstractLatentWorker

POLL_INTERVAL = 2.0
GONE = 404
MISTAKES = frozenset({400, 422})
"""Statuses that say that the application itself is wrong: trying again does not help."""


@attrs.frozen
class AppPlan:
    """What an application is made from, with all properties filled in."""

    image: str
    masterFQDN: str
    extra: Mapping[str, Any]


class MarathonLatentWorker(CompatibleLatentWorkerMixin, AbstractLatentWorker):
    """A worker in an application of its own, with one instance.

    ``marathon_url`` is Marathon's address, ``marathon_auth`` a tuple of user and password for it.  ``image`` is the
    container's image.  ``marathon_extra_config`` holds further keys of the application (``cpus``, ``mem``,
    ``constraints``, ``container`` …), which are merged with its own down to the innermost dictionary.  The
    application's id is ``marathon_app_prefix`` and :meth:`getContainerName`.

    The container's environment has ``BUILDMASTER`` and ``BUILDMASTER_PORT`` (from ``masterFQDN``, ``host`` or
    ``host:port``; this host's full name by default), ``BUILDMASTER_PROTOCOL``, ``WORKERNAME`` and ``WORKERPASS``;
    without a ``password`` one is made up.  ``image``, ``masterFQDN`` and ``marathon_extra_config`` may be, or hold,
    renderables; a build that renders them otherwise gets an application of its own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._generated = self.getRandomPass()
        self._session: HTTPSession | None = None
        self._app: str | None = None
        self._starts = 0
        super().__init__(*args, **kwargs)

    def checkConfig(  # type: ignore[override]
        self,
        name: str,
        marathon_url: str,
        image: Any,
        marathon_auth: tuple[str, str] | None = None,
        marathon_extra_config: Any = None,
        marathon_app_prefix: str = "buildbot-worker/",
        masterFQDN: Any = None,
        password: Any = None,
        master_protocol: str = "pb",
        **kwargs: Any,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, self._generated if password is None else password, **kwargs)
        place = f"worker {self.name!r}"
        if not str(marathon_url).startswith(("http://", "https://")):
            error(
                f"{place}: marathon_url must be Marathon's address, such as http://marathon:8080, not {marathon_url!r}"
            )
        if not image:
            error(f"{place}: image is missing")
        if master_protocol not in PROTOCOLS:
            error(f"{place}: master_protocol must be one of {', '.join(PROTOCOLS)}, not {master_protocol!r}")

    @deferred
    async def reconfigService(self, *args: Any, **kwargs: Any) -> None:
        """Take these arguments over; an application that was made with others goes when it is idle."""
        own = bound(MarathonLatentWorker.checkConfig, (self, *args), kwargs)
        self.image, self.marathon_extra_config = own["image"], own["marathon_extra_config"] or {}
        self.marathon_app_prefix = own["marathon_app_prefix"]
        self.masterFQDN = own["masterFQDN"] or socket.getfqdn()
        self.master_protocol = own["master_protocol"]
        password = self._generated if own["password"] is None else own["password"]
        await super().reconfigService(own["name"], password, **own["kwargs"])
        self._where = (own["marathon_url"].rstrip("/"), own["marathon_auth"])

    @deferred
    async def stopService(self) -> None:
        """Delete the application, then leave the cluster."""
        try:
            await super().stopService()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await as_deferred(session.close())

    # -- what the application is made from ---------------------------------------------------------------------------

    def createEnvironment(self, build: Any = None) -> dict[str, str]:
        """What the worker in the container needs to know, besides the master's address."""
        return {
            "BUILDMASTER_PROTOCOL": self.master_protocol,
            "WORKERNAME": self.workername,
            "WORKERPASS": self.password,
        }

    def getContainerName(self) -> str:
        """The last part of the application's id: the same for each one of this worker on this master."""
        return own_name(self)

    def getApplicationId(self) -> str:
        """The application's id."""
        return "/" + f"{self.marathon_app_prefix}{self.getContainerName()}".strip("/")

    @deferred
    async def renderWorkerProps(self, build: Any) -> AppPlan:
        """A Deferred of what the application for a build, or for a build with these properties, is made from."""
        props = properties_of(build)
        return AppPlan(
            image=await as_deferred(rendering_of(self.image, props)),
            masterFQDN=await as_deferred(rendering_of(self.masterFQDN, props)),
            extra=await as_deferred(rendering_of(self.marathon_extra_config, props)),
        )

    def application(self, plan: AppPlan) -> dict[str, Any]:
        """The application as Marathon takes it."""
        host, _, port = plan.masterFQDN.partition(":")
        if not port and self.registration is not None:
            own = self.registration.get_msgpack_port if self.master_protocol != "pb" else self.registration.getPBPort
            port = str(own() or "")
        environment = {"BUILDMASTER": host, **({"BUILDMASTER_PORT": port} if port else {}), **self.createEnvironment()}
        app = {
            "id": self.getApplicationId(),
            "instances": 1,
            "container": {"type": "DOCKER", "docker": {"image": plan.image, "network": "HOST"}},
            "env": {name: str(value) for name, value in environment.items()},
        }
        return merged(app, plan.extra)

    # -- the instance ------------------------------------------------------------------------------------------------

    @deferred
    async def start_instance(self, build: Any) -> list[str]:
        """Make the application; one of an earlier life goes first."""
        await self._leave()
        plan = await self.renderWorkerPropsOnStart(build)
        self._starts = this = self._starts + 1
        self._app = app = self.getApplicationId()
        await self.save_instance({"app": app, "url": self._where[0]})
        await self._delete(app)
        if this != self._starts:
            raise LatentWorkerFailedToSubstantiate(f"worker {self.workername!r}: the start of its app was given up")
        status, said = await self._ask("post", "/v2/apps", json=self.application(plan))
        if status >= 300:
            kind = LatentWorkerCannotSubstantiate if status in MISTAKES else LatentWorkerFailedToSubstantiate
            raise kind(f"worker {self.workername!r}: app {app}: Marathon says {status} {said}")
        if this != self._starts:
            await self._delete(app)
        return [app, plan.image]

    @deferred
    async def stop_instance(self, fast: bool = False) -> None:
        """Delete the application; without ``fast`` wait until it is gone."""
        self._starts += 1
        app, self._app = self._app, None
        try:
            if app is not None:
                await self._delete(app, wait=not fast)
        finally:
            self.resetWorkerPropsOnStop()

    @deferred
    async def check_instance(self) -> tuple[bool, str]:
        """Whether the application is there, and no task of it has failed."""
        if self._app is None:
            return (True, "")
        status, found = await self._ask("get", f"/v2/apps{self._app}")
        if status == GONE:
            return (False, "its app is gone")
        app = found.get("app", {}) if isinstance(found, dict) else {}
        failure = app.get("lastTaskFailure")
        if failure and not app.get("tasksRunning"):
            return (False, f"its task has ended: {failure.get('state', '')} {failure.get('message', '')}".strip())
        return (True, "")

    @deferred
    async def recover_instance(self, saved: Any) -> bool:
        """Find the application that an earlier process of this master has left."""
        if not saved or saved["url"] != self._where[0]:
            return False
        if (await self._ask("get", f"/v2/apps{saved['app']}"))[0] == GONE:
            return False
        self._app = saved["app"]
        return True

    async def _delete(self, app: str, wait: bool = True) -> None:
        status, said = await self._ask("delete", f"/v2/apps{app}?force=true")
        if status == GONE:
            return
        if status >= 300:
            raise LatentWorkerFailedToSubstantiate(
                f"worker {self.workername!r}: app {app}: Marathon says {status} {said}"
            )

        async def gone() -> bool | None:
            return True if (await self._ask("get", f"/v2/apps{app}"))[0] == GONE else None

        if wait:
            await until(self, f"the end of app {app}", gone, POLL_INTERVAL, STOP_LIMIT)

    async def _ask(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        """The status of Marathon's answer and what it says: JSON, its ``message`` if that is an error."""
        if self._session is None:
            url, auth = self._where
            self._session = HTTPSession(self, url, auth=auth)
        answer = await as_deferred(getattr(self._session, method)(path, **kwargs))
        text = (await as_deferred(answer.content())).decode("utf-8", "replace")
        try:
            said = json.loads(text) if text else {}
        except ValueError:
            said = text
        if answer.code >= 300 and isinstance(said, dict):
            said = " ".join(str(said[key]) for key in ("message", "details") if said.get(key))
        return answer.code, said


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both dictionaries in one; where both have a dictionary, these are merged too, else the second counts."""
    found = dict(first)
    for key, value in second.items():
        before = found.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        found[key] = merged(before, value) if both else value  # type: ignore[arg-type]
    return found
