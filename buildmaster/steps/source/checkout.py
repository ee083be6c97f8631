"""What the steps of all version control systems do alike: keep, clean or replace what earlier builds have left.

A subclass says how its program checks out, updates, cleans up and tells its revision; when which of these is done, the
retries, patches and the property ``got_revision`` are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable, WorkerSetupError
from buildmaster.base.results import SUCCESS
from buildmaster.process import remotecommand
from buildmaster.process.buildstep import BuildStepFailed
from buildmaster.steps.source.base import Source

MODES = ("incremental", "full")


class Checkout(Source):
    """A step that keeps a directory at a revision.

    ``mode`` is ``incremental`` (what earlier builds left stays) or ``full``, whose ``method`` says how the directory
    becomes clean.

    Subclasses define :attr:`program`, :attr:`methods`, :meth:`_is_updatable`, :meth:`_check_out`, :meth:`_update`,
    :meth:`_purge` and :meth:`_find_revision`; in them :attr:`update_branch` and :attr:`revision` are what is wanted.
    """

    program: ClassVar[str] = ""
    methods: ClassVar[tuple[str, ...]] = ("clobber", "fresh", "clean", "copy")
    default_method: ClassVar[str] = "fresh"
    metadata: ClassVar[str] = ""
    """The file or directory in the workdir that is there when something is checked out."""

    def __init__(self, mode: Any = "incremental", method: Any = None, **kwargs: Any) -> None:
        super().__init__(mode=mode, **kwargs)
        self.method = method
        self.srcdir = "source"
        self.update_branch: Any = None
        self.revision: str | None = None
        self._environ_logged = False
        self._check_mode(mode, method)

    def _check_mode(self, mode: Any, method: Any) -> None:
        step = type(self).__name__
        if IRenderable.providedBy(mode):
            return
        if mode not in MODES:
            error(f"{step}: mode must be {' or '.join(MODES)}, not {mode!r}")
        elif mode == "full" and not IRenderable.providedBy(method) and method not in (None, *self.methods):
            error(f"{step}: method must be one of {', '.join(self.methods)}, not {method!r}")

    # -- the run

    @deferred
    async def run_vc(self, branch: Any, revision: Any, patch: Any) -> int:
        self.update_branch = branch
        self.revision = str(revision) if revision else None
        self.method = self._rendered_method()
        self.stdio_log = await self.addLogForRemoteCommands("stdio")
        self._refuse_options()
        await self._prepare()
        await maybe(self.mode_incremental if self.mode == "incremental" else self.mode_full)
        await maybe(self.parseGotRevision)
        if patch:
            await self.patch(patch)
        return SUCCESS

    def _rendered_method(self) -> str | None:
        step = type(self).__name__
        if self.mode not in MODES:
            raise ValueError(f"{step}: mode must be {' or '.join(MODES)}, not {self.mode!r}")
        if self.mode == "incremental":
            return None
        method = self.method or self.default_method
        if method not in self.methods:
            raise ValueError(f"{step}: method must be one of {', '.join(self.methods)}, not {method!r}")
        return method

    def _refuse_options(self) -> None:
        """What a change or a form gives must not be taken for an option of the program."""
        given = (self.update_branch, self.revision, getattr(self, "repourl", None))
        if any(isinstance(text, str) and text.startswith("-") for text in given):
            raise ValueError(
                f"{type(self).__name__}: a branch, revision or repository that begins with '-' "
                f"would be taken for an option"
            )

    async def _prepare(self) -> None:
        """Raises WorkerSetupError if the program is not there."""
        if await self._vc(["--version"], abandon=False) != 0:
            raise WorkerSetupError(f"{self.program} is not installed on worker")

    @deferred
    async def mode_incremental(self) -> None:
        """Bring the source up to date and leave everything else, save what a patch has changed."""
        if not await self._is_updatable():
            await self.clobber()
            return
        if await self.sourcedirIsPatched():
            await self._undo_patch()
        await self._update()

    @deferred
    async def mode_full(self) -> None:
        """Have the source and nothing else."""
        if self.method in ("fresh", "clean"):
            if not await self._is_updatable():
                await self.clobber()
                return
            await maybe(self.fresh if self.method == "fresh" else self.clean)
        else:
            await maybe(getattr(self, str(self.method)))

    @deferred
    async def clobber(self) -> None:
        """Check out in an emptied directory; again after failures, as ``retry`` says."""
        while True:
            await self.runRmdir(self.workdir, timeout=self.timeout)
            try:
                await self._check_out()
                return
            except BuildStepFailed:
                if not await self._before_retry():
                    raise

    @deferred
    async def fresh(self) -> None:
        """Remove all that is not under version control, then update."""
        await self._clean_up(ignored=True)
        await self._update()

    @deferred
    async def clean(self) -> None:
        """Remove all that is neither under version control nor ignored, then update."""
        await self._clean_up(ignored=False)
        await self._update()

    async def _clean_up(self, ignored: bool) -> None:
        if await self.sourcedirIsPatched():
            await self._undo_patch()
        else:
            await self._purge(ignored)

    @deferred
    async def copy(self) -> None:
        """Bring the directory ``source`` up to date, and copy it."""
        await self.runRmdir(self.workdir, timeout=self.timeout)
        workdir, self.workdir = self.workdir, self.srcdir
        try:
            await self.mode_incremental()
            await self._copy(self.srcdir, workdir)
        finally:
            self.workdir = workdir

    async def _copy(self, source: str, destination: str) -> None:
        args = {"fromdir": source, "todir": destination, "logEnviron": self.logEnviron, "timeout": self.timeout}
        await self.runRemoteCommand("cpdir", args, abandonOnFailure=True)

    @deferred
    async def parseGotRevision(self, _: Any = None) -> Any:
        """Keep the revision that is checked out in the property ``got_revision``; fails if there is none."""
        revision = await self._find_revision()
        if not revision:
            await self.stdio_log.addHeader(f"{self.program} does not tell which revision is checked out\n")
            raise BuildStepFailed()
        self.updateSourceProperty("got_revision", revision)

    # -- for subclasses

    async def _is_updatable(self) -> bool:
        """Whether what is in the workdir can be brought to what is wanted."""
        return await self.pathExists(self.build.path_module.join(self.workdir, self.metadata))

    async def _check_out(self) -> None:
        """Check out what is wanted into the workdir, which is not there.  Raises BuildStepFailed."""
        raise TypeError(f"{type(self).__name__} does not define _check_out")

    async def _update(self) -> None:
        """Bring a workdir to what is wanted, with local changes of files undone.  Raises BuildStepFailed."""
        raise TypeError(f"{type(self).__name__} does not define _update")

    async def _purge(self, ignored: bool) -> None:
        """Undo local changes and remove unknown files, ``ignored`` ones too."""
        raise TypeError(f"{type(self).__name__} does not define _purge")

    async def _undo_patch(self) -> None:
        """Undo what a patch has changed in an earlier build."""
        await self._purge(ignored=True)

    async def _find_revision(self) -> str | None:
        """The revision that is checked out."""
        raise TypeError(f"{type(self).__name__} does not define _find_revision")

    def _command(self, args: Sequence[Any]) -> list[Any]:
        """The whole command line for these arguments."""
        return [self.program, *args]

    async def _vc(
        self,
        args: Sequence[Any],
        abandon: bool = True,
        collect: bool = False,
        stdin: str | None = None,
        workdir: str | None = None,
    ) -> Any:
        """Run the program in the workdir; its exit code, or with ``collect`` its output.

        With ``abandon`` a failure raises BuildStepFailed.
        """
        remote = remotecommand.RemoteShellCommand(
            self.workdir if workdir is None else workdir,
            self._command(args),
            env=self.env,
            logEnviron=self.logEnviron and not self._environ_logged,
            timeout=self.timeout,
            collectStdout=collect,
            initialStdin=stdin,
        )
        self._environ_logged = True  # the same for all commands of the step
        remote.useLog(self.stdio_log, False)
        await self.runCommand(remote)
        if abandon and remote.didFail():
            raise BuildStepFailed()
        if collect:
            return remote.stdout if not remote.didFail() else ""
        return remote.rc
