"""Secrets as files on a worker, there only while the steps run that need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.results import FAILURE, SUCCESS, worst_status
from buildmaster.process import remotetransfer
from buildmaster.process.buildstep import BuildStep
from buildmaster.process.command import RemoteCommand

MODE = 0o600


class DownloadSecretsToWorker(BuildStep):
    """Writes secrets into files on the worker: pairs of (path, secret)."""

    name = "Download secrets to worker"
    renderables = ["secret_to_be_populated"]

    def __init__(self, populated_secret_list: Sequence[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.secret_to_be_populated = list(populated_secret_list)

    @deferred
    async def run(self) -> int:
        self.checkWorkerHasCommand("downloadFile")
        result = SUCCESS
        for path, value in self.secret_to_be_populated:
            reader = remotetransfer.StringFileReader(value)
            args = {
                "workdir": self.workdir,
                "workerdest": path,
                "maxsize": None,
                "reader": reader,
                "blocksize": 32 * 1024,
                "mode": MODE,
            }
            if self.workerVersionIsOlderThan("downloadFile", "3.0"):
                args["slavedest"] = args.pop("workerdest")
            command = RemoteCommand("downloadFile", args, stdioLogName=None)
            await self.runCommand(command)
            result = worst_status(result, FAILURE if command.didFail() else SUCCESS)
        return result


class RemoveWorkerFileSecret(BuildStep):
    """Removes what :class:`DownloadSecretsToWorker` wrote; always run."""

    name = "Remove worker file secret"
    alwaysRun = True

    def __init__(
        self, populated_secret_list: Sequence[tuple[str, Any]], logEnviron: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.paths = [path for path, _ in populated_secret_list]
        self.logEnviron = logEnviron

    renderables = ["paths"]

    @deferred
    async def run(self) -> int:
        self.checkWorkerHasCommand("rmfile")
        result = SUCCESS
        for path in self.paths:
            args = {"path": f"{self.workdir}/{path}" if self._relative(path) else path, "logEnviron": self.logEnviron}
            command = RemoteCommand("rmfile", args, stdioLogName=None)
            await self.runCommand(command)
            result = worst_status(result, FAILURE if command.didFail() else SUCCESS)
        return result

    def _relative(self, path: str) -> bool:
        return not self.worker.path_module.isabs(path)
