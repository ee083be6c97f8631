"""A master with one latent worker and one builder ``b`` on it, and what the tests of the clouds ask of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from buildmaster.plugins import schedulers, steps, util
from tests.support.real_workers import PORT, Site

Begin = Callable[..., Site]


@contextlib.contextmanager
def latent_sites(
    basedir: Path, make_worker: Callable[..., Any], command: Sequence[str] = ("echo", "hello")
) -> Iterator[Begin]:
    """Gives a function that starts such a master with ``make_worker(**options)``; at the end all are stopped."""
    sites: list[Site] = []

    def begin(**options: Any) -> Site:
        def config() -> dict[str, Any]:
            latent = make_worker(**options)
            factory = util.BuildFactory([steps.ShellCommand(command=list(command), name="greet")])
            return {
                "workers": [latent],
                "builders": [util.BuilderConfig(name="b", workernames=[latent.workername], factory=factory)],
                "schedulers": [schedulers.AnyBranchScheduler(name="b", builderNames=["b"])],
                "protocols": {"pb": {"port": PORT}},
            }

        site = Site(basedir, config)
        sites.append(site)
        site.run(site.start())
        return site

    yield begin
    for site in sites:
        site.run(site.stop())


def live(site: Site) -> Any:
    """The worker as it runs now."""
    (registration,) = site.master.workers.registrations.values()
    return registration.worker


async def change(site: Site) -> None:
    """A change that has the builder build."""
    await site.master.data.updates.addChange(author="me", revision="1", files=["f"], comments="c")


async def told(site: Site) -> str:
    """What the first build's preparation says about the worker."""
    [log] = await site.get("builders", "b", "builds", 1, "steps", "worker_preparation", "logs")
    return str((await site.get("logs", log["logid"], "contents"))["content"])
