"""rpmbuild."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin

_safe = re.compile(r"[\w./+~^:-]*")


class RpmBuild(ShellMixin, BuildStep):
    """Builds source and binary packages from a spec file.

    ``specfile`` is the file; ``topdir``, ``builddir``, ``rpmdir``, ``sourcedir``, ``specdir`` and ``srcrpmdir`` are
    rpmbuild's directories, by default the workdir (they are written into a line for the shell); ``dist`` is the
    distribution's mark; ``define`` is a dictionary of further macros.

    ``autoRelease`` counts releases in the file ``SPECFILE.release`` on the worker, beside the spec file, and defines
    ``_release``; ``vcsRevision`` defines ``_revision`` as the property ``got_revision`` (of builds with one codebase).

    The files that were written are kept in the log ``RPM Command Log``.
    """

    renderables = ["dist"]

    name = "rpmbuilder"
    haltOnFailure = True
    flunkOnFailure = True
    description = ["RPMBUILD"]
    descriptionDone = ["RPMBUILD"]

    def __init__(
        self,
        specfile: str | None = None,
        topdir: str = "`pwd`",
        builddir: str = "`pwd`",
        rpmdir: str = "`pwd`",
        sourcedir: str = "`pwd`",
        specdir: str = "`pwd`",
        srcrpmdir: str = "`pwd`",
        dist: Any = ".el6",
        define: Mapping[str, Any] | None = None,
        autoRelease: bool = False,
        vcsRevision: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.specfile = specfile
        self.dist = dist
        self.define = dict(define or {})
        self.autoRelease = autoRelease
        self.vcsRevision = vcsRevision
        self.directories = {
            "_topdir": topdir,
            "_builddir": builddir,
            "_rpmdir": rpmdir,
            "_sourcedir": sourcedir,
            "_specdir": specdir,
            "_srcrpmdir": srcrpmdir,
        }
        if not specfile:
            error("RpmBuild: you must specify a specfile")
        elif not _safe.fullmatch(specfile):
            error(f"RpmBuild: specfile {specfile!r} would be read as more than a name by the shell")
        self.rpmlog = ["Directories, packages and files that rpmbuild wrote:"]
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self._read))

    def _read(self) -> Any:
        while True:
            _, line = yield
            if line.startswith(("Wrote:", "Executing(", "+ umask", "error:")):
                self.rpmlog.append(line)

    def _macros(self) -> dict[str, Any]:
        macros: dict[str, Any] = {"dist": self.dist, **self.define}
        if self.vcsRevision:
            revision = self.getProperty("got_revision")
            if isinstance(revision, str | int) and _safe.fullmatch(str(revision)):
                macros["_revision"] = revision
            else:
                raise ValueError(f"RpmBuild: vcsRevision=True needs one revision in got_revision, not {revision!r}")
        return macros

    @deferred
    async def run(self) -> int:
        macros = self._macros()
        if self.autoRelease:
            release = await self._next_release()
            if release is None:
                return FAILURE
            macros["_release"] = release
        parts = [f'--define "{name} {value}"' for name, value in self.directories.items()]
        parts += [f"--define {shlex.quote(f'{name} {value}')}" for name, value in macros.items()]
        defines = " ".join(parts)
        command = await self.makeRemoteShellCommand(command=f"rpmbuild {defines} -ba {self.specfile}")
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        if len(self.rpmlog) > 1:
            await self.addCompleteLog("RPM Command Log", "\n".join(self.rpmlog) + "\n")
        return command.results()

    async def _next_release(self) -> int | None:
        """One more than the number in the release file, which then has it; 1 if there is none."""
        file = f"{os.path.splitext(str(self.specfile))[0]}.release"
        line = f'n=$(cat {file} 2>/dev/null || echo 0); n=$((n+1)); echo "$n" > {file}; echo "$n"'
        command = await self.makeRemoteShellCommand(command=line, collectStdout=True, stdioLogName="release")
        await self.runCommand(command)
        text = command.stdout.strip()
        return int(text) if command.results() == SUCCESS and text.isdigit() else None
