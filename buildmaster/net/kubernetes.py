"""Kubernetes: where a cluster's interface is and who may use it (the documented ``Kube…Config`` classes), and pods.

Paths and bodies are those of the Kubernetes API's core group, version v1
(https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/).
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, with_deadline
from buildmaster.base.errors import error
from buildmaster.net.httpclient import HTTPSession
from buildmaster.net.processes import SupervisedProcess
from buildmaster.service import BuildbotService

log = Logger()

REQUEST_DEADLINE = 60.0
"""Seconds that one request may take."""

PROXY_DEADLINE = 30.0
"""Seconds that ``kubectl proxy`` may take for starting."""

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a pod finds its namespace, its token and the cluster's authority."""


class KubeError(RuntimeError):
    """The cluster refused a request; ``status`` is HTTP's, ``reason`` the cluster's word for it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"the cluster says {status} {reason}: {message}")
        self.status = status
        self.reason = reason


class KubeConfigLoaderBase(BuildbotService):
    """Where a cluster is and how to be let in; several workers may share one.

    A subclass overrides :meth:`getConfig` and may override :meth:`getAuthorization`.  It is started when the first
    worker uses it, and stopped after the last.
    """

    name = "kubernetes"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._users: list[Any] = []
        self._master: Any = None
        self._one_at_a_time = defer.DeferredLock()

    @property
    def master(self) -> Any:
        """The master of those who use it."""
        return self._master if self._master is not None else super().master

    def getConfig(self) -> dict[str, Any]:
        """``master_url`` and ``namespace``; where needed ``headers``, ``cert`` and ``verify`` of the HTTP client."""
        raise KubeError(0, "Unconfigured", f"{type(self).__name__} does not define getConfig(self)")

    def getAuthorization(self) -> Any:
        """The value of the header ``Authorization``, or None; a Deferred of it."""
        return defer.succeed(None)

    def use(self, user: Any) -> defer.Deferred[None]:
        """Begin to use it for a service that has a master; fires when it has started."""
        return self._one_at_a_time.run(lambda: as_deferred(self._use(user)))

    def leave(self, user: Any) -> defer.Deferred[None]:
        """Use it no more; fires when it has stopped if nobody else does."""
        return self._one_at_a_time.run(lambda: as_deferred(self._leave(user)))

    async def _use(self, user: Any) -> None:
        if not self._users:
            self._master = user.master
            await self.startService()
        if user not in self._users:
            self._users.append(user)

    async def _leave(self, user: Any) -> None:
        if user in self._users:
            self._users.remove(user)
            if not self._users:
                await self.stopService()


class KubeHardcodedConfig(KubeConfigLoaderBase):
    """A cluster whose address and login are given.

    ``master_url`` is the address, ``namespace`` the namespace by default.  ``bearerToken`` is a token, ``basicAuth`` a
    dictionary with ``user`` and ``password``; both may be secrets.  ``headers`` go with every request.  ``cert`` is a
    client certificate (a path, or a pair of paths); ``verify`` the path of the cluster's authority, or False to
    believe anybody.
    """

    def checkConfig(
        self,
        master_url: str | None = None,
        bearerToken: Any = None,
        basicAuth: Any = None,
        headers: Mapping[str, str] | None = None,
        cert: Any = None,
        verify: Any = None,
        namespace: str = "default",
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        if not master_url:
            error("KubeHardcodedConfig: master_url is missing, the address of the cluster")
        if bearerToken is not None and basicAuth is not None:
            error("KubeHardcodedConfig: give bearerToken or basicAuth, not both")
        if isinstance(basicAuth, Mapping) and not {"user", "password"} <= set(basicAuth):
            error("KubeHardcodedConfig: basicAuth must have 'user' and 'password'")
        self.config: dict[str, Any] = {"master_url": master_url, "namespace": namespace, "headers": dict(headers or {})}
        if cert is not None:
            self.config["cert"] = cert
        if verify is not None:
            self.config["verify"] = verify
        self._login = (bearerToken, basicAuth)

    @deferred
    async def reconfigService(self, *args: Any, **kwargs: Any) -> None:
        """Take these arguments over."""
        self.checkConfig(*args, **kwargs)

    def getConfig(self) -> dict[str, Any]:
        """What was given."""
        return self.config

    @deferred
    async def getAuthorization(self) -> str | None:
        """The login."""
        bearer, basic = await self.renderSecrets(*self._login)
        if bearer is not None:
            return f"Bearer {bearer}"
        if basic is not None:
            pair = f"{basic['user']}:{basic['password']}".encode()
            return "Basic " + base64.b64encode(pair).decode("ascii")
        return None


class KubeCtlProxyConfigLoader(KubeConfigLoaderBase):
    """The cluster of this user's ``kubectl``, reached through ``kubectl proxy``, which this keeps running.

    ``proxy_port`` is the port on this host, ``namespace`` the namespace by default.
    """

    kube_ctl_proxy_cmd = ["kubectl", "proxy"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._process: SupervisedProcess | None = None
        super().__init__(*args, **kwargs)

    def checkConfig(self, proxy_port: int = 8001, namespace: str = "default") -> None:
        """Check the arguments, reporting all mistakes."""
        if not isinstance(proxy_port, int) or not 0 < proxy_port < 65536:
            error(f"KubeCtlProxyConfigLoader: proxy_port must be a port's number, not {proxy_port!r}")
        if shutil.which(self.kube_ctl_proxy_cmd[0]) is None:
            error(f"KubeCtlProxyConfigLoader: there is no program {self.kube_ctl_proxy_cmd[0]!r} on PATH; install it")
        self.proxy_port, self.namespace = proxy_port, namespace

    @deferred
    async def startService(self) -> None:
        """Start the proxy; fires when it serves, fails if it does not within half a minute."""
        await super().startService()
        serves: defer.Deferred[None] = defer.Deferred()

        def heard(line: str) -> None:
            log.info("kubectl proxy: {line}", line=line)
            if line.startswith("Starting to serve") and not serves.called:
                serves.callback(None)

        command = [*self.kube_ctl_proxy_cmd, "--port", str(self.proxy_port)]
        self._process = SupervisedProcess(self.master.reactor, "kubectl proxy", command, on_line=heard)
        self._process.start()
        try:
            await with_deadline(serves, PROXY_DEADLINE, self.master.reactor, "kubectl proxy")
        except BaseException:
            await self.stopService()
            raise

    @deferred
    async def stopService(self) -> None:
        """End the proxy."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()
        await super().stopService()

    def getConfig(self) -> dict[str, Any]:
        """The proxy's address."""
        return {"master_url": f"http://localhost:{self.proxy_port}", "namespace": self.namespace}


class KubeInClusterConfigLoader(KubeConfigLoaderBase):
    """The cluster in which this master runs, as a pod, with the rights of the pod's service account."""

    kube_dir = ACCOUNT
    kube_namespace_file = os.path.join(ACCOUNT, "namespace")
    kube_token_file = os.path.join(ACCOUNT, "token")
    kube_cert_file = os.path.join(ACCOUNT, "ca.crt")

    def checkConfig(self) -> None:
        """Report it if this is not a pod."""
        if not os.path.exists(self.kube_dir):
            error(
                f"KubeInClusterConfigLoader: there is no {self.kube_dir}: the master does not run in a cluster, or its "
                "pod has no service account; use another Kube…Config class"
            )

    def getConfig(self) -> dict[str, Any]:
        """What the cluster tells its pods."""
        host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        return {
            "master_url": f"https://{f'[{host}]' if ':' in host else host}:{port}",
            "namespace": Path(self.kube_namespace_file).read_text().strip(),
            "verify": self.kube_cert_file,
        }

    def getAuthorization(self) -> defer.Deferred[str]:
        """The token, read anew each time: the cluster renews it."""
        return defer.succeed(f"Bearer {Path(self.kube_token_file).read_text().strip()}")


class KubeClientService:
    """Asks one cluster on behalf of a service; ``config`` is a :class:`KubeConfigLoaderBase` that it uses."""

    def __init__(self, user: Any, config: KubeConfigLoaderBase) -> None:
        self.config = config
        self._user = user
        self._session: HTTPSession | None = None

    @property
    def namespace(self) -> str:
        """The namespace by default."""
        return str(self.config.getConfig().get("namespace") or "default")

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self.config.leave(self._user)

    async def create_pod(self, namespace: str, pod: Mapping[str, Any]) -> dict[str, Any]:
        """Make a pod; raises KubeError."""
        return await self._ask("post", pods(namespace), json=pod)

    async def get_pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A pod; None if there is none."""
        try:
            return await self._ask("get", pods(namespace, name))
        except KubeError as refusal:
            if refusal.status == 404:
                return None
            raise

    async def delete_pod(self, namespace: str, name: str, grace: int) -> bool:
        """Let a pod end within ``grace`` seconds; False if there is none."""
        try:
            await self._ask("delete", pods(namespace, name), params={"gracePeriodSeconds": str(grace)})
        except KubeError as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    async def pod_log(self, namespace: str, name: str, lines: int) -> str:
        """The last lines that a pod's container wrote."""
        path = pods(namespace, name) + "/log"
        answer = await self._request("get", path, params={"tailLines": str(lines)})
        body = await with_deadline(answer.content(), REQUEST_DEADLINE, self._user.master.reactor, "a pod's log")
        return str(body.decode("utf-8", "replace")) if answer.code == 200 else ""

    async def _ask(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        answer = await self._request(method, path, **kwargs)
        try:
            found = await with_deadline(answer.json(), REQUEST_DEADLINE, self._user.master.reactor, "the cluster")
        except ValueError:
            found = {}
        if answer.code >= 400:
            said = found if isinstance(found, dict) else {}
            raise KubeError(answer.code, str(said.get("reason", "")), str(said.get("message", "it gives no reason")))
        return dict(found)

    async def _request(self, method: str, path: str, **kwargs: Any) -> Any:
        await self.config.use(self._user)
        given = self.config.getConfig()
        if self._session is None or self._session.base_url != given["master_url"]:
            if self._session is not None:
                await self._session.close()
            self._session = HTTPSession(
                self._user, given["master_url"], verify=given.get("verify"), cert=given.get("cert")
            )
        headers = dict(given.get("headers") or {})
        login = await self.config.getAuthorization()
        if login is not None:
            headers["Authorization"] = login
        send = getattr(self._session, method)
        return await send(path, headers=headers, timeout=REQUEST_DEADLINE, **kwargs)


def pods(namespace: str, name: str | None = None) -> str:
    """The path of a namespace's pods, or of one of them; raises ValueError for what can be no name."""
    for each in [namespace] if name is None else [namespace, name]:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", each):
            raise ValueError(f"{each!r} can be no name of Kubernetes: lower-case letters, digits and hyphens only")
    return f"/api/v1/namespaces/{namespace}/pods" + (f"/{name}" if name is not None else "")
