"""A latent worker whose instances are processes: run by the project's tests with the real buildbot-worker."""

import buildmaster  # noqa: F401  # isort: skip - needed outside a master.cfg only: "buildbot" means buildmaster

import os
import shutil

from buildbot.interfaces import LatentWorkerFailedToSubstantiate
from buildbot.plugins import util
from buildbot.worker import AbstractLatentWorker
from twisted.internet import defer, protocol, utils


class Ending(protocol.ProcessProtocol):
    """Tells when the process has ended."""

    def __init__(self):
        self.ended = defer.Deferred()

    def processEnded(self, reason):
        self.ended.callback(None)


class ProcessWorker(AbstractLatentWorker):
    """Runs buildbot-worker on the master's host, in a directory below ``basedir``, while builds want it.

    ``language`` (a renderable) is the ``LANG`` of the process: builds of another one get a process of their own.
    """

    builds_may_be_incompatible = True

    def checkConfig(self, name, password, port, basedir, program, language="C", **kwargs):
        super().checkConfig(name, password, **kwargs)

    async def reconfigService(self, name, password, port, basedir, program, language="C", **kwargs):
        await super().reconfigService(name, password, **kwargs)
        self.directory = os.path.join(basedir, name)
        self.program = program
        self.port = port
        self.language = language
        self.started_with = None

    async def start_instance(self, build):
        self.started_with = await build.render(self.language)
        shutil.rmtree(self.directory, ignore_errors=True)
        create = ["create-worker", self.directory, f"127.0.0.1:{self.port}", self.name, self.password]
        _, errors, code = await utils.getProcessOutputAndValue(self.program, create, reactor=self.master.reactor)
        if code != 0:
            raise LatentWorkerFailedToSubstantiate(self.name, errors.decode())
        self.process = Ending()
        command = [self.program, "start", "--nodaemon", self.directory]
        env = {**os.environ, "LANG": self.started_with}
        transport = self.master.reactor.spawnProcess(self.process, command[0], command, env)
        return ["process", str(transport.pid)]

    async def stop_instance(self, fast=False):
        self.started_with = None
        if not self.process.ended.called:
            self.process.transport.signalProcess("KILL" if fast else "TERM")
            await self.process.ended

    async def isCompatibleWithBuild(self, build_props):
        wanted = await build_props.render(self.language)
        return self.started_with in (None, wanted)


def workers(port, basedir, program, wait=300):
    """The workers of a configuration; an idle process is stopped after ``wait`` seconds."""
    return [
        ProcessWorker(
            "myworker",
            "secret",
            port=port,
            basedir=basedir,
            program=program,
            language=util.Property("language", default="C"),
            build_wait_timeout=wait,
        )
    ]
