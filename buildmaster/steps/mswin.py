"""Steps for Windows."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.results import EXCEPTION, FAILURE, SUCCESS, WARNINGS, worst_status
from buildmaster.process.buildstep import BuildStep, ShellMixin


class Robocopy(ShellMixin, BuildStep):
    """Runs ``robocopy``.

    ``source`` and ``destination`` are directories; ``files`` lists names or patterns to copy; ``recursive`` copies
    directories too (``/E``), ``mirror`` also removes what the source has not (``/MIR``), ``move`` deletes the source
    afterwards (``/MOVE``); ``exclude_files`` (``/XF``) and ``exclude_dirs`` (``/XD``) list names or patterns to pass
    over, ``exclude`` is an older name of the former; ``custom_opts`` is a list of further options; ``verbose`` says
    more (``/V /TS /FP``).

    Robocopy's exit code is made of flags: files copied is success, extra or mismatched files are warnings, files that
    could not be copied a failure.
    """

    renderables = ["custom_opts", "destination", "exclude_dirs", "exclude_files", "files", "source"]

    return_flags = {FAILURE: [8, 16], WARNINGS: [2, 4], SUCCESS: [0, 1]}

    def __init__(
        self,
        source: Any,
        destination: Any,
        exclude: Any = None,
        exclude_files: Any = None,
        files: Any = None,
        recursive: bool = False,
        mirror: bool = False,
        move: bool = False,
        exclude_dirs: Any = None,
        custom_opts: Any = None,
        verbose: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.source = source
        self.destination = destination
        self.files = files
        self.recursive = recursive
        self.mirror = mirror
        self.move = move
        self.exclude_files = exclude_files if exclude_files is not None else exclude
        self.exclude_dirs = exclude_dirs
        self.custom_opts = custom_opts
        self.verbose = verbose

    @deferred
    async def run(self) -> int:
        command = ["robocopy", self.source, self.destination, *(self.files or [])]
        for wanted, options in (
            (self.recursive, ["/E"]),
            (self.mirror, ["/MIR"]),
            (self.move, ["/MOVE"]),
            (self.exclude_files, ["/XF", *(self.exclude_files or [])]),
            (self.exclude_dirs, ["/XD", *(self.exclude_dirs or [])]),
            (self.verbose, ["/V", "/TS", "/FP"]),
            (self.custom_opts, self.custom_opts or []),
        ):
            if wanted:
                command += options
        remote = await self.makeRemoteShellCommand(command=[*command, "/TEE", "/NP"])
        await self.runCommand(remote)
        return self.evaluateCommand(remote)

    def evaluateCommand(self, cmd: Any) -> int:
        """The worst of what the exit code's flags say."""
        if cmd.rc == 0:
            return SUCCESS
        flags = [1 << bit for bit in range(5) if 0 < cmd.rc < 32 and cmd.rc & (1 << bit)]
        if not flags:
            return EXCEPTION
        result = SUCCESS
        for status, numbers in self.return_flags.items():
            if any(flag in numbers for flag in flags):
                result = worst_status(result, status)
        return result
