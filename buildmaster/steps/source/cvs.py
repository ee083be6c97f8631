"""CVS: fetch a module into the workdir."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.steps.source.checkout import Checkout

DATE = "%Y-%m-%d %H:%M:%S +0000"


class CVS(Checkout):
    """Fetches a module of a CVS repository.

    ``cvsroot`` is the repository, ``cvsmodule`` the module, ``branch`` (by default the trunk) is for builds that name
    none.  ``global_options`` stand before CVS's command (``checkout``, ``update``), ``extra_options`` behind that of a
    checkout.  ``login`` is the password for ``cvs login``; without it nobody logs in.

    ``mode`` is ``incremental`` (what earlier builds left stays) or ``full``, whose ``method`` is ``fresh`` (the program
    ``cvsdiscard``, of cvsutils, removes all that is not under version control), ``clean`` (ignored files stay),
    ``clobber`` (a new checkout) or ``copy`` (the source is kept up to date in the directory ``source`` and copied).

    CVS has no revisions of the whole: a revision is a time.  A build of changes gets the time half way between the
    last change and the request for the build, other builds the newest files; that time is kept in the property
    ``got_revision``.
    """

    name = "cvs"
    renderables = ["cvsroot"]
    program = "cvs"
    metadata = "CVS"

    def __init__(
        self,
        cvsroot: Any = None,
        cvsmodule: str = "",
        mode: Any = "incremental",
        method: Any = None,
        branch: Any = None,
        global_options: Sequence[Any] | None = None,
        extra_options: Sequence[Any] | None = None,
        login: Any = None,
        **kwargs: Any,
    ) -> None:
        self.cvsroot = cvsroot
        self.cvsmodule = cvsmodule
        self.branch = branch
        self.global_options = list(global_options or [])
        self.extra_options = list(extra_options or [])
        self.login = login
        super().__init__(mode=mode, method=method, **kwargs)
        if not cvsroot:
            error("CVS: must provide cvsroot")
        if not cvsmodule:
            error("CVS: must provide cvsmodule")

    async def _prepare(self) -> None:
        await super()._prepare()
        if self.login is not None:
            await self._vc(["-d", self.cvsroot, "login"], stdin=f"{self.login}\n", workdir="")

    def _which(self) -> list[str]:
        """The options that say which branch, at which time."""
        branch = self.update_branch
        options = ["-r", branch] if branch and branch != "HEAD" else []
        if self.revision is not None:
            options += ["-D", self.revision]
        return options

    async def _is_updatable(self) -> bool:
        if not await super()._is_updatable():
            return False
        join = self.build.path_module.join
        root = await self.getFileContentFromWorker(join("CVS", "Root"))
        module = await self.getFileContentFromWorker(join("CVS", "Repository"))
        if root is None or module is None:
            return False
        path = self.cvsroot.rpartition(":")[2]
        return root.strip() == self.cvsroot and module.strip() in (self.cvsmodule, f"{path}/{self.cvsmodule}")

    async def _check_out(self) -> None:
        command = [*self.global_options, "checkout", *self.extra_options, "-P", "-d", self.workdir, *self._which()]
        await self._vc(["-q", "-d", self.cvsroot, *command, self.cvsmodule], workdir="")

    async def _update(self) -> None:
        which = self._which()
        # without -r or -A what an earlier update asked for would stick
        sticky = [] if which[:1] == ["-r"] else ["-A"]
        await self._vc(["-q", *self.global_options, "update", "-C", "-d", "-P", *sticky, *which])

    async def _purge(self, ignored: bool) -> None:
        command = ["cvsdiscard", *([] if ignored else ["--ignore"])]
        if await self._run_in(self.workdir, command) != 0:
            await self.clobber()  # cvsutils are not there: the slow way

    async def _find_revision(self) -> str:
        return datetime.fromtimestamp(self.master.reactor.seconds(), UTC).strftime(DATE)

    @deferred
    async def parseGotRevision(self, _: Any = None) -> Any:
        """Keep the time that was asked for, or the present one, in the property ``got_revision``."""
        self.updateSourceProperty("got_revision", self.revision or await self._find_revision())

    def computeSourceRevision(self, changes: Sequence[Any]) -> Any:
        """A time between the last change and the request for the build."""
        if not changes:
            return None
        last_change = max(_seconds(change.when) for change in changes)
        last_request = max((_seconds(request.submittedAt) for request in self.build.requests), default=last_change)
        return formatdate((last_change + max(last_request, last_change)) / 2)


def _seconds(when: Any) -> float:
    return when.timestamp() if isinstance(when, datetime) else float(when)
