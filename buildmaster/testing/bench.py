"""One real build on a fake clock: a whole master in memory, one builder, one worker that plays a script.

The build exists, with its rows and its worker, before its steps are known; :meth:`Bench.run` lets it go on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import defer

from buildmaster.base.aio import deferred, maybe
from buildmaster.config.builder import BuilderConfig
from buildmaster.process.build import Build
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.secrets.providers.base import SecretProviderBase
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.reactor import TestReactor
from buildmaster.testing.script import PlayingWorker, Script
from buildmaster.testing.worker import COMMANDS
from buildmaster.worker.base import Worker

BUILDER, WORKER = "builder", "worker"
ANY_VERSION = {"*": "99.99"}
FAREWELLS = 10


class AnyVersion(dict[str, str]):
    """Versions of commands, where ``*`` is the version of all that are not named."""

    def get(self, command: str, default: Any = None) -> Any:
        """A command's version."""
        return super().get(command, super().get("*", default))


class ReadyStep:
    """The factory of a step that is there already."""

    def __init__(self, step: Any) -> None:
        self.step = step

    def get_step_factory(self) -> ReadyStep:
        """It is its own."""
        return self

    def buildStep(self) -> Any:
        """The step."""
        return self.step


class HeldBuild(Build):
    """A build that waits before its first step until it is let go.

    Properties that the test sets meanwhile stay as they were set.
    """

    files: Sequence[str] | None = None

    def __init__(self, requests: Sequence[Any], builder: Any = None) -> None:
        super().__init__(requests, builder)
        self.go: defer.Deferred[None] = defer.Deferred()
        self._known: dict[str, Any] = {}

    def allFiles(self) -> list[str]:
        """Those that the test gave."""
        return list(self.files) if self.files is not None else super().allFiles()

    async def _know(self) -> None:
        await super().setupBuild()
        self._known = self.properties.asDict()

    @deferred
    async def startBuild(self, workerforbuilder: Any) -> Build:
        """Wait, and run."""
        self.setupWorkerForBuilder(workerforbuilder)
        await self._know()
        await self.go
        return await maybe(super().startBuild, workerforbuilder)

    @deferred
    async def setupBuild(self) -> None:
        """As ever, but for what the test has set."""
        mine = {name: pair for name, pair in self.properties.asDict().items() if self._known.get(name) != pair}
        await super().setupBuild()
        for name, (value, source) in mine.items():
            self.properties.setProperty(name, value, source)


class _Secrets(SecretProviderBase):
    """The secrets of a test."""

    name = "secrets of the test"
    values: Mapping[str, str] = {}

    def reconfigService(self, name: Any = None, *args: Any, **kwargs: Any) -> None:
        self.values = kwargs["values"]

    def get(self, *args: Any, **kwargs: Any) -> str | None:
        """By name."""
        return self.values.get(args[0])


class Bench:
    """A master in a directory of its own, with the builder ``builder`` and the worker ``worker``."""

    build: HeldBuild
    worker: Any

    def __init__(self, reactor: TestReactor, secrets: Mapping[str, str] | None) -> None:
        self.reactor = reactor
        self.script = Script(lambda: self.build.currentStep.interrupt("interrupt reason"))
        self._directory = tempfile.TemporaryDirectory(prefix="buildmaster-test-", ignore_cleanup_errors=True)
        self._factory = BuildFactory()
        self._factory.buildClass = HeldBuild
        self._secrets = secrets
        self.kit = MemoryMaster(self._directory.name, self._config, reactor=reactor).start()
        self.master = self.kit.master
        reactor.answer_processes(self.script.process_answer(self.master.basedir))

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "protocols": {"pb": {"port": "tcp:0"}},
            "workers": [Worker(WORKER, "secret")],
            "builders": [BuilderConfig(name=BUILDER, workernames=[WORKER], factory=self._factory)],
            "schedulers": [Triggerable(name="test", builderNames=[BUILDER])],
        }
        if self._secrets is not None:
            config["secretsProviders"] = [_Secrets(values=self._secrets)]
        return config

    def make_build(
        self, versions: Mapping[str, str] | None, env: Mapping[str, str] | None, files: Sequence[str] | None
    ) -> HeldBuild:
        """Connect the worker, ask for a build, and wait until it is there."""
        commands = AnyVersion(ANY_VERSION if versions is None else versions)
        listed = {name: commands.get(name) for name in (COMMANDS if "*" in commands else commands)}
        info = {"worker_commands": listed, "environ": dict(env or {})}
        player = PlayingWorker(self.master, WORKER, self.script, info)
        self.kit.wait_for(player.connect())
        self.worker = self.master.workers.getWorkerByName(WORKER)
        builder = self.master.botmaster.builders[BUILDER]
        for wfb in builder.workers:
            wfb.remoteCommands = commands
        updates: Any = self.master.data.updates
        self.kit.call(
            updates.addBuildset,
            waited_for=False,
            builderids=[self.kit.call(builder.getBuilderId)],
            sourcestamps=[{"codebase": "", "repository": "", "project": "", "branch": None, "revision": None}],
            reason="a test",
        )
        self.kit.pump()
        self.build = builder.building[-1]
        self.build.files = files
        return self.build

    def run(self, steps: Sequence[Any]) -> defer.Deferred[Build]:
        """Run these steps; fires when the build has ended."""
        ended = self.build.waitUntilFinished()
        self.build.setStepFactories([ReadyStep(step) for step in steps])
        self.build.go.callback(None)
        return ended

    def close(self) -> None:
        """Stop the master and remove its directory; a build that still runs is given up."""
        self.kit.crash()
        for _ in range(FAREWELLS):  # of those who saw connections end, and those who saw that
            for call in self.reactor.getDelayedCalls():
                if call.active():
                    call.cancel()
        self._directory.cleanup()
