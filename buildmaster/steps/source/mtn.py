"""Monotone: fetch a branch or revision into the workdir."""

from __future__ import annotations

import re
from typing import Any

from buildmaster.base.errors import error
from buildmaster.process.buildstep import BuildStepFailed
from buildmaster.steps.source.checkout import Checkout

DATABASE = "db.mtn"


class Monotone(Checkout):
    """Fetches a branch of a Monotone server.

    ``repourl`` is the server, ``branch`` is for builds that name none; with ``progress`` Monotone shows dots, so that
    long fetches are not taken for silent ones.  All that was fetched stays in the database ``db.mtn`` in the builder's
    directory.

    ``mode`` is ``incremental`` (what earlier builds left stays) or ``full``, whose ``method`` is ``copy`` (the source
    is kept up to date in the directory ``source`` and copied; the default), ``fresh`` (all that Monotone does not know
    is removed), ``clean`` (ignored files stay) or ``clobber`` (a new checkout).

    The revision that is checked out is kept in the property ``got_revision``.
    """

    name = "monotone"
    renderables = ["repourl"]
    program = "mtn"
    default_method = "copy"
    metadata = "_MTN"

    def __init__(
        self,
        repourl: Any = None,
        branch: Any = None,
        progress: bool = False,
        mode: Any = "incremental",
        method: Any = None,
        **kwargs: Any,
    ) -> None:
        self.repourl = repourl
        self.branch = branch
        self.show_progress = progress
        super().__init__(mode=mode, method=method, **kwargs)
        if not repourl:
            error("Monotone: must provide repourl")
        if not branch:
            error("Monotone: must provide branch")

    async def _prepare(self) -> None:
        await super()._prepare()
        if not await self.pathExists(DATABASE):
            await self._vc(["db", "init", "--db", DATABASE], workdir="")
        ticker = "--ticker=dot" if self.show_progress else "--ticker=none"
        while await self._vc(["pull", self._source, "--db", DATABASE, ticker], abandon=False, workdir="") != 0:
            if not await self._before_retry():
                raise BuildStepFailed()

    @property
    def _source(self) -> str:
        return f"{self.repourl}?{self.update_branch}"

    async def _check_out(self) -> None:
        revision = ["--revision", self.revision] if self.revision is not None else []
        args = ["checkout", self.workdir, "--db", DATABASE, *revision, "--branch", self.update_branch]
        await self._vc(args, workdir="")

    async def _update(self) -> None:
        await self._vc(["update", "--revision", self.revision or f"h:{self.update_branch}"])

    async def _purge(self, ignored: bool) -> None:
        for kind in ("unknown", "ignored") if ignored else ("unknown",):
            output = await self._vc(["ls", kind], collect=True)
            for name in output.splitlines():
                await self.runRmdir(self.build.path_module.join(self.workdir, name), timeout=self.timeout)
        await self._vc(["revert", "."])

    async def _find_revision(self) -> str | None:
        output = await self._vc(["automate", "select", "w:"], abandon=False, collect=True)
        revision = output.strip()
        return revision if re.fullmatch(r"[0-9a-f]{40}", revision) else None
