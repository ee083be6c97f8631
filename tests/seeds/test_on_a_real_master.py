"""The examples about requests, builders and change sources together on a real master with a real worker."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer, protocol
from twisted.internet.endpoints import clientFromString

from buildmaster.base.aio import sleep
from buildmaster.base.results import SKIPPED, SUCCESS
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.process import buildrequest
from tests.support.real_reactor import reactor
from tests.support.real_workers import PORT, Site
from tests.support.seeds import execute

pytestmark = pytest.mark.needs("buildbot-worker")

COLLAPSE = {
    "branch": "collapse_by_branch.py",
    "coroutine": "collapse_by_coroutine.py",
    "reason": "collapse_by_reason.py",
    "parent": "collapse_by_parent.py",
    "deferred": "collapse_by_deferred.py",
}
NEXT_BUILD = {"release first": "next_build_by_branch.py", "priorities": "next_build_by_deferred.py"}


def fragment(name: str, **names: Any) -> dict[str, Any]:
    """What an example puts into the configuration, and the functions it defines."""
    c: dict[str, Any] = {}
    made = execute(name, c=c, defer=defer, buildrequest=buildrequest, **names)
    return {**made, **c}


async def get_merge_info(request: Any) -> str:
    return request.reason


def get_request_priorities(requests: list[Any]) -> defer.Deferred[list[int]]:
    return defer.succeed([0 if request.source.branch == "release" else 1 for request in requests])


def builders() -> list[Any]:
    """A builder for each of the examples, and one for changes."""
    options: dict[str, dict[str, Any]] = {"changes": {"collapseRequests": False}}
    for name, example in COLLAPSE.items():
        given = {"getMergeInfo": lambda request: defer.ensureDeferred(get_merge_info(request))}
        options[name] = {"collapseRequests": fragment(example, **given)["collapseRequests"]}
    for name, example in NEXT_BUILD.items():
        made = fragment(example, get_request_priorities=get_request_priorities)
        options[name] = {"collapseRequests": False, "nextBuild": made["nextBuild"]}
    factory = util.BuildFactory([steps.ShellCommand(command=["true"])])
    return [util.BuilderConfig(name=name, workernames=["w"], factory=factory, **more) for name, more in options.items()]


def config(spool: Path) -> dict[str, Any]:
    made = builders()
    listen = {'c["change_source"] = [LineListener(8990)]': 'c["change_source"] = [LineListener(0)]'}
    c: dict[str, Any] = {}
    execute("write_notified_source.py", listen, c=c)
    return {
        "protocols": {"pb": {"port": PORT}},
        "workers": [worker.Worker("w", "pw", max_builds=1, properties={"fast": True})],
        "builders": made,
        "schedulers": [
            schedulers.AnyBranchScheduler(name="all", builderNames=["changes"]),
            schedulers.Triggerable(name="t", builderNames=[one.name for one in made if one.name != "changes"]),
        ],
        "change_source": [*c["change_source"], *fragment("write_poller.py", spool=str(spool))["change_source"]],
        "prioritizeBuilders": fragment("prioritize_round_robin.py")["prioritizeBuilders"],
        "select_next_worker": fragment("choose_worker.py")["select_next_worker"],
    }


def test_requests_builders_and_change_sources(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "one").write_text(json.dumps({"author": "ann", "revision": "polled", "comments": ""}))
    site = Site(tmp_path, lambda: config(spool))
    site.run(_requests_builders_and_change_sources(site))


async def _requests_builders_and_change_sources(site: Site) -> None:
    await site.start()
    try:
        ids = {row["name"]: row["builderid"] for row in await site.get("builders")}
        await _notify(site, b"told bob a.c\n")
        await site.until(lambda: len(site.master.botmaster.distributor.pending) == 2, "both changes have a request")
        for name in [*COLLAPSE, *NEXT_BUILD]:
            for branch in ("main", "release", "main"):
                await _ask(site, ids[name], branch)
        site.worker("w").process.start()
        while [row for row in await site.get("buildrequests", fields=["complete"]) if not row["complete"]]:
            await sleep(site.reactor, 0.05)
        names = {builderid: name for name, builderid in ids.items()}
        requests = await site.get("buildrequests")
        skipped = Counter(names[row["builderid"]] for row in requests if row["results"] == SKIPPED)
        assert skipped == {"branch": 1, "coroutine": 1, "reason": 1, "deferred": 2}
        assert {row["results"] for row in requests} == {SKIPPED, SUCCESS}
        for name in NEXT_BUILD:
            assert [await _branch(site, build) for build in await _builds(site, ids[name])] == [
                "release",
                "main",
                "main",
            ]
        revisions = [row["revision"] for row in await site.get("changes", order=["changeid"])]
        assert sorted(revisions) == ["polled", "told"]
        assert len(await _builds(site, ids["changes"])) == 2
    finally:
        await site.stop()


async def _notify(site: Site, text: bytes) -> None:
    (source,) = [one for one in site.master.change_svc if one.name == "lines"]
    endpoint = clientFromString(reactor, f"tcp:127.0.0.1:{source.listening.getHost().port}")
    client: Any = await endpoint.connect(protocol.Factory.forProtocol(protocol.Protocol))
    client.transport.write(text)
    client.transport.loseConnection()


async def _ask(site: Site, builderid: int, branch: str) -> None:
    stamp = {"codebase": "", "repository": "r", "project": "", "branch": branch, "revision": None}
    await site.master.data.updates.addBuildset(
        waited_for=False, builderids=[builderid], sourcestamps=[stamp], reason="wish"
    )


async def _builds(site: Site, builderid: int) -> list[Any]:
    return list(await site.get("builders", builderid, "builds", order=["number"]))


async def _branch(site: Site, build: Any) -> str:
    return (await site.get("builds", build["buildid"], "properties"))["branch"][0]
