"""Bazaar (and Breezy, its successor): fetch a branch or revision into the workdir."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.steps.source.checkout import Checkout


class Bzr(Checkout):
    """Fetches a branch of Bazaar's.

    ``repourl`` is the branch; or ``baseURL`` is what the names of branches are put behind, and ``defaultBranch`` is for
    builds that name none.

    ``mode`` is ``incremental`` (what earlier builds left stays) or ``full``, whose ``method`` is ``fresh`` (all that is
    not under version control is removed, changes are undone), ``clean`` (ignored files stay), ``clobber`` (a new
    checkout) or ``copy`` (the source is kept up to date in the directory ``source`` and copied).

    The number of the revision is kept in the property ``got_revision``.
    """

    name = "bzr"
    renderables = ["repourl", "baseURL"]
    program = "bzr"
    metadata = ".bzr"

    def __init__(
        self,
        repourl: Any = None,
        baseURL: Any = None,
        mode: Any = "incremental",
        method: Any = None,
        defaultBranch: Any = None,
        **kwargs: Any,
    ) -> None:
        self.repourl = repourl
        self.baseURL = baseURL
        self.branch = defaultBranch
        super().__init__(mode=mode, method=method, **kwargs)
        if bool(repourl) == bool(baseURL):
            error("Bzr: must provide either repourl or baseURL")
        if repourl and defaultBranch:
            error("Bzr: defaultBranch goes with baseURL; with repourl the branch is part of it")
        if baseURL and not defaultBranch:
            error("Bzr: baseURL needs defaultBranch, for builds that name no branch")

    @deferred
    async def run_vc(self, branch: Any, revision: Any, patch: Any) -> int:
        if self.baseURL:
            self.repourl = f"{self.baseURL}{branch}"
        return await maybe(super().run_vc, branch, revision, patch)

    def _revision_option(self) -> list[str]:
        return ["-r", self.revision] if self.revision is not None else []

    async def _is_updatable(self) -> bool:
        if not await super()._is_updatable():
            return False
        if self.repourl.startswith("lp:"):
            return True  # what Launchpad makes of it is not known here
        bound = await self._vc(["config", "bound_location"], abandon=False, collect=True)
        return _location(bound) == _location(self.repourl)

    async def _check_out(self) -> None:
        await self._vc(["checkout", *self._revision_option(), self.repourl, "."])

    async def _update(self) -> None:
        await self._vc(["update", *self._revision_option()])

    async def _purge(self, ignored: bool) -> None:
        await self._vc(["revert", "--no-backup"])
        await self._vc(["clean-tree", "--force", "--unknown", "--detritus", *(["--ignored"] if ignored else [])])

    async def _find_revision(self) -> str | None:
        args = ["version-info", "--custom", "--template={revno}"]
        output = await self._vc(args, abandon=False, collect=True)
        return output.strip() or None

    def computeSourceRevision(self, changes: Sequence[Any]) -> Any:
        """The greatest revision of the changes."""
        numbers = [int(change.revision) for change in changes if str(change.revision or "").isdigit()]
        return str(max(numbers)) if numbers else None


def _location(text: str) -> str:
    """A branch's address in a form that can be compared."""
    return unquote(text.strip()).removeprefix("file://").rstrip("/")
