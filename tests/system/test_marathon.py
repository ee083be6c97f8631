"""Workers in applications of Marathon; the cluster is an HTTP server of the test's own.

It answers as Marathon's REST reference says for ``/v2/apps``: creating one (201, 409 if it is there), reading it (404),
deleting it, which takes until it is looked at again.  It is checked against nothing but that text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import capture_config_errors
from buildmaster.base.results import EXCEPTION, RETRY, SUCCESS
from buildmaster.plugins import util, worker
from buildmaster.worker import marathon
from buildmaster.worker.latent import States
from buildmaster.worker.marathon import MarathonLatentWorker, merged
from tests.support.latent_sites import Begin, change, latent_sites, live, told
from tests.support.real_workers import RealWorker
from tests.support.web_service import Asked, Service, serving


class Cluster:
    """The applications."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.apps: dict[str, dict[str, Any]] = {}
        self.ending: set[str] = set()
        self.state: dict[str, Any] = {"tasksRunning": 1}
        self.refusal: tuple[int, Any] | None = None
        service.answers.update({f"{method} *": self.answer for method in ("GET", "POST", "DELETE")})

    def answer(self, asked: Asked) -> Any:
        if asked.method == "POST":
            if self.refusal is not None:
                return self.refusal
            self.apps[asked.json["id"]] = asked.json
            return 201, asked.json
        name = asked.path.partition("?")[0].removeprefix("/v2/apps")
        if name not in self.apps:
            return 404, {"message": f"App '{name}' does not exist"}
        if asked.method == "DELETE":
            self.ending.add(name)
            return 200, {"deploymentId": "d", "version": "v"}
        found = {"app": {**self.apps[name], **self.state}}
        if name in self.ending:
            self.ending.remove(name)
            del self.apps[name]
        return found


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(marathon, "POLL_INTERVAL", 0.05)
    with serving() as service:
        yield Cluster(service)


class Named(MarathonLatentWorker):
    def getContainerName(self) -> str:
        return self.workername.replace("_", "-")


@pytest.fixture
def begin(cluster: Cluster, tmp_path: Path) -> Iterator[Begin]:
    def make(**options: Any) -> Named:
        arguments = {"marathon_url": cluster.service.url, "image": "img", "masterFQDN": "127.0.0.1", **options}
        return Named("w_1", **arguments)

    with latent_sites(tmp_path, make) as begin:
        yield begin


@pytest.mark.needs("buildbot-worker")
def test_a_build_runs_in_an_app_that_is_deleted_then(begin: Any, cluster: Cluster, tmp_path: Path) -> None:
    extra = {"cpus": util.renderer(lambda props: int(props.getProperty("cpus", 2))), "env": {"http_proxy": "p"}}
    site = begin(
        build_wait_timeout=0,
        image=util.Interpolate("workers/%(prop:buildername)s"),
        marathon_auth=("me", "secret"),
        marathon_extra_config={**extra, "container": {"docker": {"forcePullImage": True}, "volumes": []}},
    )

    async def story() -> None:
        await change(site)
        await site.until(lambda: cluster.apps, "the app is made")
        [(name, app)] = cluster.apps.items()
        assert name == "/buildbot-worker/w-1"
        docker = {"image": "workers/b", "network": "HOST", "forcePullImage": True}
        assert app["container"] == {"type": "DOCKER", "docker": docker, "volumes": []}
        assert (app["instances"], app["cpus"], app["env"]["http_proxy"]) == (1, 2, "p")
        env = app["env"]
        assert (env["BUILDMASTER"], env["BUILDMASTER_PROTOCOL"]) == ("127.0.0.1", "pb")
        real = RealWorker(tmp_path, int(env["BUILDMASTER_PORT"]), env["WORKERNAME"], env["WORKERPASS"])
        site.workers.append(real)
        real.process.start()
        [done] = await site.finished()
        assert done["results"] == SUCCESS
        await site.until(lambda: live(site).state is States.NOT_SUBSTANTIATED, "the app is deleted", 20)
        assert cluster.apps == {}

    site.run(story())


def test_a_task_that_fails_is_told(begin: Any, cluster: Cluster) -> None:
    cluster.state = {"tasksRunning": 0, "lastTaskFailure": {"state": "TASK_FAILED", "message": "no such image"}}
    site = begin(check_instance_interval=0.1)

    async def story() -> None:
        await change(site)
        [done] = await site.finished()
        assert done["results"] == RETRY
        assert "its task has ended: TASK_FAILED no such image" in await told(site)

    site.run(story())


def test_an_app_that_is_refused_ends_the_build_and_a_leftover_is_deleted(begin: Any, cluster: Cluster) -> None:
    cluster.refusal = (422, {"message": "Object is not valid", "details": [{"path": "/cpus"}]})
    cluster.apps["/left-over"] = {}
    site = begin()

    async def story() -> None:
        await change(site)
        [done] = await site.finished()
        assert done["results"] == EXCEPTION
        assert "Marathon says 422 Object is not valid [{'path': '/cpus'}]" in await told(site)
        await live(site).latent_instance.record.begin(None)
        await live(site).save_instance({"app": "/left-over", "url": cluster.service.url.rstrip("/")})
        await site.stop()

    site.run(story())
    assert sorted(cluster.apps) == ["/left-over"]
    following = begin()
    following.run(following.until(lambda: cluster.apps == {}, "the app is deleted"))


def test_dictionaries_are_merged_to_the_innermost() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}


def test_mistakes_are_told_at_once() -> None:
    with capture_config_errors() as told:
        worker.MarathonLatentWorker("w", "marathon", "", master_protocol="x")
    assert told.errors == [
        "worker 'w': marathon_url must be Marathon's address, such as http://marathon:8080, not 'marathon'",
        "worker 'w': image is missing",
        "worker 'w': master_protocol must be one of pb, msgpack_experimental_v7, not 'x'",
    ]
