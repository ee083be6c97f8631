"""Changes from a Mercurial repository that is looked at from time to time.

The master keeps a clone; what is new in it becomes changes, and the changes and what was seen are stored by one
transaction, so that a commit is reported once, whatever dies in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.strings import bytes2unicode
from buildmaster.changes import base
from buildmaster.changes.reporting import Reporter
from buildmaster.net import hg
from buildmaster.net.childprocess import ProcessResult, run_process

log = Logger()

STATE = "lastHeads"
"""The state's name; its value maps branch or bookmark to the identifiers of its newest revisions."""

SILENT_LIMIT = 1200.0
"""Seconds without output after which an hg command is given up."""


class HgError(Exception):
    """An hg command failed; the text says which and why."""


def no_link(branch: str, revision: str) -> str:
    """The default ``revlink``: none."""
    return ""


class HgPoller(base.ReconfigurablePollingChangeSource):
    """Reports the new commits of ``repourl``.

    ``branches`` is a list of named branches, ``branch`` a single one, ``bookmarks`` a list of bookmarks; without any of
    them it is the branch ``default``.  What is not there yet is waited for.

    The first look remembers where they stand and reports nothing.  After that each new commit of a named branch is
    reported, with the branch's name as ``branch``, and each new commit that a bookmark has, with the bookmark's.  A
    commit is reported once: by the first that has it, branches before bookmarks.

    ``workdir`` (seen from the master's directory) keeps the clone and belongs to one poller; ``hgbin`` is the program;
    ``pollInterval`` is in seconds; ``usetimestamps=False`` reports the present time instead of the commit's;
    ``category`` is a text or a function of the revision; ``project`` is that of the changes; ``encoding`` is that of
    file names, and of messages that are not UTF-8; ``revlink(branch, revision)`` gives a link to a revision.
    """

    compare_attrs = (
        "repourl",
        "branch",
        "branches",
        "bookmarks",
        "workdir",
        "pollInterval",
        "hgbin",
        "usetimestamps",
        "category",
        "project",
        "encoding",
        "pollAtLaunch",
        "pollRandomDelayMin",
        "pollRandomDelayMax",
    )

    def __init__(self, repourl: str, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            kwargs["name"] = _name(repourl, **kwargs)
        super().__init__(repourl, **kwargs)
        self._heads: dict[str, list[str]] | None = None
        self._busy = defer.DeferredLock()

    def checkConfig(  # type: ignore[override]
        self,
        repourl: str,
        branch: str | None = None,
        branches: Sequence[str] | None = None,
        bookmarks: Sequence[str] | None = None,
        workdir: str | None = None,
        pollInterval: float = 10 * 60,
        hgbin: str = "hg",
        usetimestamps: bool = True,
        category: Any = None,
        project: str = "",
        encoding: str = "utf-8",
        name: str | None = None,
        pollAtLaunch: bool = False,
        revlink: Callable[[str, str], str] = no_link,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
    ) -> None:
        if not isinstance(repourl, str) or repourl.startswith("-"):
            error(f"HgPoller: repourl must be the address of a repository, not {repourl!r}")
        if branch and branches:
            error("HgPoller: can't specify both branch and branches")
        for what, value in (("branches", branches), ("bookmarks", bookmarks)):
            if isinstance(value, str):
                error(f"HgPoller: {what} must be a list")
        if not workdir:
            error("HgPoller: workdir is mandatory; it is a directory of the poller's own, for its clone")
        if not callable(revlink):
            error("HgPoller: revlink must be a function of (branch, revision)")
        try:
            "".encode(encoding)
        except (LookupError, TypeError):
            error(f"HgPoller: encoding {encoding!r} is not known")
        super().checkConfig(
            name=name,
            pollInterval=pollInterval,
            pollAtLaunch=pollAtLaunch,
            pollRandomDelayMin=pollRandomDelayMin,
            pollRandomDelayMax=pollRandomDelayMax,
        )

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        repourl: str,
        branch: str | None = None,
        branches: Sequence[str] | None = None,
        bookmarks: Sequence[str] | None = None,
        workdir: str | None = None,
        pollInterval: float = 10 * 60,
        hgbin: str = "hg",
        usetimestamps: bool = True,
        category: Any = None,
        project: str = "",
        encoding: str = "utf-8",
        name: str | None = None,
        pollAtLaunch: bool = False,
        revlink: Callable[[str, str], str] = no_link,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
    ) -> None:
        self.repourl = repourl
        self.bookmarks = list(bookmarks or [])
        self.branches = list(branches or ([branch] if branch else []))
        if not self.branches and not self.bookmarks:
            self.branches = ["default"]
        self.workdir = os.path.join(self.master.basedir, workdir or "")
        self.hgbin, self.encoding = hgbin, encoding
        self.usetimestamps, self.category, self.project, self.revlink = usetimestamps, category, project, revlink
        self._heads = None
        self._reporter = Reporter(self.master, self.name, "HgPoller")
        await maybe(
            super().reconfigService,
            name=name,
            pollInterval=pollInterval,
            pollAtLaunch=pollAtLaunch,
            pollRandomDelayMin=pollRandomDelayMin,
            pollRandomDelayMax=pollRandomDelayMax,
        )

    def describe(self) -> str:
        """What this is, for people."""
        text = f"HgPoller watching the remote Mercurial repository '{self.repourl}'"
        for what, names in (("branches", self.branches), ("bookmarks", self.bookmarks)):
            if names:
                text += f", {what}: {', '.join(names)}"
        return f"{text}, in workdir '{self.workdir}'" + ("" if self.running else " [STOPPED - check log]")

    # -- a look

    @deferred
    async def poll(self) -> None:
        """Look once and report what is new.  Raises HgError; the next look then starts from the same place."""
        await self._busy.acquire()
        try:
            await self._prepare()
            await self._pull()
            before = await self._last_seen()
            now = await self._find_heads()
            if before is None:
                await self._store([], now)
            elif moved := [name for name in self._names() if name in now and now[name] != before.get(name)]:
                await self._store(await self._new_changes(moved, before), {**before, **now})
        finally:
            self._busy.release()

    def _failed(self, failure: Failure) -> None:
        if failure.check(HgError):
            words = "HgPoller: {why}; it looks again in {seconds:g} s"
            log.error(words, why=failure.getErrorMessage(), seconds=self.pollInterval or 0)
        else:
            super()._failed(failure)

    async def _prepare(self) -> None:
        if not os.path.isdir(os.path.join(self.workdir, ".hg")):
            os.makedirs(self.workdir, exist_ok=True)
            await self._hg("init", ".")

    async def _pull(self) -> None:
        """Fetch the branches and bookmarks; one by one when some of them are not there."""
        wanted = [[f"--branch={name}"] for name in self.branches] + [[f"--bookmark={name}"] for name in self.bookmarks]
        done = await self._run("pull", *(option for one in wanted for option in one), "--", self.repourl)
        if done.rc == 0:
            return
        if len(wanted) == 1 or not _says_unknown(done):
            self._check("pull", done, may_be_unknown=True)
            return
        for options in wanted:
            self._check("pull", await self._run("pull", *options, "--", self.repourl), may_be_unknown=True)

    async def _find_heads(self) -> dict[str, list[str]]:
        """Where the branches and bookmarks stand; nothing for those that are not there."""
        heads = " + ".join(f"heads({self._set(name)})" for name in self._names())
        output = await self._hg("log", "--rev", heads, "--template", hg.HEADS_TEMPLATE)
        found: dict[str, list[str]] = {}
        for node, branch, bookmarks in hg.parse_heads(output):
            for name in self._names():
                if name == branch if name in self.branches else name in bookmarks:
                    found.setdefault(name, []).append(node)
        return {name: sorted(nodes) for name, nodes in found.items()}

    def _names(self) -> list[str]:
        return [*self.branches, *(name for name in self.bookmarks if name not in self.branches)]

    def _set(self, name: str) -> str:
        return hg.branch_set(name) if name in self.branches else hg.bookmark_set(name)

    async def _new_changes(self, moved: Sequence[str], before: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """What these have and none had at the last look, oldest first."""
        seen = hg.ancestors_of(sorted({node for nodes in before.values() for node in nodes}))
        found, reported = [], set()
        for name in moved:
            own = self._set(name) if name in self.branches else f"::{self._set(name)}"
            args = ["log", "--rev", f"sort({own} - {seen}, rev)", "--template", hg.LOG_TEMPLATE]
            for commit in hg.parse_log(await self._hg(*args), self.encoding):
                if commit.node not in reported:
                    reported.add(commit.node)
                    found.append(await self._change(name, commit))
        return found

    async def _change(self, branch: str, commit: hg.Commit) -> dict[str, Any]:
        """A commit as the arguments of ``addChange``."""
        category = self.category(commit.node) if callable(self.category) else self.category
        return {
            "author": commit.author,
            "committer": None,
            "revision": commit.node,
            "revlink": await maybe(self.revlink, branch, commit.node) or "",
            "files": list(commit.files),
            "comments": commit.comments,
            "when_timestamp": commit.when if self.usetimestamps else None,
            "branch": branch,
            "category": bytes2unicode(category),
            "project": self.project,
            "repository": self.repourl,
            "src": "hg",
        }

    async def _store(self, changes: Sequence[Mapping[str, Any]], heads: Mapping[str, Sequence[str]]) -> None:
        await self._reporter.report(changes, {STATE: dict(heads), "repourl": self.repourl})
        self._heads = {name: list(nodes) for name, nodes in heads.items()}

    async def _last_seen(self) -> dict[str, list[str]] | None:
        """Where the branches stood; None before the first look, at this repository."""
        if self._heads is None and await self._reporter.state("repourl", self.repourl) == self.repourl:
            self._heads = await self._reporter.state(STATE)
        return self._heads

    # -- hg

    async def _hg(self, *args: str) -> bytes:
        return self._check(args[0], await self._run(*args))

    async def _run(self, *args: str) -> ProcessResult:
        config = ["--config", f"ui.fallbackencoding={self.encoding}"]
        argv = [self.hgbin, "--noninteractive", "--encoding", "utf-8", *config, *args]
        env = {**os.environ, "HGPLAIN": "1"}
        reactor = self.master.reactor
        try:
            return await run_process(reactor, argv, env, cwd=self.workdir, io_timeout=SILENT_LIMIT)
        except FileNotFoundError as e:
            raise HgError(f"cannot run {e.filename}: {e.strerror}; install hg, or point hgbin= to it") from e

    def _check(self, command: str, done: ProcessResult, may_be_unknown: bool = False) -> bytes:
        """The output; raises HgError for a failure, unless only a branch or bookmark is missing."""
        if done.rc == 0:
            return done.stdout
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        if may_be_unknown and _says_unknown(done):
            log.info("{me}: {said}; it is waited for", me=self.describe(), said=said)
            return b""
        raise HgError(f"hg {command} of {self.repourl} failed with exit code {done.rc}: {said}")


def _says_unknown(done: ProcessResult) -> bool:
    """Whether hg complains of a branch or bookmark that is not there."""
    return b"unknown branch" in done.stderr or (b"remote bookmark" in done.stderr and b"not found" in done.stderr)


def _name(repourl: str, **kwargs: Any) -> str:
    """A poller's name, if it was given none: the repository, and what of it is watched."""
    names = [*(kwargs.get("branches") or [kwargs.get("branch")]), *(kwargs.get("bookmarks") or [])]
    return "_".join([repourl, *(name for name in names if name)])
