"""A repository that is polled: what git would say of it, without git.

Everything of the poller is real but :meth:`Mirror._git`, which runs the program.  Each commit that a branch has in the
end must have become one change, unless it was there before the first look; no commit may have become two.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import defer

from buildmaster.base.aio import sleep
from buildmaster.net import git_mirror
from buildmaster.net.childprocess import ProcessResult

SLOW = 4.0
"""Seconds that each answer of a slow server takes."""

COMMANDS = ("--version", "init", "ls-remote", "fetch", "cat-file", "rev-list", "log", "update-ref")


class Remote:
    """How what is polled behaves; it outlives the master."""

    def __init__(self) -> None:
        self.manner = "well"

    async def answer(self, clock: Any) -> None:
        """What every question goes through."""
        if self.manner == "raises":
            raise git_mirror.GitError("the server is away")
        if self.manner == "hangs":
            await defer.Deferred()
        if self.manner == "slow":
            await sleep(clock, SLOW)


class Repository:
    """Commits and branches of the server, and which of them a mirror on the master's disk has."""

    def __init__(self, remote: Remote, rows: Any) -> None:
        self._remote = remote
        self._rows = rows
        self.parents: dict[str, list[str]] = {}
        self.branches: dict[str, str] = {}
        self.here: set[str] = set()  # commits that the mirror has
        self._late: set[str] = set()  # commits made after the first look
        self.branches["main"] = self._commit([])

    def _commit(self, parents: list[str]) -> str:
        made = f"{len(self.parents) + 1:040x}"
        self.parents[made] = parents
        return made

    def push(self, branch: str, count: int, how: str) -> None:
        """Somebody works on a branch."""
        before = set(self.parents)
        tip = self.branches.get(branch, self.branches["main"])
        if how == "delete" and branch != "main":
            self.branches.pop(branch, None)
            return
        if how == "merge":
            other = self.branches.get("dev" if branch == "main" else "main", tip)
            tip = self._commit([tip, other] if other != tip else [tip])
        if how == "rewrite" and self.parents[tip] and branch in self.branches:
            tip = self.parents[tip][0]
        for _ in range(count):
            tip = self._commit([tip])
        self.branches[branch] = tip
        if self._rows.column("SELECT 1 FROM object_state WHERE name = 'lastRev'"):
            self._late |= set(self.parents) - before

    def ancestors(self, tips: Sequence[str], without: Sequence[str] = ()) -> list[str]:
        """Commits reachable from the one and not from the others, newest first."""
        old = set(self.ancestors(without)) if without else set()
        found: set[str] = set()
        stack = [tip for tip in tips if tip in self.parents]
        while stack:
            commit = stack.pop()
            if commit not in found and commit not in old:
                found.add(commit)
                stack += self.parents[commit]
        return sorted(found, reverse=True)  # a child is made after its parents

    def mirror(self, *args: Any, **kwargs: Any) -> git_mirror.Mirror:
        """Takes the place of the class Mirror."""
        made = SimulatedMirror(*args, **kwargs)
        made.repository = self
        return made

    async def git(self, clock: Any, workdir: str, args: Sequence[str], lines: list[str]) -> str:
        """What git would print."""
        command = next(arg for arg in args if arg in COMMANDS)
        if command in ("ls-remote", "fetch"):
            await self._remote.answer(clock)
        name = command.strip("-").replace("-", "_")
        return str(getattr(self, f"_{name}")(workdir, args, lines))

    def _version(self, workdir: str, args: Sequence[str], lines: list[str]) -> str:
        return "git version 2.40.1\n"

    def _init(self, workdir: str, args: Sequence[str], lines: list[str]) -> str:
        os.makedirs(workdir, exist_ok=True)
        Path(workdir, "HEAD").touch()
        return ""

    def _ls_remote(self, workdir: str, args: Sequence[str], lines: list[str]) -> str:
        refs = "".join(f"{tip}\trefs/heads/{branch}\n" for branch, tip in sorted(self.branches.items()))
        return f"ref: refs/heads/main\tHEAD\n{self.branches['main']}\tHEAD\n{refs}"

    def _fetch(self, workdir: str, args: Sequence[str], lines: list[str]) -> str:
        wanted = [re.sub(r"^\+refs/heads/(.*?):.*", r"\1", line) for line in lines]
        gone = [branch for branch in wanted if branch not in self.branches]
        if gone:
            raise git_mirror.GitError(f"couldn't find remote ref {gone[0]}")
        self.here |= set(self.ancestors([self.branches[branch] for branch in wanted]))
        return ""

    def _cat_file(self, workdir: str, args: Sequence[str], lines: list[str]) -> str:
        return "".join(f"{one} {'commit 200' if one in self.here else 'missing'}\n" for one in lines)

    def _rev_list(self, workdir: str, args: Sequence[str], lines: list[str]) -> str:
        known = [line[1:] for line in lines if line.startswith("^") and line[1:] in self.here]
        tips = [line for line in lines if line in self.here]
        return "".join(" ".join([one, *self.parents[one]]) + "\n" for one in reversed(self.ancestors(tips, known)))

    def _log(self, workdir: str, args: Sequence[str], lines: list[str]) -> str:
        missing = [line for line in lines if line not in self.here]
        if missing:
            raise git_mirror.GitError(f"bad object {missing[0]}")
        (form,) = [arg for arg in args if arg.startswith("--format=tformat:")]
        boundary = form.split("%x00")[1]
        return "".join(
            "\0".join(
                ["", boundary, one, " ".join(self.parents[one]), "g <g@x>", "g <g@x>", "1500000000", one, "code.c"]
            )
            for one in lines
        )

    def _update_ref(self, workdir: str, args: Sequence[str], lines: list[str]) -> str:
        return ""

    # -- judging -----------------------------------------------------------------------------------------------------

    def _owed(self) -> set[str]:
        return self._late & set(self.ancestors(list(self.branches.values())))

    def _counts(self) -> dict[str, int]:
        return dict(self._rows.all("SELECT revision, count(*) FROM changes GROUP BY 1"))

    def missing(self) -> list[str]:
        """Commits that have not become changes."""
        stored = self._counts()
        return sorted(commit for commit in self._owed() if commit not in stored)

    def problems(self) -> list[str]:
        """What must never be."""
        counts = self._counts()
        return [f"commit {one} has become {counts[one]} changes" for one in self.parents if counts.get(one, 0) > 1]

    def final_problems(self) -> list[str]:
        """What must not be when it was looked at again."""
        return self.problems() + [f"commit {one} has not become a change" for one in self.missing()]


class SimulatedMirror(git_mirror.Mirror):
    """A mirror without git."""

    repository: Repository

    async def _git(self, args: Sequence[str], stdin: str | None = None, cwd: str | None = "") -> ProcessResult:
        said = await self.repository.git(self._reactor, self._workdir, args, (stdin or "").splitlines())
        return ProcessResult(0, said.encode(), b"")
