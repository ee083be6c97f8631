"""Changes from a git repository that is looked at from time to time.

What moved since the last look is told by :mod:`buildmaster.net.git_mirror`; here that becomes changes.  The changes
and what was seen are stored by one transaction, so that a commit is reported once, whatever dies in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.strings import bytes2unicode
from buildmaster.changes import base
from buildmaster.changes.git_override import OwnProcessing
from buildmaster.changes.reporting import History, Reporter
from buildmaster.net import git, git_credential
from buildmaster.net.git_mirror import Auth, GitError, Mirror, RefNews

log = Logger()

Branches = Sequence[str] | bool | Callable[[str], Any] | None

STATE = "lastRev"
"""The state's name; its value maps reference (``refs/heads/…`` without that beginning) to object id."""

LIKELY_DEFAULTS = ("refs/heads/main", "refs/heads/master")
"""What the default branch is called where the server does not tell."""

COMMITS_AT_ONCE = 1000
"""About how many commits are read and stored together."""


class GitPoller(base.ReconfigurablePollingChangeSource, OwnProcessing):
    """Reports the new commits of ``repourl``.

    ``branches`` is a list of branches (or full references), True for all branches, or a function that is called with
    the full name of each reference and says whether it is wanted; ``branch`` is a single one.  Without them it is the
    repository's default branch.  With ``only_tags`` it is all tags instead.

    The first look remembers where the branches stand and reports nothing.  After that each commit is reported once,
    by the first branch that has it: the default branch, then those that were there before, then new ones.  With
    ``buildPushesWithNoCommits`` a branch that is new or moved, but has no new commits, is reported by its newest one.

    ``pollInterval`` is in seconds; ``usetimestamps=False`` reports the present time instead of the commit's;
    ``category`` is a text or a function of the revision; ``project`` and ``codebase`` are those of the changes;
    ``encoding`` is that of names and messages; ``gitbin`` is the program; ``workdir`` (seen from the master's
    directory) keeps the copy of the repository and may be shared by pollers.

    ``sshPrivateKey``, with ``sshHostKey`` or ``sshKnownHosts``, ``auth_credentials`` and ``git_credentials`` are as
    for the step :class:`~buildmaster.steps.source.git.Git`.

    A subclass that defines ``_process_changes(newRev, branch)`` reports the commits itself, see
    :mod:`buildmaster.changes.git_override`.
    """

    compare_attrs = (
        "repourl",
        "branches",
        "workdir",
        "pollInterval",
        "gitbin",
        "usetimestamps",
        "category",
        "codebase",
        "project",
        "pollAtLaunch",
        "buildPushesWithNoCommits",
        "only_tags",
        "sshPrivateKey",
        "sshHostKey",
        "sshKnownHosts",
        "pollRandomDelayMin",
        "pollRandomDelayMax",
        "git_credentials",
        "encoding",
    )
    secrets = ("sshPrivateKey", "sshHostKey", "sshKnownHosts")

    def __init__(self, repourl: str, **kwargs: Any) -> None:
        name = kwargs.get("name")
        if name is None:
            kwargs["name"] = repourl
        super().__init__(repourl, **kwargs)
        self.lastRev: dict[str, str] | None = None
        self._mirror: Mirror | None = None

    def checkConfig(  # type: ignore[override]
        self,
        repourl: str,
        branches: Branches = None,
        branch: str | None = None,
        workdir: str | None = None,
        pollInterval: float = 10 * 60,
        gitbin: str = "git",
        usetimestamps: bool = True,
        category: Any = None,
        codebase: Any = None,
        project: str | None = None,
        fetch_refspec: Any = None,
        encoding: str = "utf-8",
        name: str | None = None,
        pollAtLaunch: bool = False,
        buildPushesWithNoCommits: bool = False,
        only_tags: bool = False,
        sshPrivateKey: Any = None,
        sshHostKey: Any = None,
        sshKnownHosts: Any = None,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
        auth_credentials: tuple[Any, Any] | None = None,
        git_credentials: git_credential.GitCredentialOptions | None = None,
    ) -> None:
        if only_tags and (branch or branches):
            error("GitPoller: can't specify only_tags and branch/branches")
        if branch and branches:
            error("GitPoller: can't specify both branch and branches")
        if fetch_refspec is not None:
            error("GitPoller: fetch_refspec is no longer supported. Instead, only the given branches are downloaded.")
        if isinstance(branches, str):
            error("GitPoller: branches must be a list; for a single one use branch=")
        if project is not None and codebase is not None and not isinstance(codebase, str):
            error("GitPoller: project and codebase cannot both be given; a codebase has a project")
        if not isinstance(repourl, str):
            error(f"GitPoller: repourl must be a text, not {repourl!r}")
        elif repourl.startswith("-"):
            error("GitPoller: repourl may not begin with '-', git would take it for an option")
        if auth_credentials is not None and len(auth_credentials) != 2:
            error("GitPoller: auth_credentials must be a pair (user name, password)")
        git.check_ssh_config("GitPoller", sshPrivateKey, sshHostKey, sshKnownHosts)
        _check_encoding(encoding)
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
        branches: Branches = None,
        branch: str | None = None,
        workdir: str | None = None,
        pollInterval: float = 10 * 60,
        gitbin: str = "git",
        usetimestamps: bool = True,
        category: Any = None,
        codebase: Any = None,
        project: str | None = None,
        fetch_refspec: Any = None,
        encoding: str = "utf-8",
        name: str | None = None,
        pollAtLaunch: bool = False,
        buildPushesWithNoCommits: bool = False,
        only_tags: bool = False,
        sshPrivateKey: Any = None,
        sshHostKey: Any = None,
        sshKnownHosts: Any = None,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
        auth_credentials: tuple[Any, Any] | None = None,
        git_credentials: git_credential.GitCredentialOptions | None = None,
    ) -> None:
        self.repourl = repourl
        self.lastRev = None
        self.branches = branches or ([branch] if branch else None)
        self.workdir = os.path.join(self.master.basedir, workdir or "gitpoller-work")
        self.gitbin = gitbin
        self.usetimestamps = usetimestamps
        self.category = category
        self.codebase = codebase
        self.project = project
        self.encoding = encoding
        self.buildPushesWithNoCommits = buildPushesWithNoCommits
        self.only_tags = only_tags
        self.sshPrivateKey = sshPrivateKey
        self.sshHostKey = sshHostKey
        self.sshKnownHosts = sshKnownHosts
        self.git_credentials = git_credential.options_for(auth_credentials, git_credentials, repourl)
        self._mirror = Mirror(self.master.reactor, repourl, self.workdir, gitbin, encoding)
        self._reporter = Reporter(self.master, self.name, "GitPoller")
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
        text = f"GitPoller watching the remote git repository '{git.without_password(self.repourl)}'"
        if isinstance(self.branches, list | tuple):
            text += f", branches: {', '.join(self.branches)}"
        elif self.branches is True:
            text += ", branches: ALL"
        elif self.branches is not None:
            text += ", branches: by a function"
        if self.only_tags:
            text += ", tags only"
        return text if self.running else text + " [STOPPED - check log]"

    # -- a look

    @deferred
    async def poll(self) -> None:
        """Look once and report what is new.  Raises GitError; the next look then starts from the same place."""
        mirror = self._mirror
        assert mirror is not None
        lock = mirror.lock()
        await lock.acquire()
        try:
            await mirror.prepare()
            with mirror.authenticated(await self._auth()):
                await self._look(mirror)
        finally:
            lock.release()

    def _failed(self, failure: Failure) -> None:
        if failure.check(GitError):
            words = "GitPoller: {why}; it looks again in {seconds:g} s"
            log.error(words, why=failure.getErrorMessage(), seconds=self.pollInterval or 0)
        else:
            super()._failed(failure)

    async def _look(self, mirror: Mirror) -> None:
        before = await self._last_seen()
        remote = await mirror.remote_refs(self._patterns())
        now = await self._wanted(remote)
        seen = {git.full_ref(name): sha for name, sha in (before or {}).items()}
        moved = {ref: (seen.get(ref), sha) for ref, sha in now.items() if seen.get(ref) != sha}
        gone = [ref for ref in seen if ref not in now]
        if before is None:
            # the first look fetches too, so that later ones know what is old
            await mirror.fetch(now)
            tips = await mirror.commits(sorted(set(now.values()))) if self._keeps_history() else []
            await self._store([], now, tips, now)
            return
        if moved:
            news = await mirror.news(moved, seen.values(), remote.head)
            await (self._processed(news, seen) if self.processes_itself else self._report(mirror, news, seen))
        if gone:
            await self._store([], now)
            await mirror.forget(gone)

    def _patterns(self) -> list[str]:
        """What to ask the server for: no more than is needed."""
        if self.only_tags:
            return ["refs/tags/*"]
        if self.branches is None:
            return ["HEAD", *LIKELY_DEFAULTS]
        if self.branches is True:
            return ["HEAD", "refs/heads/*"]
        if callable(self.branches):
            return []
        return ["HEAD", *sorted(git.full_ref(branch) for branch in self.branches)]

    async def _wanted(self, remote: git.RemoteRefs) -> dict[str, str]:
        """The references to follow, and where they stand."""
        objects = {ref: sha for ref, sha in remote.objects.items() if ref.startswith("refs/")}
        if self.only_tags:
            return {ref: sha for ref, sha in objects.items() if ref.startswith(git.TAGS)}
        if self.branches is None:
            return _default_branch(remote)
        if self.branches is True:
            return {ref: sha for ref, sha in objects.items() if ref.startswith(git.HEADS)}
        if callable(self.branches):
            return {ref: sha for ref, sha in objects.items() if await maybe(self.branches, ref)}
        names = {git.full_ref(branch) for branch in self.branches}
        return {ref: sha for ref, sha in objects.items() if ref in names}

    # -- what was found

    async def _report(self, mirror: Mirror, news: Sequence[RefNews], seen: Mapping[str, str]) -> None:
        """Store the changes of these references and how far they were seen, some references at a time."""
        reached = dict(seen)
        batch: list[RefNews] = []
        for index, item in enumerate(news):
            batch.append(item)
            if index + 1 < len(news) and sum(len(one.commits) for one in batch) < COMMITS_AT_ONCE:
                continue
            told = [(item.ref, item.commits or self._without_commits(item)) for item in batch]
            commits = await mirror.commits([sha for _, revisions in told for sha in revisions])
            refs = [ref for ref, revisions in told for _ in revisions]
            changes = [self._change(ref, commit) for ref, commit in zip(refs, commits, strict=True)]
            moved = {one.ref: one.new for one in batch}
            reached.update(moved)
            await self._store(changes, reached, commits, moved)
            batch = []

    def _without_commits(self, item: RefNews) -> Sequence[str]:
        return [item.new] if self.buildPushesWithNoCommits else []

    def _change(self, ref: str, commit: git.Commit) -> dict[str, Any]:
        """A commit as the arguments of ``addChange``."""
        category = self.category(commit.revision) if callable(self.category) else self.category
        return {
            "author": commit.author,
            "committer": commit.committer,
            "revision": commit.revision,
            "files": list(commit.files),
            "comments": commit.comments,
            "when_timestamp": commit.timestamp if self.usetimestamps else None,
            "branch": git.short_branch(ref),
            "project": self._project(),
            "codebase": self.codebase if isinstance(self.codebase, str) else getattr(self.codebase, "name", None),
            "repository": bytes2unicode(self.repourl),
            "category": bytes2unicode(category),
            "src": "git",
        }

    def _project(self) -> str:
        return self.project or getattr(self.codebase, "project", None) or ""

    def _keeps_history(self) -> bool:
        """Whether commits and branches are stored as such: those of a configured codebase are."""
        return self.codebase is not None and not isinstance(self.codebase, str)

    async def _store(
        self,
        changes: Sequence[Mapping[str, Any]],
        seen: Mapping[str, str],
        commits: Sequence[git.Commit] = (),
        moved: Mapping[str, str] | None = None,
    ) -> None:
        state = {git.short_branch(ref): sha for ref, sha in sorted(seen.items())}
        history = None
        if self._keeps_history():
            branches = {git.short_branch(ref): sha for ref, sha in (moved or {}).items()}
            history = History(self.codebase.project, self.codebase.name, commits, branches)
        await self._reporter.report(changes, {STATE: state, "repourl": self.repourl}, history)
        self.lastRev = state

    async def _last_seen(self) -> dict[str, str] | None:
        """Where the references stood; None before the first look, at this repository."""
        if self.lastRev is None and await self._reporter.state("repourl", self.repourl) == self.repourl:
            self.lastRev = await self._reporter.state(STATE)
        return self.lastRev

    async def _auth(self) -> Auth:
        """The secrets of this look."""
        if self.sshPrivateKey is None and self.git_credentials is None:
            return Auth()
        values = [self.sshPrivateKey, self.sshHostKey, self.sshKnownHosts]
        key, host_key, known_hosts = await self._rendered(values)
        if known_hosts is None and host_key is not None:
            known_hosts = git.getSshKnownHostsContents(host_key)
        credentials = None
        if self.git_credentials is not None:
            texts = await self._rendered(list(self.git_credentials.credentials))
            credentials = git_credential.GitCredentialOptions(texts, self.git_credentials.use_http_path)
        return Auth(key, known_hosts, credentials)

    async def _rendered(self, values: list[Any]) -> list[Any]:
        rendered = await maybe(self.renderSecrets, *values)
        return [rendered] if len(values) == 1 else list(rendered)


def _default_branch(remote: git.RemoteRefs) -> dict[str, str]:
    """The default branch and where it stands; nothing for a repository without one."""
    head = remote.objects.get("HEAD")
    if remote.head is not None and head is not None:
        return {remote.head: head}
    there = {ref: remote.objects[ref] for ref in LIKELY_DEFAULTS if ref in remote.objects}
    same = {ref: sha for ref, sha in there.items() if sha == head}
    return dict(list((same or there).items())[:1])


def _check_encoding(encoding: Any) -> None:
    try:
        "".encode(encoding)
    except (LookupError, TypeError):
        error(f"GitPoller: encoding {encoding!r} is not known")
