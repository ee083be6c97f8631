"""Workers in containers of a real Docker engine; taken only where ``dockerd`` is on the machine and we are root."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import EXCEPTION, RETRY, SUCCESS
from buildmaster.plugins import util, worker
from buildmaster.worker.latent import States
from tests.support.docker_engine import IMAGE, DockerEngine, import_image, volumes
from tests.support.latent_sites import Begin, change, latent_sites, live

pytestmark = pytest.mark.taken_with("dockerd")

RUN_WORKER = """
set -e
PATH={bin}:/usr/bin:/bin
buildbot-worker create-worker --quiet /work/w "$BUILDMASTER:$BUILDMASTER_PORT" "$WORKERNAME" "$WORKERPASS"
exec buildbot-worker start --nodaemon /work/w
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """An engine with one image."""
    from tests.conftest import find_tool

    program = find_tool("dockerd")
    assert program is not None
    made = DockerEngine(program)
    try:
        made.sdk = made.client()  # type: ignore[attr-defined]
        import_image(made.sdk)  # type: ignore[attr-defined]
        yield made
    finally:
        made.stop()


@pytest.fixture
def begin(engine: Any, tmp_path: Path, tool: Callable[[str], str]) -> Iterator[Begin]:
    tool("buildbot-worker")

    def make(**options: Any) -> worker.DockerLatentWorker:
        arguments = {
            "image": IMAGE,
            "command": ["/bin/sh", "-c", RUN_WORKER.format(bin=Path(sys.executable).parent)],
            "volumes": volumes(),
            "hostconfig": {"network_mode": "host"},
            "masterFQDN": "127.0.0.1",
            **options,
        }
        return worker.DockerLatentWorker("w", None, engine.address, **arguments)

    with latent_sites(tmp_path, make, ["/bin/sh", "-c", "echo in $WORKERNAME"]) as begin:
        yield begin


def containers(engine: Any) -> list[str]:
    return [name for found in engine.sdk.containers(all=True) for name in found["Names"]]


def test_a_build_runs_in_a_container_that_is_removed_then(engine: Any, begin: Begin) -> None:
    site = begin(build_wait_timeout=0, followStartupLogs=True)

    async def story() -> None:
        await change(site)
        [done] = await site.finished()
        assert done["results"] == SUCCESS
        [log] = await site.get("builders", "b", "builds", 1, "steps", "greet", "logs")
        assert "oin w\n" in (await site.get("logs", log["logid"], "contents"))["content"]
        await site.until(lambda: live(site).state is States.NOT_SUBSTANTIATED, "the container is removed")
        assert containers(engine) == []

    site.run(story())


def test_stopping_the_master_removes_the_container(engine: Any, begin: Begin) -> None:
    site = begin(build_wait_timeout=-1)

    async def story() -> None:
        await change(site)
        await site.finished()
        assert containers(engine) == [f"/{live(site).getContainerName()}"]
        await site.master.stopService()
        assert containers(engine) == []

    site.run(story())


def test_a_container_that_ends_at_once_is_told_with_its_last_words(engine: Any, begin: Begin) -> None:
    site = begin(command=["/bin/sh", "-c", "echo no luck; exit 3"], check_instance_interval=0.2)

    async def story() -> None:
        await change(site)
        [done] = await site.finished()
        assert done["results"] == RETRY
        [log] = await site.get("builders", "b", "builds", 1, "steps", "worker_preparation", "logs")
        text = (await site.get("logs", log["logid"], "contents"))["content"]
        assert "exit code 3; it said:\nno luck" in text
        await site.until(lambda: live(site).state is States.NOT_SUBSTANTIATED, "the container is removed")
        assert containers(engine) == []

    site.run(story())


def test_an_image_that_is_not_there_ends_the_build(begin: Begin) -> None:
    site = begin(image="not-there:at-all")

    async def story() -> None:
        await change(site)
        [done] = await site.finished()
        assert done["results"] == EXCEPTION
        [log] = await site.get("builders", "b", "builds", 1, "steps", "worker_preparation", "logs")
        text = (await site.get("logs", log["logid"], "contents"))["content"]
        assert "image 'not-there:at-all' is not on docker host" in text

    site.run(story())


def test_an_image_is_built_from_a_dockerfile_and_the_builds_properties(engine: Any, begin: Begin) -> None:
    site = begin(
        image=None,
        dockerfile=util.Interpolate("FROM %(kw:image)s\nENV BUILDER %(prop:buildername)s\n", image=IMAGE),
        command=None,
        hostconfig={"network_mode": "host"},
        check_instance_interval=0.2,
    )

    async def story() -> None:
        await change(site)
        await site.finished()
        plan = await live(site).renderWorkerProps(None)
        assert plan.dockerfile == f"FROM {IMAGE}\nENV BUILDER \n"
        tags = [tag for image in engine.sdk.images() for tag in image["RepoTags"] or ()]
        assert any(tag.startswith("buildmaster-worker-") for tag in tags)

    site.run(story())


def test_what_a_killed_master_has_left_is_removed_by_the_next(engine: Any, begin: Begin) -> None:
    site = begin()

    async def leave_one() -> str:
        at_work = live(site)
        host = engine.sdk.create_host_config(network_mode="host", binds=volumes())
        made = engine.sdk.create_container(IMAGE, ["/bin/sleep", "1000"], name="left-over", host_config=host)
        engine.sdk.start(made["Id"])
        await at_work.latent_instance.record.begin(None)
        await at_work.save_instance({"docker_host": engine.address, "container": "left-over"})
        await site.master.stopService()
        return str(made["Id"])

    site.run(leave_one())
    assert containers(engine) == ["/left-over"]
    following = begin()
    following.run(following.until(lambda: containers(engine) == [], "the container is removed"))
