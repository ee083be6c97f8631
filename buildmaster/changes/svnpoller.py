"""Changes from a Subversion repository that is looked at from time to time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.changes import base
from buildmaster.changes.reporting import Reporter
from buildmaster.net import svn
from buildmaster.net.childprocess import run_process

log = Logger()

SILENT_LIMIT = 1200.0
"""Seconds without output after which an svn command is given up."""

Split = Mapping[str, Any] | tuple[str | None, str] | None


class SVNError(Exception):
    """An svn command failed; the text says which and why."""


def split_file_alwaystrunk(path: str) -> dict[str, Any]:
    """Everything is on the trunk."""
    return {"path": path}


def split_file_branches(path: str) -> tuple[str | None, str] | None:
    """``trunk/PATH`` and ``branches/NAME/PATH``; anything else is of no interest."""
    pieces = path.split("/")
    if len(pieces) > 1 and pieces[0] == "trunk":
        return (None, "/".join(pieces[1:]))
    if len(pieces) > 2 and pieces[0] == "branches":
        return ("/".join(pieces[0:2]), "/".join(pieces[2:]))
    return None


def split_file_projects_branches(path: str) -> dict[str, Any] | None:
    """The same below a directory for each project, which becomes the change's project."""
    if "/" not in path:
        return None
    project, path = path.split("/", 1)
    found = split_file_branches(path)
    if not found:
        return None
    split: dict[str, Any] = {"project": project, "path": found[1]}
    if found[0]:
        split["branch"] = found[0]
    return split


class SVNPoller(base.ReconfigurablePollingChangeSource):
    """Reports the new revisions of ``repourl``, a directory of a Subversion repository.

    ``split_file(path)`` says to which branch a path belongs: it returns a dictionary with ``path`` and perhaps
    ``branch``, ``project``, ``repository``, ``codebase``, or a pair (branch, path), or None for one of no interest.
    A revision becomes one change for each branch that it touches.

    The first look reports nothing.  Each look reads the last ``histmax`` revisions.  ``svnuser`` and ``svnpasswd`` may
    be secrets; ``svnbin`` is the program, ``extra_args`` are more arguments for it; ``revlinktmpl`` makes links, with
    ``%s`` for the revision; ``category`` is a text or a function of the change; ``cachepath`` is a file that keeps the
    last revision as well.
    """

    compare_attrs = (
        "repourl",
        "split_file",
        "svnuser",
        "svnpasswd",
        "project",
        "pollInterval",
        "histmax",
        "svnbin",
        "category",
        "cachepath",
        "pollAtLaunch",
        "pollRandomDelayMin",
        "pollRandomDelayMax",
    )
    secrets = ("svnuser", "svnpasswd")
    last_change: int | None = None

    def __init__(self, repourl: str, **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            kwargs["name"] = repourl
        super().__init__(repourl, **kwargs)

    def checkConfig(  # type: ignore[override]
        self,
        repourl: str,
        split_file: Callable[[str], Split] | None = None,
        svnuser: Any = None,
        svnpasswd: Any = None,
        pollInterval: float = 10 * 60,
        histmax: int = 100,
        svnbin: str = "svn",
        revlinktmpl: str = "",
        category: Any = None,
        project: str = "",
        cachepath: str | None = None,
        extra_args: Sequence[str] | None = None,
        name: str | None = None,
        pollAtLaunch: bool = False,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
    ) -> None:
        if not isinstance(repourl, str) or "://" not in repourl:
            error(f"SVNPoller: repourl must be a URL like svn://host/path or file:///path, not {repourl!r}")
        if split_file is not None and not callable(split_file):
            error(f"SVNPoller: split_file must be a function, not {split_file!r}")
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
        split_file: Callable[[str], Split] | None = None,
        svnuser: Any = None,
        svnpasswd: Any = None,
        pollInterval: float = 10 * 60,
        histmax: int = 100,
        svnbin: str = "svn",
        revlinktmpl: str = "",
        category: Any = None,
        project: str = "",
        cachepath: str | None = None,
        extra_args: Sequence[str] | None = None,
        name: str | None = None,
        pollAtLaunch: bool = False,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
    ) -> None:
        self.repourl = repourl.rstrip("/")
        self._split = split_file or getattr(self, "split_file", None) or split_file_alwaystrunk
        self.svnuser, self.svnpasswd = svnuser, svnpasswd
        self.histmax, self.svnbin, self.revlinktmpl = histmax, svnbin, revlinktmpl
        self.category, self.project = category, project
        self.cachepath = os.path.join(self.master.basedir, cachepath) if cachepath else None
        self.extra_args = list(extra_args or [])
        self.last_change = None
        self._prefix: str | None = None
        self._version: tuple[int, ...] | None = None
        self._reporter = Reporter(self.master, self.name, "SVNPoller")
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
        return f"SVNPoller: watching {self.repourl}"

    # -- a look

    @deferred
    async def poll(self) -> None:
        """Look once and report what is new.  Raises SVNError; the next look then starts from the same place."""
        if self._prefix is None:
            self._prefix = await self.get_prefix()
        entries = svn.parse_log(await self.get_logs())
        newest = max((entry.revision for entry in entries), default=0)
        before = await self._last_seen()
        if before is None:
            await self._store([], newest)
            return
        new = self.get_new_logentries(entries)
        if new:
            await self._store(self.create_changes(new), newest)

    def _failed(self, failure: Failure) -> None:
        if failure.check(SVNError):
            words = "SVNPoller: {why}; it looks again in {seconds:g} s"
            log.error(words, why=failure.getErrorMessage(), seconds=self.pollInterval or 0)
        else:
            super()._failed(failure)

    def get_new_logentries(self, logentries: Sequence[svn.LogEntry]) -> list[svn.LogEntry]:
        """Those after the last one that was seen, oldest first."""
        last = self.last_change or 0
        new = sorted((entry for entry in logentries if entry.revision > last), key=lambda entry: entry.revision)
        if new and len(new) == len(logentries) >= self.histmax:
            log.warn(
                "{me}: revisions between {a} and {b} may be missed; raise histmax=",
                me=self.describe(),
                a=last,
                b=new[0].revision,
            )
        return new

    def create_changes(self, new_logentries: Sequence[svn.LogEntry]) -> list[dict[str, Any]]:
        """The changes of these revisions, one for each branch, as the arguments of ``addChange``."""
        changes = []
        for entry in new_logentries:
            for where, files in self._by_branch(entry).items():
                branch, project, repository, codebase = where
                changes.append(
                    {
                        "author": entry.author,
                        "committer": None,
                        "files": files,
                        "comments": entry.comments,
                        "revision": str(entry.revision),
                        "branch": branch,
                        "revlink": self.revlinktmpl % entry.revision if self.revlinktmpl else "",
                        "category": self.category,
                        "project": self.project if project is None else project,
                        "repository": repository or self.repourl,
                        "codebase": codebase,
                        "src": "svn",
                    }
                )
        return changes

    def _by_branch(self, entry: svn.LogEntry) -> dict[tuple[Any, ...], list[str]]:
        found: dict[tuple[Any, ...], list[str]] = {}
        for changed in entry.paths:
            path = self._below(changed.path)
            split = self._split(path) if path is not None else None
            if not split:
                continue
            if not isinstance(split, Mapping):
                split = {"branch": split[0], "path": split[1]}
            if changed.action == "D" and not split["path"]:
                log.info("{me}: branch {branch} was deleted", me=self.describe(), branch=split.get("branch"))
                continue
            where = tuple(split.get(key) for key in ("branch", "project", "repository", "codebase"))
            found.setdefault(where, []).append(split["path"])
        return found

    def _below(self, path: str) -> str | None:
        """A path of the repository as seen from ``repourl``; None for one that is not below it."""
        prefix = self._prefix
        if not prefix:
            return path
        if path.rstrip("/") == prefix:
            return ""
        return path[len(prefix) + 1 :] if path.startswith(prefix + "/") else None

    async def _store(self, changes: Sequence[Mapping[str, Any]], last: int) -> None:
        await self._reporter.report(changes, {"last_change": last, "repourl": self.repourl})
        self.last_change = last
        if self.cachepath:
            with open(self.cachepath, "w", encoding="ascii") as f:
                f.write(str(last))

    async def _last_seen(self) -> int | None:
        if self.last_change is None and await self._reporter.state("repourl", self.repourl) == self.repourl:
            self.last_change = await self._reporter.state("last_change")
        if self.last_change is None and self.cachepath and os.path.exists(self.cachepath):
            with open(self.cachepath, encoding="ascii") as f:
                text = f.read().strip()
            self.last_change = int(text) if text.isdigit() else None
        return self.last_change

    # -- svn

    @deferred
    async def get_prefix(self) -> str:
        """Where ``repourl`` lies in its repository: a Deferred of a path without slashes at its ends."""
        root = svn.parse_root(await self._svn("info", "--xml", self.repourl))
        if not self.repourl.startswith(root):
            raise SVNError(f"svn says that {self.repourl} lies in {root}, which is not so")
        return unquote(self.repourl[len(root) :]).strip("/")

    @deferred
    async def get_logs(self) -> bytes:
        """What ``svn log`` prints; a Deferred."""
        return await self._svn("log", "--xml", "--verbose", f"--limit={self.histmax}", self.repourl)

    async def _svn(self, *args: str) -> bytes:
        argv, stdin = [self.svnbin, *args, "--non-interactive"], None
        if self.svnuser:
            argv.append(f"--username={self.svnuser}")
        if self.svnpasswd:
            if await self._takes_password_from_stdin():
                argv.append("--password-from-stdin")
                stdin = str(self.svnpasswd).encode() + b"\n"
            else:
                argv.append(f"--password={self.svnpasswd}")
        env = {**os.environ, "LC_MESSAGES": "C"}
        reactor = self.master.reactor
        try:
            done = await run_process(reactor, [*argv, *self.extra_args], env, stdin=stdin, io_timeout=SILENT_LIMIT)
        except FileNotFoundError as e:
            raise SVNError(f"cannot run {e.filename}: {e.strerror}; install svn, or point svnbin= to it") from e
        if done.rc != 0:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise SVNError(f"svn {args[0]} of {self.repourl} failed with exit code {done.rc}: {said}")
        return done.stdout

    async def _takes_password_from_stdin(self) -> bool:
        if self._version is None:
            done = await run_process(self.master.reactor, [self.svnbin, "--version", "--quiet"])
            self._version = svn.parse_version(done.stdout.decode("utf-8", "replace")) or (0,)
        return self._version >= svn.PASSWORD_FROM_STDIN
