"""Darcs: fetch a repository into the workdir."""

from __future__ import annotations

import re
from typing import Any

from buildmaster.base.errors import error
from buildmaster.steps.source.checkout import Checkout

CONTEXT = ".darcs-context"

_hash = re.compile(r"[0-9a-f]{40}")
_newest = re.compile(r"^patch ([0-9a-f]{40})$", re.MULTILINE)


class Darcs(Checkout):
    """Fetches a Darcs repository, ``repourl``.

    ``mode`` is ``incremental`` (what earlier builds left stays) or ``full``, whose ``method`` is ``copy`` (the source
    is kept up to date in the directory ``source`` and copied; the default) or ``clobber`` (a new clone).

    A revision is the hash of the newest patch that it has, or the text of a Darcs context.  The hash of the newest
    patch is kept in the property ``got_revision``.
    """

    name = "darcs"
    renderables = ["repourl"]
    program = "darcs"
    methods = ("clobber", "copy")
    default_method = "copy"
    metadata = "_darcs"

    def __init__(self, repourl: Any = None, mode: Any = "incremental", method: Any = None, **kwargs: Any) -> None:
        self.repourl = repourl
        super().__init__(mode=mode, method=method, **kwargs)
        if not repourl:
            error("Darcs: must provide repourl")

    async def _is_updatable(self) -> bool:
        # a pull never takes patches away, and darcs does not know what a patch of the build's has added
        return self.revision is None and await super()._is_updatable() and not await self.sourcedirIsPatched()

    async def _check_out(self) -> None:
        await self._vc(["clone", "--lazy", *await self._revision_option(), self.repourl, self.workdir], workdir="")

    async def _revision_option(self) -> list[str]:
        if self.revision is None:
            return []
        if _hash.fullmatch(self.revision):
            return ["--to-hash", self.revision]
        await self.downloadFileContentToWorker(CONTEXT, self.revision, abandonOnFailure=True, workdir="")
        return ["--context", CONTEXT]

    async def _update(self) -> None:
        await self._vc(["revert", "--all"])
        await self._vc(["pull", "--all", self.repourl])

    async def _find_revision(self) -> str | None:
        found = _newest.search(await self._vc(["log", "--max-count=1"], abandon=False, collect=True))
        return found.group(1) if found else None
