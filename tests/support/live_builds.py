"""Builds that only exist: begun and finished by the data API of a live master, for whoever reports them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from buildmaster.base.results import SUCCESS
from buildmaster.db import build_properties, builds
from buildmaster.plugins import schedulers, util, worker
from tests.support.live_master import LiveMaster
from tests.support.real_reactor import run

SHA = "d6cd1e2bd19e03a81132a23b2025920577f84e37"


class LiveBuilds:
    """A master with the builders ``good`` and ``bad`` and these services."""

    def __init__(self, basedir: Path, services: list[Any]) -> None:
        names = ["bad", "good"]
        factory = util.BuildFactory()
        self.live = LiveMaster(
            basedir,
            {
                "workers": [worker.Worker("w", "p")],
                "builders": [util.BuilderConfig(name=name, workernames=["w"], factory=factory) for name in names],
                "schedulers": [schedulers.Triggerable(name="t", builderNames=names)],
                "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
                "buildbotURL": "http://ci.example/",
                "multiMaster": True,
                "services": services,
                "change_source": [],
            },
        )

    def __enter__(self) -> LiveBuilds:
        self.live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.live.__exit__(*exc)

    def update(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return run(getattr(self.live.master.data.updates, name)(*args, **kwargs))

    def buildset(
        self, builders: list[str], stamp: Mapping[str, Any], properties: Mapping[str, Any], **more: Any
    ) -> dict[str, int]:
        """Ask for builds of a source stamp; the requests by builder."""
        ids = {name: self.update("findBuilderId", name) for name in builders}
        source = {"codebase": "", "repository": "", "project": "", "branch": None, "revision": SHA, **stamp}
        _, requests = self.update(
            "addBuildset",
            waited_for=False,
            scheduler="t",
            sourcestamps=[source],
            reason="because",
            properties={name: (value, "Change") for name, value in properties.items()},
            builderids=list(ids.values()),
            **more,
        )
        return {name: requests[builderid] for name, builderid in ids.items()}

    def begin(self, builder: str, request: int, properties: Mapping[str, Any]) -> int:
        """A build of this request begins; its id."""
        ids = (self.update("findBuilderId", builder), request, self.update("findWorkerId", "w"))
        self.update("claimBuildRequests", [request])
        master = self.live.master
        return run(master.db.write(_begin, ids, master.masterid, master.db.epoch, builder, dict(properties)))

    def finish(self, buildid: int, request: int, results: int, state: str = "done") -> None:
        """It ends so."""
        self.update("setBuildStateString", buildid, state)
        self.update("finishBuild", buildid, results)
        self.update("completeBuildRequests", [request], results)

    def build(
        self,
        stamp: Mapping[str, Any],
        properties: Mapping[str, Any] | None = None,
        results: int = SUCCESS,
        builder: str = "good",
        **more: Any,
    ) -> int:
        """One build, from the request to its end; its id."""
        request = self.buildset([builder], stamp, properties or {}, **more)[builder]
        buildid = self.begin(builder, request, properties or {})
        self.finish(buildid, request, results)
        return buildid


def _begin(txn: Any, ids: tuple[int, int, int], masterid: int, epoch: int, builder: str, properties: Any) -> int:
    row = builds.add(txn, *ids, masterid, epoch=epoch)
    named = {**properties, "buildername": builder, "buildnumber": row.number, "workername": "w"}
    build_properties.add(txn, row.buildid, {name: (value, "Build") for name, value in named.items()})
    return row.buildid
