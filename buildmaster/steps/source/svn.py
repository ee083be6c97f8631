"""Subversion: fetch a directory of a repository into the workdir."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import WorkerSetupError
from buildmaster.net import svn
from buildmaster.process.buildstep import BuildStepFailed
from buildmaster.steps.source.checkout import Checkout

DEPTHS = ("empty", "files", "immediates", "infinity")
HIDDEN = "XXXXXX"


class SVN(Checkout):
    """Fetches a directory of a Subversion repository.

    ``repourl`` is the directory's address; for builds of several branches it is a renderable, for example
    ``Interpolate("svn://svn.example.org/%(src::branch)s/project")``.

    ``mode`` is ``incremental`` (what earlier builds left stays) or ``full``, whose ``method`` is ``fresh`` (all that is
    not under version control is removed, changes are undone), ``clean`` (ignored files stay), ``clobber`` (a new
    checkout), ``copy`` (the source is kept up to date in the directory ``source`` and copied) or ``export`` (the same
    by ``svn export``: without ``.svn``).  What is in ``keep_on_purge``, a list of paths below the workdir, is never
    removed by ``fresh`` and ``clean``.

    ``username`` and ``password`` are for the server; the password is hidden in the log, and where the worker's
    Subversion is 1.10 or newer it is not on the command line either.  ``extra_args`` are further arguments of each
    command.  ``depth`` (``empty``, ``files``, ``immediates`` or ``infinity``) fetches no more than that.

    The revision is kept in the property ``got_revision``: the repository's, or with ``preferLastChangedRev`` that in
    which the directory was changed last.
    """

    name = "svn"
    renderables = ["repourl", "password"]
    program = "svn"
    methods = ("clobber", "fresh", "clean", "copy", "export")
    metadata = ".svn"

    def __init__(
        self,
        repourl: Any = None,
        mode: Any = "incremental",
        method: Any = None,
        username: str | None = None,
        password: Any = None,
        extra_args: Sequence[Any] | None = None,
        keep_on_purge: Sequence[str] | None = None,
        depth: str | None = None,
        preferLastChangedRev: bool = False,
        **kwargs: Any,
    ) -> None:
        self.repourl = repourl
        self.username = username
        self.password = password
        self.extra_args = list(extra_args or [])
        self.keep_on_purge = list(keep_on_purge or [])
        self.depth = depth
        self.preferLastChangedRev = preferLastChangedRev
        super().__init__(mode=mode, method=method, **kwargs)
        self._password_by_stdin = False
        self._checked_out_in: str | None = None
        if not repourl:
            error("SVN: must provide repourl")
        if depth is not None and depth not in DEPTHS:
            error(f"SVN: depth must be one of {', '.join(DEPTHS)}, not {depth!r}")

    # -- svn

    async def _prepare(self) -> None:
        output = await self._vc(["--version", "--quiet"], abandon=False, collect=True)
        version = svn.parse_version(output)
        if version is None:
            raise WorkerSetupError("svn is not installed on worker")
        self._password_by_stdin = version >= svn.PASSWORD_FROM_STDIN
        self.repourl = self.repourl.rstrip("/")

    async def _svn(self, *args: Any, abandon: bool = True, collect: bool = False, workdir: str | None = None) -> Any:
        """Run a command that may ask the server."""
        command: list[Any] = [*args, "--non-interactive", "--no-auth-cache"]
        stdin = None
        if self.username:
            command += ["--username", self.username]
        if self.password and self._password_by_stdin:
            command.append("--password-from-stdin")
            stdin = f"{self.password}\n"
        elif self.password:
            command += ["--password", ("obfuscated", self.password, HIDDEN)]
        return await self._vc([*command, *self.extra_args], abandon, collect, stdin, workdir)

    def _revision_option(self) -> list[str]:
        return ["--revision", self.revision] if self.revision is not None else []

    # -- what the steps of all systems do

    async def _is_updatable(self) -> bool:
        if not await super()._is_updatable():
            return False
        output = await self._svn("info", "--xml", abandon=False, collect=True)
        try:
            url = svn.parse_info(output).url
        except ValueError:
            return False
        return unquote(url) == unquote(self.repourl)

    async def _check_out(self) -> None:
        depth = ["--depth", self.depth] if self.depth else []
        await self._svn("checkout", self.repourl, ".", *self._revision_option(), *depth)

    async def _update(self) -> None:
        depth = ["--set-depth", self.depth] if self.depth else []
        args = ["update", *self._revision_option(), *depth]
        if await self._svn(*args, abandon=False) == 0:
            return
        if self.stopped:
            raise BuildStepFailed()
        # a svn that was killed, with its worker say, leaves its locks
        await self._svn("cleanup", abandon=False)
        await self._svn(*args)

    async def _purge(self, ignored: bool) -> None:
        output = await self._svn("status", "--xml", *(["--no-ignore"] if ignored else []), collect=True)
        try:
            unknown = svn.parse_unversioned(output)
        except ValueError as e:
            await self.stdio_log.addHeader(f"{e}\n")
            raise BuildStepFailed() from e
        await self._remove([path for path in unknown if not self._is_kept(path)])
        await self._vc(["revert", "--recursive", "."])

    def _is_kept(self, path: str) -> bool:
        """Whether ``keep_on_purge`` names a path or what it lies in, or what lies in it."""
        path = path.replace("\\", "/").strip("/")
        kept = [name.replace("\\", "/").strip("/") for name in self.keep_on_purge]
        return any(path == name or path.startswith(name + "/") or name.startswith(path + "/") for name in kept)

    async def _remove(self, names: Sequence[str]) -> None:
        paths = [self.build.path_module.join(self.workdir, name) for name in names]
        if not paths:
            return
        if not self.workerVersionIsOlderThan("rmdir", "2.14"):
            await self.runRmdir(paths, timeout=self.timeout)
            return
        for path in paths:
            await self.runRmdir(path, timeout=self.timeout)

    @deferred
    async def export(self) -> None:
        """Bring the directory ``source`` up to date, and export it."""
        await self.runRmdir(self.workdir, timeout=self.timeout)
        workdir, self.workdir = self.workdir, self.srcdir
        try:
            await self.mode_incremental()
            paths = self.build.path_module
            up = paths.relpath(workdir, self.srcdir)
            await self._vc(["export", ".", up])
        finally:
            self.workdir = workdir
        self._checked_out_in = self.srcdir

    async def _find_revision(self) -> str | None:
        output = await self._svn("info", "--xml", abandon=False, collect=True, workdir=self._checked_out_in)
        try:
            info = svn.parse_info(output)
        except ValueError:
            return None
        return info.last_changed if self.preferLastChangedRev else info.revision

    def computeSourceRevision(self, changes: Sequence[Any]) -> Any:
        """The greatest revision of the changes."""
        numbers = [int(change.revision) for change in changes if str(change.revision or "").isdigit()]
        return str(max(numbers)) if numbers else None
