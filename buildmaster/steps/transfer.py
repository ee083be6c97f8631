"""Steps that bring files from the worker to the master and back."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import WorkerSetupError
from buildmaster.base.results import FAILURE, SKIPPED, SUCCESS, worst_status
from buildmaster.process import remotetransfer
from buildmaster.process.buildstep import BuildStep
from buildmaster.process.remotecommand import RemoteCommand
from buildmaster.steps.worker import CompositeStepMixin, _destination_key, _source_key


def makeStatusRemoteCommand(step: Any, remote_command: str, args: dict[str, Any]) -> RemoteCommand:
    """A command whose messages go to ``step.stdio_log`` and that has no exit code when all is well."""
    command = RemoteCommand(remote_command, args, decodeRC={None: SUCCESS, 0: SUCCESS})
    command.useLog(step.stdio_log, False)
    return command


class _TransferBuildStep(BuildStep):
    """What all transfers share: the workdir on the worker, and that a failure ends the build."""

    haltOnFailure = True
    flunkOnFailure = True
    stdio_log: Any = None
    archive_limits = remotetransfer.ArchiveLimits()
    """How many files an uploaded directory may hold, and of what size; a subclass may set others."""

    def __init__(self, workdir: Any = None, **buildstep_kwargs: Any) -> None:
        if workdir is not None:
            buildstep_kwargs["workdir"] = workdir
        super().__init__(**buildstep_kwargs)

    def _master_path(self, path: str) -> str:
        """A path on the master: ``~`` is expanded, relative ones start at the master's directory."""
        return os.path.join(self.master.basedir, os.path.expanduser(path))

    async def _transfer(self, command: RemoteCommand, writer: Any = None) -> int:
        """Run an upload or download; an unfinished file is removed whatever happens.  Refusals are told in the log."""
        try:
            await self.runCommand(command)
            return command.results()
        except remotetransfer.TransferRefused as refused:
            self.stdio_log.addStderr(f"{refused}\n")
            return FAILURE
        finally:
            if writer is not None:
                remotetransfer.discard(writer)

    async def _upload_file(self, source: str, masterdest: str, options: dict[str, Any], mode: int | None) -> int:
        self.checkWorkerHasCommand("uploadFile")
        if options["keepstamp"] and self.workerVersionIsOlderThan("uploadFile", "2.13"):
            raise WorkerSetupError(
                f"This worker ({self.worker.workername}) does not support preserving timestamps. "
                "Please upgrade the worker."
            )
        writer = remotetransfer.FileWriter(masterdest, options["maxsize"], mode)
        args = {_source_key(self, "uploadFile"): source, "workdir": self.workdir, "writer": writer, **options}
        return await self._transfer(makeStatusRemoteCommand(self, "uploadFile", args), writer)

    async def _upload_directory(self, source: str, masterdest: str, options: dict[str, Any]) -> int:
        self.checkWorkerHasCommand("uploadDirectory")
        writer = remotetransfer.DirectoryWriter(
            masterdest, options["maxsize"], options["compress"], None, self.master.in_thread, self.archive_limits
        )
        args = {_source_key(self, "uploadDirectory"): source, "workdir": self.workdir, "writer": writer, **options}
        return await self._transfer(makeStatusRemoteCommand(self, "uploadDirectory", args), writer)

    async def _download(self, reader: Any, workerdest: str, maxsize: Any, blocksize: int, mode: int | None) -> int:
        self.checkWorkerHasCommand("downloadFile")
        args = {
            _destination_key(self): workerdest,
            "maxsize": maxsize,
            "reader": reader,
            "blocksize": blocksize,
            "workdir": self.workdir,
            "mode": mode,
        }
        try:
            return await self._transfer(makeStatusRemoteCommand(self, "downloadFile", args))
        finally:
            reader.close()


def _check_mode(step: str, mode: Any) -> None:
    if not isinstance(mode, int | type(None)):
        error(f"{step}: mode must be an integer or None, not {mode!r}")


def _check_given(step: str, **values: Any) -> None:
    for name, value in values.items():
        if value is None:
            error(f"{step}: {name} is required")


class FileUpload(_TransferBuildStep):
    """Bring the file ``workersrc`` from the worker to ``masterdest`` on the master.

    ``maxsize`` and ``blocksize`` are in bytes; ``mode`` are the permissions of the copy (default: what the umask
    gives); ``keepstamp`` keeps the file's times.  ``url`` is shown as a link, called ``urlText``.
    """

    name = "upload"
    renderables = ["masterdest", "url", "urlText", "workersrc"]

    def __init__(
        self,
        workersrc: Any = None,
        masterdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 256 * 1024,
        mode: int | None = None,
        keepstamp: bool = False,
        url: Any = None,
        urlText: Any = None,
        **buildstep_kwargs: Any,
    ) -> None:
        _check_given("FileUpload", workersrc=workersrc, masterdest=masterdest)
        _check_mode("FileUpload", mode)
        super().__init__(workdir=workdir, **buildstep_kwargs)
        self.workersrc = workersrc
        self.masterdest = masterdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.mode = mode
        self.keepstamp = keepstamp
        self.url = url
        self.urlText = urlText

    @deferred
    async def run(self) -> int:
        self.stdio_log = await self.addLog("stdio")
        masterdest = self._master_path(self.masterdest)
        if self.description is None:
            self.description = [f"uploading {os.path.basename(self.workersrc)}"]
        if self.descriptionDone is None:
            self.descriptionDone = self.description
        if self.url is not None:
            await self.addURL(self.urlText or os.path.basename(masterdest), self.url)
        options = {"maxsize": self.maxsize, "blocksize": self.blocksize, "keepstamp": self.keepstamp}
        return await self._upload_file(self.workersrc, masterdest, options, self.mode)


class DirectoryUpload(_TransferBuildStep):
    """Bring the directory ``workersrc`` from the worker to ``masterdest`` on the master.

    ``compress`` is None, ``"gz"`` or ``"bz2"``; ``maxsize`` (bytes) counts what is sent.  ``url`` is shown as a link.
    """

    name = "upload"
    renderables = ["workersrc", "masterdest", "url", "urlText"]

    def __init__(
        self,
        workersrc: Any = None,
        masterdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 16 * 1024,
        compress: str | None = None,
        url: Any = None,
        urlText: Any = None,
        **buildstep_kwargs: Any,
    ) -> None:
        _check_given("DirectoryUpload", workersrc=workersrc, masterdest=masterdest)
        _check_compress("DirectoryUpload", compress)
        super().__init__(workdir=workdir, **buildstep_kwargs)
        self.workersrc = workersrc
        self.masterdest = masterdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.compress = compress
        self.url = url
        self.urlText = urlText

    @deferred
    async def run(self) -> int:
        self.stdio_log = await self.addLog("stdio")
        masterdest = self._master_path(self.masterdest)
        self.descriptionDone = self.descriptionDone or f"uploading {os.path.basename(self.workersrc)}"
        if self.url is not None:
            await self.addURL(self.urlText or os.path.basename(os.path.normpath(masterdest)), self.url)
        options = {"maxsize": self.maxsize, "blocksize": self.blocksize, "compress": self.compress}
        return await self._upload_directory(self.workersrc, masterdest, options)


def _check_compress(step: str, compress: Any) -> None:
    if compress not in (None, "gz", "bz2"):
        error(f"{step}: compress must be one of None, 'gz' and 'bz2', not {compress!r}")


class MultipleFileUpload(_TransferBuildStep, CompositeStepMixin):
    """Bring several files and directories from the worker into the directory ``masterdest`` on the master.

    ``workersrcs`` is a path or a list of paths; with ``glob`` they are patterns with wildcards.  The other parameters
    are those of :class:`FileUpload` and :class:`DirectoryUpload`.
    """

    name = "upload"
    logEnviron = False
    renderables = ["workersrcs", "masterdest", "url", "urlText"]

    def __init__(
        self,
        workersrcs: Any = None,
        masterdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 16 * 1024,
        glob: bool = False,
        mode: int | None = None,
        compress: str | None = None,
        keepstamp: bool = False,
        url: Any = None,
        urlText: Any = None,
        **buildstep_kwargs: Any,
    ) -> None:
        _check_given("MultipleFileUpload", workersrcs=workersrcs, masterdest=masterdest)
        _check_mode("MultipleFileUpload", mode)
        _check_compress("MultipleFileUpload", compress)
        super().__init__(workdir=workdir, **buildstep_kwargs)
        self.workersrcs = workersrcs
        self.masterdest = masterdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.glob = glob
        self.mode = mode
        self.compress = compress
        self.keepstamp = keepstamp
        self.url = url
        self.urlText = urlText

    @deferred
    async def uploadFile(self, source: str, masterdest: str) -> int:
        """Bring one file; a Deferred of its results."""
        options = {"maxsize": self.maxsize, "blocksize": self.blocksize, "keepstamp": self.keepstamp}
        return await self._upload_file(source, masterdest, options, self.mode)

    @deferred
    async def uploadDirectory(self, source: str, masterdest: str) -> int:
        """Bring one directory; a Deferred of its results."""
        options = {"maxsize": self.maxsize, "blocksize": self.blocksize, "compress": self.compress}
        return await self._upload_directory(source, masterdest, options)

    @deferred
    async def startUpload(self, source: str, destdir: str) -> int:
        """Bring what ``source`` is, file or directory, into ``destdir``; a Deferred of the results."""
        name = self.worker.path_module.basename(source)
        if not _is_plain(name):
            self.stdio_log.addStderr(f"{source!r} does not end with the name of a file that the master can use\n")
            return FAILURE
        masterdest = os.path.join(destdir, name)
        path = self.worker.path_module.join(self.workdir, source)
        command = makeStatusRemoteCommand(self, "stat", {"file": path})
        await self.runCommand(command)
        if command.rc != 0:
            self.stdio_log.addHeader(f"File {path} not available at worker")
            return FAILURE
        mode = command.updates["stat"][-1][stat.ST_MODE]
        if stat.S_ISREG(mode):
            result = await maybe(self.uploadFile, source, masterdest)
        elif stat.S_ISDIR(mode):
            result = await maybe(self.uploadDirectory, source, masterdest)
        else:
            self.stdio_log.addHeader(f"File {path} is neither a regular file, nor a directory")
            return FAILURE
        await maybe(self.uploadDone, result, source, masterdest)
        return result

    def uploadDone(self, result: int, source: str, masterdest: str) -> Any:
        """For subclasses: one upload has ended."""

    @deferred
    async def allUploadsDone(self, result: int, sources: Sequence[str], masterdest: str) -> None:
        """For subclasses: all uploads have ended.  Adds the link."""
        if self.url is not None:
            await self.addURL(self.urlText or os.path.basename(os.path.normpath(masterdest)), self.url)

    @deferred
    async def run(self) -> int:
        self.checkWorkerHasCommand("uploadDirectory")
        self.checkWorkerHasCommand("uploadFile")
        self.checkWorkerHasCommand("stat")
        self.stdio_log = await self.addLog("stdio")
        masterdest = self._master_path(self.masterdest)
        sources = [self.workersrcs] if isinstance(self.workersrcs, str) else list(self.workersrcs)
        if self.keepstamp and self.workerVersionIsOlderThan("uploadFile", "2.13"):
            raise WorkerSetupError(
                f"This worker ({self.worker.workername}) does not support preserving timestamps. "
                "Please upgrade the worker."
            )
        if self.glob:
            sources = await self._matching(sources)
        names = [self.worker.path_module.basename(source) for source in sources]
        self.descriptionDone = self.descriptionDone or [
            f"uploading {len(names)} {'file' if len(names) == 1 else 'files'}"
        ]
        if not sources:
            return SKIPPED
        result = SUCCESS
        for source in sources:
            result = worst_status(result, await maybe(self.startUpload, source, masterdest))
            if result == FAILURE:
                break
        await maybe(self.allUploadsDone, result, sources, masterdest)
        return result

    async def _matching(self, patterns: Sequence[str]) -> list[str]:
        """The files that match, as paths relative to the workdir, sorted, each once."""
        self.checkWorkerHasCommand("glob")
        paths = self.worker.path_module
        found: dict[str, None] = {}
        for pattern in patterns:
            for path in await self.runGlob(paths.join(self.workdir, pattern), abandonOnFailure=False):
                found[_relative(paths, path, self.workdir)] = None
        return sorted(found)


def _is_plain(name: str) -> bool:
    """Whether this is a name in a directory, and nothing else, on the master: a worker may answer with anything."""
    return name not in ("", os.curdir, os.pardir) and os.path.basename(name) == name and "\0" not in name


def _relative(paths: Any, path: str, workdir: str) -> str:
    """What the worker's glob answered (absolute, or seen from the builder's directory) as seen from the workdir."""
    if paths.isabs(path):
        return path
    return paths.relpath(path, workdir)


class FileDownload(_TransferBuildStep):
    """Bring the file ``mastersrc`` of the master to ``workerdest`` on the worker.

    ``maxsize`` and ``blocksize`` are in bytes; ``mode`` are the permissions of the copy.
    """

    name = "download"
    renderables = ["mastersrc", "workerdest"]

    def __init__(
        self,
        mastersrc: Any,
        workerdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 16 * 1024,
        mode: int | None = None,
        **buildstep_kwargs: Any,
    ) -> None:
        _check_given("FileDownload", workerdest=workerdest)
        _check_mode("FileDownload", mode)
        super().__init__(workdir=workdir, **buildstep_kwargs)
        self.mastersrc = mastersrc
        self.workerdest = workerdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.mode = mode

    @deferred
    async def run(self) -> int:
        self.stdio_log = await self.addLog("stdio")
        source = self._master_path(self.mastersrc)
        self.descriptionDone = self.descriptionDone or ["downloading to", os.path.basename(self.workerdest)]
        try:
            fp = open(source, "rb")  # noqa: SIM115 - the reader closes it
        except OSError as e:
            await self.addCompleteLog("stderr", f"File {source!r} not available at master: {e.strerror}")
            return FAILURE
        reader = remotetransfer.FileReader(fp)
        return await self._download(reader, self.workerdest, self.maxsize, self.blocksize, self.mode)


class StringDownload(_TransferBuildStep):
    """Write the text ``s`` to the file ``workerdest`` on the worker; the other parameters as for FileDownload."""

    name = "string_download"
    renderables = ["workerdest", "s"]

    def __init__(
        self,
        s: Any,
        workerdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 16 * 1024,
        mode: int | None = None,
        **buildstep_kwargs: Any,
    ) -> None:
        _check_given(type(self).__name__, workerdest=workerdest)
        _check_mode(type(self).__name__, mode)
        super().__init__(workdir=workdir, **buildstep_kwargs)
        self.s = s
        self.workerdest = workerdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.mode = mode

    @deferred
    async def run(self) -> int:
        self.stdio_log = await self.addLog("stdio")
        self.descriptionDone = self.descriptionDone or ["downloading to", os.path.basename(self.workerdest)]
        reader = remotetransfer.StringFileReader(self.s)
        return await self._download(reader, self.workerdest, self.maxsize, self.blocksize, self.mode)


class JSONStringDownload(StringDownload):
    """Write ``o``, which may hold renderables, as JSON to the file ``workerdest`` on the worker."""

    name = "json_download"

    def __init__(self, o: Any, workerdest: Any = None, **buildstep_kwargs: Any) -> None:
        if "s" in buildstep_kwargs:
            error("JSONStringDownload: must not be given s; give the object as o")
            del buildstep_kwargs["s"]
        super().__init__(s=o, workerdest=workerdest, **buildstep_kwargs)

    @deferred
    async def run(self) -> int:
        self.s = json.dumps(self.s)
        return await super().run()


class JSONPropertiesDownload(StringDownload):
    """Write all build properties and the build's source stamps as JSON to the file ``workerdest`` on the worker."""

    name = "json_properties_download"

    def __init__(self, workerdest: Any = None, **buildstep_kwargs: Any) -> None:
        if "s" in buildstep_kwargs:
            error("JSONPropertiesDownload: must not be given s; it writes the build's properties")
            del buildstep_kwargs["s"]
        super().__init__(s=None, workerdest=workerdest, **buildstep_kwargs)

    @deferred
    async def run(self) -> int:
        properties = {name: value for name, value, _ in self.build.getProperties().asList()}
        stamps = [stamp.asDict() for stamp in self.build.getAllSourceStamps()]
        self.s = json.dumps({"properties": properties, "sourcestamps": stamps})
        return await super().run()
