"""Mercurial: fetch a branch or revision into the workdir."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.net import hg
from buildmaster.steps.source.checkout import Checkout


class Mercurial(Checkout):
    """Fetches a branch or revision of a Mercurial repository.

    ``repourl`` is the repository.  With ``branchType`` ``dirname``, a branch is a repository of its own, whose address
    is ``repourl`` with the branch's name right behind it; with ``inrepo`` it is one of Mercurial's named branches (a
    bookmark or tag may be named too).  ``defaultBranch`` is for builds that name no branch.

    ``mode`` is ``incremental`` (what earlier builds left stays) or ``full``, whose ``method`` is ``fresh`` (all that
    Mercurial does not track is removed), ``clean`` (ignored files stay) or ``clobber`` (a new clone).  When the
    named branch changes, the tree is cloned anew, unless ``clobberOnBranchChange`` is False.

    The revision that was fetched is kept, by its full identifier, in the property ``got_revision``.
    """

    name = "hg"
    renderables = ["repourl"]
    program = "hg"
    methods = ("clobber", "fresh", "clean")
    metadata = ".hg"

    def __init__(
        self,
        repourl: Any = None,
        mode: Any = "incremental",
        method: Any = None,
        defaultBranch: Any = None,
        branchType: str = "dirname",
        clobberOnBranchChange: bool = True,
        **kwargs: Any,
    ) -> None:
        self.repourl = repourl
        self.defaultBranch = self.branch = defaultBranch
        self.branchType = branchType
        self.clobberOnBranchChange = clobberOnBranchChange
        super().__init__(mode=mode, method=method, **kwargs)
        if not repourl:
            error("Mercurial: must provide repourl")
        if branchType not in ("dirname", "inrepo"):
            error(f"Mercurial: branchType must be dirname or inrepo, not {branchType!r}")

    @deferred
    async def run_vc(self, branch: Any, revision: Any, patch: Any) -> int:
        if self.branchType == "dirname":
            self.repourl = f"{self.repourl}{branch or ''}"
            branch = None
        else:
            branch = branch or "default"
        return await maybe(super().run_vc, branch, revision, patch)

    def _command(self, args: Sequence[Any]) -> list[Any]:
        return ["hg", "--noninteractive", *args]

    @property
    def _target(self) -> str:
        """What to update to, in Mercurial's language for sets of revisions."""
        if self.revision is not None:
            return self.revision
        return hg.NEWEST if self.update_branch is None else str(self.update_branch)

    async def _is_updatable(self) -> bool:
        if not await super()._is_updatable():
            return False
        if self.branchType == "dirname" or not self.clobberOnBranchChange:
            return True
        current = await self._vc(["identify", "--branch"], abandon=False, collect=True)
        return current.strip() == self.update_branch

    async def _check_out(self) -> None:
        await self._vc(["clone", "--noupdate", "--", self.repourl, "."])
        await self._vc(["update", "--clean", "--rev", self._target])

    async def _update(self) -> None:
        await self._vc(["pull", "--", self.repourl])
        await self._vc(["update", "--clean", "--rev", self._target])

    async def _purge(self, ignored: bool) -> None:
        await self._vc(["--config", "extensions.purge=", "purge", *(["--all"] if ignored else [])])

    async def _undo_patch(self) -> None:
        await self._vc(["update", "--clean", "--rev", "."])  # what the patch has added is unknown from here on
        await self._purge(ignored=True)

    async def _find_revision(self) -> str | None:
        output = await self._vc(["parents", "--template", "{node}\\n"], abandon=False, collect=True)
        nodes = output.split()
        return nodes[0] if nodes and hg.is_node(nodes[0]) else None

    def computeSourceRevision(self, changes: Sequence[Any]) -> Any:
        """The revision of the newest change."""
        return changes[-1].revision if changes else None

    @deferred
    async def applyPatch(self, patch: Sequence[Any]) -> int:
        """Apply the difference to the files and the dirstate; a Deferred of the exit code."""
        args = ["import", "--no-commit", "--force", "--strip", str(patch[0])]
        if len(patch) > 2 and patch[2] and patch[2] != ".":
            args += ["--prefix", patch[2]]
        return await self._vc([*args, ".buildbot-diff"], abandon=False)
