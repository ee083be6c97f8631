"""A bare repository of the master's that follows another one: which references moved, and which commits are new.

However many references moved, a look costs one ``git ls-remote``; news cost one fetch, one ``rev-list`` and one
``log`` more.  Commits are told once: those that two references share belong to the one that comes first.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
from twisted.internet import defer

from buildmaster.net import git, git_credential
from buildmaster.net.childprocess import ProcessResult, run_process

SILENT_LIMIT = 1200.0
"""Seconds without output after which a git command is given up."""


class GitError(Exception):
    """A git command failed; the text says which, why and where."""


@attrs.frozen
class Auth:
    """Rendered secrets for one look; they are on disk, readable by the owner only, no longer than that."""

    private_key: str | None = None
    known_hosts: str | None = None  # contents of a known_hosts file
    credentials: git_credential.GitCredentialOptions | None = None


@attrs.frozen
class RefNews:
    """What happened to one reference."""

    ref: str
    old: str | None  # None: a new reference
    new: str
    commits: Sequence[str]  # ids of commits that are new to the mirror, oldest first


_locks: dict[str, defer.DeferredLock] = {}


class Mirror:
    """One remote repository, followed in ``workdir`` (which several mirrors may share)."""

    def __init__(self, reactor: Any, repourl: str, workdir: str, gitbin: str = "git", encoding: str = "utf-8") -> None:
        self._reactor = reactor
        self._repourl = repourl
        self._workdir = os.path.abspath(workdir)
        self._gitbin = gitbin
        self._encoding = encoding
        self._space = f"refs/buildmaster/{hashlib.sha1(repourl.encode()).hexdigest()[:16]}"
        self._features: git.GitFeatures | None = None
        self._extra_args: list[str] = []
        self._extra_env: dict[str, str] = {}

    # -- what a poller asks

    async def prepare(self) -> None:
        """Make the repository, once; raises :class:`GitError` if git is missing or too old."""
        if self._features is not None and os.path.exists(os.path.join(self._workdir, "HEAD")):
            return
        version = git.parse_version((await self._git(["--version"], cwd=None)).stdout.decode("utf-8", "replace"))
        if version is None or version < (1, 7):
            raise GitError(f"{self._gitbin} is no git 1.7 or later; install one, or point gitbin= to it")
        os.makedirs(self._workdir, exist_ok=True)
        await self._git(["init", "--bare", "--quiet", "."])
        self._features = git.GitFeatures(version)

    async def remote_refs(self, patterns: Sequence[str] = ()) -> git.RemoteRefs:
        """What the remote repository has now; ``patterns`` as for ``git ls-remote``, none for everything."""
        symref = ["--symref"] if self._features and self._features.ls_remote_symref else []
        result = await self._git(["ls-remote", *symref, self._repourl, *patterns])
        return git.parse_ls_remote(result.stdout.decode("utf-8", "replace"))

    async def news(
        self, moved: Mapping[str, tuple[str | None, str]], known: Iterable[str], first: str | None = None
    ) -> list[RefNews]:
        """Fetch the references that moved (name → old and new object) and say which commits are new.

        ``known`` are objects whose ancestors are old.  ``first`` is served first, then references that existed
        before, then new ones; each group by name.
        """
        await self.fetch({ref: new for ref, (_, new) in moved.items()})
        order = sorted(moved, key=lambda ref: (ref != first, moved[ref][0] is None, ref))
        graph = await self._new_commits([moved[ref][1] for ref in order], known)
        told: set[str] = set()
        return [RefNews(ref, *moved[ref], commits=_unwalked(graph, moved[ref][1], told)) for ref in order]

    async def commits(self, revisions: Sequence[str]) -> list[git.Commit]:
        """The commits of these ids, in this order; tags and the like are followed to their commit."""
        if not revisions:
            return []
        boundary = secrets.token_hex(16)
        result = await self._git(
            git.log_args(boundary, self._encoding), stdin="".join(f"{revision}\n" for revision in revisions)
        )
        return git.parse_log(result.stdout, boundary, self._encoding)

    async def output(self, args: Sequence[str]) -> str:
        """What ``git`` with these arguments prints in the copy; raises GitError if it fails."""
        return (await self._git(args)).stdout.decode(self._encoding, "replace")

    async def forget(self, refs: Iterable[str]) -> None:
        """Drop references that are gone from the remote repository."""
        lines = "".join(f"delete {self._local(ref)}\n" for ref in refs)
        if lines:
            await self._git(["update-ref", "--stdin"], stdin=lines)

    @contextmanager
    def authenticated(self, auth: Auth) -> Iterator[None]:
        """Use these secrets inside the ``with`` block; afterwards they are off the disk."""
        if auth == Auth():
            yield
            return
        parent = os.path.dirname(self._workdir)
        os.makedirs(parent, exist_ok=True)
        directory = tempfile.mkdtemp(prefix=".git-auth-", dir=parent)  # mode 0700
        try:
            self._extra_args, self._extra_env = self._write_auth(auth, directory)
            yield
        finally:
            self._extra_args, self._extra_env = [], {}
            shutil.rmtree(directory, ignore_errors=True)

    def lock(self) -> defer.DeferredLock:
        """One at a time in a directory: git's own locks make the second one fail, not wait."""
        return _locks.setdefault(self._workdir, defer.DeferredLock())

    async def fetch(self, refs: Mapping[str, str]) -> None:
        """Bring these references, which are said to name these objects, and all that they stand on, here.

        Raises :class:`GitError` if one of the objects has not come because its reference was rewritten meanwhile: what
        is not here would later not be known as old, nor anything that it stands on.
        """
        await self._fetch(refs)
        missing = await self._missing(refs.values())
        if missing:
            moved = ", ".join(sorted(ref for ref, sha in refs.items() if sha in missing))
            raise GitError(git.without_password(f"{moved} of {self._repourl} was rewritten while it was looked at"))

    async def _missing(self, objects: Iterable[str]) -> set[str]:
        """Those of the objects that are not here."""
        lines = "".join(f"{sha}\n" for sha in sorted(set(objects)))
        if not lines:
            return set()
        result = await self._git(["cat-file", "--batch-check"], stdin=lines)
        said = (line.split() for line in result.stdout.decode("ascii", "replace").splitlines())
        return {words[0] for words in said if words[1:] == ["missing"]}

    async def _fetch(self, refs: Iterable[str]) -> None:
        specs = [f"+{ref}:{self._local(ref)}" for ref in sorted(refs)]
        if not specs:
            return
        args = ["-c", "fetch.prune=false", "fetch", "--progress", "--no-tags", "--no-recurse-submodules"]
        if self._features is not None and self._features.stdin_refspecs:
            await self._git([*args, "--stdin", self._repourl], stdin="".join(f"{spec}\n" for spec in specs))
            return
        for chunk in git.chunked(specs):
            await self._git([*args, self._repourl, *chunk])

    # -- git

    async def _new_commits(self, tips: Sequence[str], known: Iterable[str]) -> dict[str, list[str]]:
        """Commits reachable from the tips and not from what is known, each with its parents, parents first."""
        lines = [*tips, *(f"^{sha}" for sha in sorted(set(known)))]
        result = await self._git(
            ["rev-list", "--topo-order", "--reverse", "--parents", "--ignore-missing", "--stdin"],
            stdin="".join(f"{line}\n" for line in lines),
        )
        rows = (line.split() for line in result.stdout.decode("ascii").splitlines())
        return {row[0]: row[1:] for row in rows}

    def _local(self, ref: str) -> str:
        return f"{self._space}/{ref.removeprefix('refs/')}"

    async def _git(self, args: Sequence[str], stdin: str | None = None, cwd: str | None = "") -> ProcessResult:
        env = dict(os.environ)
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
            env.pop(name, None)
        env.update({"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", **self._extra_env})
        try:
            result = await run_process(
                self._reactor,
                [self._gitbin, *self._extra_args, *args],
                env=env,
                cwd=self._workdir if cwd == "" else cwd,
                stdin=None if stdin is None else stdin.encode(),
                io_timeout=SILENT_LIMIT,
            )
        except FileNotFoundError as e:
            raise GitError(f"cannot run {e.filename}: {e.strerror}; install git, or point gitbin= to it") from e
        if result.rc != 0:
            raise GitError(self._why(args, result))
        return result

    def _why(self, args: Sequence[str], result: ProcessResult) -> str:
        command = next((arg for arg in args if not arg.startswith("-") and "=" not in arg), "git")
        lines = result.stderr.decode("utf-8", "replace").replace("\r", "\n").splitlines()
        said = " ".join([line.strip() for line in lines if line.strip()][-4:])
        how = f"was ended by signal {result.signal}" if result.signal else f"failed with exit code {result.rc}"
        return git.without_password(f"git {command} of {self._repourl} {how}: {said or 'it gave no reason'}")

    def _write_auth(self, auth: Auth, directory: str) -> tuple[list[str], dict[str, str]]:
        args: list[str] = []
        env: dict[str, str] = {}

        def write(name: str, text: str, mode: int = git.PRIVATE) -> str:
            path = os.path.join(directory, name)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", newline="\n") as f:
                f.write(text)
            return path

        if auth.private_key is not None:
            key = write("key", git.ensureSshKeyNewline(auth.private_key))
            hosts = write("known_hosts", auth.known_hosts) if auth.known_hosts is not None else None
            wrapper = write("ssh", git.getSshWrapperScriptContents(key, hosts), git.PRIVATE_PROGRAM)
            git.SshFiles(key, hosts, wrapper).adjust(self._features or git.GitFeatures((2, 10)), args, env)
        if auth.credentials is not None:
            options = auth.credentials
            store = write("credentials", git_credential.store_file(options.credentials, options.use_http_path))
            args += git_credential.store_config(store, options.use_http_path)
        return args, env


def _unwalked(graph: Mapping[str, Sequence[str]], tip: str, told: set[str]) -> list[str]:
    """The commits of ``graph`` that are reachable from ``tip`` and not told yet, in the graph's order; tells them."""
    reached: set[str] = set()
    stack = [tip]
    while stack:
        sha = stack.pop()
        if sha in graph and sha not in told and sha not in reached:
            reached.add(sha)
            stack.extend(graph[sha])
    told |= reached
    return [sha for sha in graph if sha in reached] if reached else []
