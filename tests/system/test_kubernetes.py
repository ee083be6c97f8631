"""Workers in pods: a real master and a real buildbot-worker; the cluster is an HTTP server of the test's own.

It answers as the Kubernetes API reference says for pods of the core group (v1): creating one (201, or 409 with the
reason AlreadyExists), reading it (404 NotFound), its log, and deleting it, which takes until it is looked at again.  It
is checked against nothing but that text.  What a node's kubelet would do with a pod, the test does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.aio import as_deferred
from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import EXCEPTION, RETRY, SUCCESS
from buildmaster.net.kubernetes import KubeClientService, KubeConfigLoaderBase, KubeError, pods
from buildmaster.plugins import util, worker
from buildmaster.worker.kubernetes import trouble_of
from buildmaster.worker.latent import States
from tests.support import real_reactor
from tests.support.latent_sites import Begin, change, latent_sites, live, told
from tests.support.real_workers import RealWorker
from tests.support.web_service import Asked, Service, serving

NAMESPACE = "/api/v1/namespaces/builds/pods"


class Cluster:
    """The pods of one namespace."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.pods: dict[str, dict[str, Any]] = {}
        self.ending: set[str] = set()
        self.status: dict[str, Any] = {"phase": "Running"}
        self.refusal: tuple[int, Any] | None = None
        self.logins: set[str | None] = set()
        service.answers.update({f"{method} *": self.answer for method in ("GET", "POST", "DELETE")})

    def answer(self, asked: Asked) -> Any:
        self.logins.add(asked.headers.get("authorization"))
        if asked.method == "POST" and asked.path == NAMESPACE:
            return self.create(asked.json)
        name, _, what = asked.path.removeprefix(f"{NAMESPACE}/").partition("/")
        if name not in self.pods:
            return 404, {"kind": "Status", "reason": "NotFound", "message": f"pods {name!r} not found"}
        if what == "log":
            return 200, b"no luck\n"
        if asked.method == "DELETE":
            self.ending.add(name)
            return 200, self.pods[name]
        found = {**self.pods[name], "status": self.status}
        if name in self.ending:
            self.ending.remove(name)
            del self.pods[name]
        return found

    def create(self, pod: dict[str, Any]) -> Any:
        name = pod["metadata"]["name"]
        if self.refusal is not None:
            return self.refusal
        if name in self.pods:
            return 409, {"kind": "Status", "reason": "AlreadyExists", "message": f"pods {name!r} already exists"}
        self.pods[name] = pod
        return 201, pod

    @property
    def environment(self) -> dict[str, str]:
        """What the only pod's container is told."""
        [pod] = self.pods.values()
        [container] = pod["spec"]["containers"]
        return {each["name"]: each["value"] for each in container["env"]}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with serving() as service:
        yield Cluster(service)


class Sized(worker.KubeLatentWorker):
    def getBuildContainerResources(self, build: Any) -> Any:
        return {"limits": {"cpu": util.Interpolate("%(prop:cpus:-2)s")}}

    def get_node_selector(self, build: Any) -> Any:
        return {"disk": "fast"}


@pytest.fixture
def begin(cluster: Cluster, tmp_path: Path) -> Iterator[Begin]:
    def make(**options: Any) -> Sized:
        login = util.KubeHardcodedConfig(
            master_url=cluster.service.url, bearerToken=util.Transform(lambda: "t0"), namespace="builds"
        )
        arguments = {"masterFQDN": "127.0.0.1", "kube_config": login, **options}
        return Sized("w_1", **arguments)

    with latent_sites(tmp_path, make) as begin:
        yield begin


@pytest.mark.needs("buildbot-worker")
def test_a_build_runs_in_a_pod_that_is_deleted_then(begin: Any, cluster: Cluster, tmp_path: Path) -> None:
    site = begin(build_wait_timeout=0, image=util.Interpolate("workers/%(prop:buildername)s"))

    async def story() -> None:
        await change(site)
        await site.until(lambda: cluster.pods, "the pod is made")
        [pod] = cluster.pods.values()
        assert pod["metadata"]["name"] == live(site).getContainerName()
        [container] = pod["spec"]["containers"]
        assert container["image"] == "workers/b"
        assert container["resources"] == {"limits": {"cpu": "2"}}
        assert pod["spec"]["nodeSelector"] == {"disk": "fast"}
        assert pod["spec"]["restartPolicy"] == "Never"
        told = cluster.environment
        assert (told["BUILDMASTER"], told["BUILDMASTER_PROTOCOL"]) == ("127.0.0.1", "pb")
        real = RealWorker(tmp_path, int(told["BUILDMASTER_PORT"]), told["WORKERNAME"], told["WORKERPASS"])
        site.workers.append(real)
        real.process.start()
        [done] = await site.finished()
        assert done["results"] == SUCCESS
        await site.until(lambda: live(site).state is States.NOT_SUBSTANTIATED, "the pod is deleted", 20)
        assert cluster.pods == {}
        assert cluster.logins == {"Bearer t0"}

    site.run(story())


def test_a_pod_that_never_comes_to_run_is_told_with_its_last_words(begin: Any, cluster: Cluster) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    cluster.status = {"phase": "Pending", "containerStatuses": [{"state": waiting}]}
    site = begin(check_instance_interval=0.1)

    async def story() -> None:
        await change(site)
        [done] = await site.finished()
        assert done["results"] == RETRY
        assert "its container waits: ImagePullBackOff no such image; it said:\nno luck" in await told(site)

    site.run(story())


def test_a_pod_that_is_refused_ends_the_build_and_a_leftover_is_deleted(begin: Any, cluster: Cluster) -> None:
    cluster.refusal = (422, {"reason": "Invalid", "message": "spec.containers[0].image: Required value"})
    cluster.pods["left-over"] = {}
    site = begin()

    async def story() -> None:
        await change(site)
        [done] = await site.finished()
        assert done["results"] == EXCEPTION
        assert "the cluster says 422 Invalid: spec.containers[0].image: Required value" in await told(site)
        await live(site).latent_instance.record.begin(None)
        await live(site).save_instance({"namespace": "builds", "pod": "left-over"})
        await site.stop()

    site.run(story())
    assert sorted(cluster.pods) == ["left-over"]
    following = begin()
    following.run(following.until(lambda: cluster.pods == {}, "the pod is deleted"))


def test_another_cluster_counts_from_the_next_pod_on(begin: Any, cluster: Cluster) -> None:
    site = begin(max_builds=1)

    async def reconfig(**options: Any) -> None:
        made = site.loader.config()
        old = made["workers"][0]
        made["workers"] = [Sized("w_1", **{**old._config_kwargs, **options})]
        original, site.loader.config = site.loader.config, lambda: made
        await as_deferred(site.master.reconfig())
        site.loader.config = original

    async def story() -> None:
        await change(site)
        await site.until(lambda: cluster.pods, "the pod is made")
        first = live(site)._client
        await reconfig(max_builds=2)  # the same cluster, said anew
        assert (live(site).max_builds, live(site)._next_client) == (2, first)
        await reconfig(kube_config=util.KubeHardcodedConfig("http://127.0.0.1:1"))
        assert live(site)._client is first
        assert live(site)._next_client.config.getConfig()["master_url"] == "http://127.0.0.1:1"
        await site.stop()
        assert set(cluster.pods) <= cluster.ending

    site.run(story())


# -- where the cluster is --------------------------------------------------------------------------------------------


class User:
    """What uses a cluster: something of a master."""

    class master:
        reactor = real_reactor.reactor


def test_kubectl_proxy_runs_as_long_as_somebody_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``kubectl`` is a script that says what the real one says and notes that it lives."""
    program = tmp_path / "kubectl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\necho "Starting to serve on 127.0.0.1:$3"\nexec sleep 100\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    loader = util.KubeCtlProxyConfigLoader(proxy_port=8123, namespace="mine")
    assert loader.getConfig() == {"master_url": "http://localhost:8123", "namespace": "mine"}
    one, other = User(), User()

    async def story() -> None:
        await loader.use(one)
        await loader.use(other)
        await loader.leave(one)
        assert loader._process is not None and loader._process.running
        await loader.leave(other)
        assert loader._process is None

    real_reactor.run(as_deferred(story()))
    assert (tmp_path / "calls").read_text() == "proxy --port 8123\n"


def test_a_missing_kubectl_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigErrors, match="there is no program 'kubectl' on PATH; install it"):
        util.KubeCtlProxyConfigLoader()


def test_a_master_in_a_pod_finds_its_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigErrors, match="the master does not run in a cluster"):
        util.KubeInClusterConfigLoader()
    with pytest.raises(ConfigErrors, match="the master does not run in a cluster"):
        worker.KubeLatentWorker("w")
    for name, text in (("namespace", "mine\n"), ("token", "secret\n"), ("ca.crt", "")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(util.KubeInClusterConfigLoader, "kube_dir", str(tmp_path))
    for file in ("namespace", "token"):
        monkeypatch.setattr(util.KubeInClusterConfigLoader, f"kube_{file}_file", str(tmp_path / file))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    loader = util.KubeInClusterConfigLoader()
    assert loader.getConfig()["master_url"] == "https://[fd00::1]:6443"
    assert loader.getConfig()["namespace"] == "mine"
    assert real_reactor.run(loader.getAuthorization()) == "Bearer secret"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "master_url is missing"),
        ({"master_url": "x", "bearerToken": "a", "basicAuth": {}}, "give bearerToken or basicAuth, not both"),
        ({"master_url": "x", "basicAuth": {"user": "a"}}, "basicAuth must have 'user' and 'password'"),
    ],
)
def test_mistakes_about_a_cluster_are_told(options: Any, words: str) -> None:
    with pytest.raises(ConfigErrors, match=words):
        util.KubeHardcodedConfig(**options)


def test_a_name_and_a_password_log_in(cluster: Cluster) -> None:
    loader = util.KubeHardcodedConfig(
        cluster.service.url, basicAuth={"user": "me", "password": "pw"}, headers={"X-Own": "1"}
    )
    client = KubeClientService(User(), loader)

    async def story() -> None:
        assert await client.get_pod("builds", "none") is None
        cluster.refusal = (403, {"reason": "Forbidden", "message": "no"})
        with pytest.raises(KubeError, match="the cluster says 403 Forbidden: no"):
            await client.create_pod("builds", {"metadata": {"name": "x"}})
        await client.close()

    real_reactor.run(as_deferred(story()))
    assert cluster.logins == {"Basic bWU6cHc="}
    assert {asked.headers["x-own"] for asked in cluster.service.asked} == {"1"}


def test_a_class_that_defines_nothing_says_so() -> None:
    with pytest.raises(KubeError, match="does not define getConfig"):
        KubeConfigLoaderBase().getConfig()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "a?x=1"])
def test_no_name_leads_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="can be no name of Kubernetes"):
        pods("default", name)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"phase": "Pending"}, None),
        ({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, None),
        ({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, None),
        ({"phase": "Failed", "message": "evicted"}, "its pod is Failed evicted"),
        (
            {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 137, "reason": "OOM"}}}]},
            "its container has ended, exit code 137 OOM",
        ),
    ],
)
def test_what_is_wrong_with_a_pod(status: Any, words: str | None) -> None:
    assert trouble_of(status) == words
