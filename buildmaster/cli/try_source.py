"""What a developer has changed in a working copy: the base revision and the difference, for ``try``.

The base has to be a revision that the workers can fetch: the newest one that is not only here.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from buildmaster.cli.main import Failed


@attrs.frozen
class Changes:
    """Where a working copy comes from, and what was changed in it."""

    branch: str | None
    base_revision: str | None
    patch_level: int
    patch_body: bytes
    repository: str


class WorkingCopy:
    """A working copy of one kind; subclasses say which program, and what it is asked.

    ``top`` is the directory at its top; ``branch`` and ``base_revision`` are what the user says, if anything.
    """

    program: ClassVar[str]
    patch_level: ClassVar[int]
    encoding: ClassVar[str] = "utf-8"

    def __init__(self, top: Path, branch: str | None = None, base_revision: str | None = None) -> None:
        self.top = top
        self.branch = branch
        self.base_revision = base_revision

    @classmethod
    def find_top(cls, here: Path) -> Path | None:
        """The top of the working copy that a directory lies in; None if the program cannot tell."""
        return None

    def changes(self, repository: str | None = None) -> Changes:
        """What was changed.  Raises Failed, with the program's words."""
        base = self.base_revision or self.find_base()
        return Changes(self.find_branch(), base, self.patch_level, self.difference(base), repository or str(self.top))

    def find_branch(self) -> str | None:
        """The branch that the working copy is of."""
        return self.branch

    def find_base(self) -> str | None:
        """The newest revision of it that is not only here."""
        raise TypeError(f"{type(self).__name__} does not define find_base")

    def difference(self, base: str | None) -> bytes:
        """What was changed since that revision."""
        raise TypeError(f"{type(self).__name__} does not define difference")

    def run(self, *args: str, may_fail: bool = False, fine: Sequence[int] = (0,)) -> str:
        """What the program prints, without white space around it; nothing if it fails and may."""
        return self.run_bytes(*args, may_fail=may_fail, fine=fine).decode(self.encoding, "replace").strip()

    def run_bytes(self, *args: str, may_fail: bool = False, fine: Sequence[int] = (0,)) -> bytes:
        """What the program prints; ``fine`` are the exit codes of success."""
        return run_program([self.program, *args], self.top, may_fail, fine)


def run_program(command: Sequence[str], where: Path, may_fail: bool = False, fine: Sequence[int] = (0,)) -> bytes:
    """What a program prints.  Raises Failed when it is not there or fails, unless it may."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "HGPLAIN": "1", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(command, cwd=where, env=env, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        if may_fail:
            return b""
        raise Failed(f"{command[0]} cannot be run: it is not in PATH.") from None
    if done.returncode not in fine:
        if may_fail:
            return b""
        said = done.stderr.decode("utf-8", "replace").strip()
        raise Failed(f"{' '.join(command[:3])} failed in {where}: {said or f'exit code {done.returncode}'}")
    return done.stdout


class Git(WorkingCopy):
    """The base is where the branch left its upstream; without one, the commit that is checked out."""

    program = "git"
    patch_level = 1

    @classmethod
    def find_top(cls, here: Path) -> Path | None:
        """As git says."""
        return _path(run_program(["git", "rev-parse", "--show-toplevel"], here))

    def find_branch(self) -> str | None:
        """The branch that the user names, else the upstream's name, else the local branch's."""
        if self.branch:
            return self.branch
        upstream = self.run("rev-parse", "--abbrev-ref", "@{upstream}", may_fail=True)
        if upstream:
            remotes = self.run("remote").split()
            own = next((remote for remote in remotes if upstream.startswith(remote + "/")), None)
            return upstream[len(own) + 1 :] if own else upstream
        return self.run("symbolic-ref", "--short", "HEAD", may_fail=True) or None

    def find_base(self) -> str | None:
        """Where HEAD left its upstream, or the remote branch of the name that the user gave."""
        for ref in ("@{upstream}", f"origin/{self.branch}" if self.branch else ""):
            if ref and (base := self.run("merge-base", "HEAD", ref, may_fail=True)):
                return base
        return self.run("rev-parse", "HEAD")

    def difference(self, base: str | None) -> bytes:
        """All that git tracks, committed or not, binary files too."""
        options = ["--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"]
        return self.run_bytes("diff", *options, str(base), "--")


class Mercurial(WorkingCopy):
    """The base is the newest ancestor that is public; without one, the revision that is checked out."""

    program = "hg"
    patch_level = 1

    @classmethod
    def find_top(cls, here: Path) -> Path | None:
        """As hg says."""
        return _path(run_program(["hg", "root"], here))

    def find_base(self) -> str | None:
        """The newest public ancestor."""
        for wanted in ("max(::. and public())", "."):
            if node := self.run("log", "--rev", wanted, "--template", "{node}"):
                return node
        raise Failed(f"{self.top} has no revision yet.")

    def difference(self, base: str | None) -> bytes:
        """All that hg tracks, committed or not."""
        return self.run_bytes("diff", "--git", "--nodates", "--rev", str(base))


class Subversion(WorkingCopy):
    """The base is the newest revision of the server."""

    program = "svn"
    patch_level = 0

    @classmethod
    def find_top(cls, here: Path) -> Path | None:
        """As svn says."""
        return _path(run_program(["svn", "info", "--show-item", "wc-root"], here, may_fail=True))

    def find_base(self) -> str | None:
        """What the working copy would be updated to."""
        found = re.search(r"^Status against revision:\s+(\d+)", self.run("status", "--show-updates"), re.MULTILINE)
        if found is None:
            raise Failed(f"svn status -u in {self.top} does not tell the newest revision.")
        return found.group(1)

    def difference(self, base: str | None) -> bytes:
        """What was changed, seen from that revision."""
        return self.run_bytes("diff", "--internal-diff", f"-r{base}")


class Bazaar(WorkingCopy):
    """The base is where the branch left the one it is to be submitted to; without one, its newest revision."""

    program = "bzr"
    patch_level = 0

    @classmethod
    def find_top(cls, here: Path) -> Path | None:
        """As bzr says."""
        return _path(run_program(["bzr", "root"], here))

    def find_base(self) -> str | None:
        """The number of the common ancestor."""
        submitted = self.run("revno", "-rancestor::submit", may_fail=True)
        return submitted or self.run("revno", "--tree").split()[-1]

    def difference(self, base: str | None) -> bytes:
        """What was changed since; bzr tells by its exit code that there is something."""
        return self.run_bytes("diff", "-p0", f"-r{base}..", fine=(0, 1))


class CVS(WorkingCopy):
    """The base is the present time."""

    program = "cvs"
    patch_level = 0

    def find_base(self) -> str | None:
        """Now, as CVS reads times."""
        return time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime())

    def difference(self, base: str | None) -> bytes:
        """What was changed; cvs tells by its exit code that there is something."""
        return self.run_bytes("-q", "diff", "-u", "-N", fine=(0, 1))


class Darcs(WorkingCopy):
    """The base is the newest patch that is recorded here."""

    program = "darcs"
    patch_level = 1

    @classmethod
    def find_top(cls, here: Path) -> Path | None:
        """The nearest directory with ``_darcs``."""
        return _above(here, "_darcs")

    def find_base(self) -> str | None:
        """The context: all that is needed to fetch just these patches."""
        return self.run("log", "--context")

    def difference(self, base: str | None) -> bytes:
        """What is not recorded."""
        return self.run_bytes("diff", "--unified", fine=(0, 1))


class Monotone(WorkingCopy):
    """The base is the revision that is checked out."""

    program = "mtn"
    patch_level = 0

    @classmethod
    def find_top(cls, here: Path) -> Path | None:
        """The nearest directory with ``_MTN``."""
        return _above(here, "_MTN")

    def find_base(self) -> str | None:
        """As mtn says."""
        return self.run("automate", "get_base_revision_id")

    def difference(self, base: str | None) -> bytes:
        """What was changed."""
        return self.run_bytes("diff")


class Perforce(WorkingCopy):
    """The base is the newest change that the client has; ``branch`` is the depot's path of the branch."""

    program = "p4"
    patch_level = 0

    def find_base(self) -> str | None:
        """As p4 says."""
        found = re.match(r"Change (\d+) ", self.run("changes", "-m1", "...#have"))
        if found is None:
            raise Failed(f"p4 changes in {self.top} does not tell which change the client has.")
        return found.group(1)

    def difference(self, base: str | None) -> bytes:
        """What was opened and changed, with names below the branch."""
        if not self.branch:
            raise Failed("With p4 say which branch it is, as the depot's path, by --branch.")
        prefix = self.branch.rstrip("/") + "/"
        lines = []
        for line in self.run_bytes("diff", "-du").split(b"\n"):
            match = re.match(rb"^==== (//[^#]+)#(\d+) - .* ====", line)
            if match is None:
                if not line.startswith((b"--- /", b"+++ /")):
                    lines.append(line)
                continue
            name = match.group(1).decode("utf-8", "replace").removeprefix(prefix)
            lines += [f"--- {name}\t{match.group(2).decode()}".encode(), f"+++ {name}".encode()]
        return b"\n".join(lines)


KINDS: dict[str, type[WorkingCopy]] = {
    "bzr": Bazaar,
    "cvs": CVS,
    "darcs": Darcs,
    "git": Git,
    "hg": Mercurial,
    "mtn": Monotone,
    "p4": Perforce,
    "svn": Subversion,
}


def working_copy(
    kind: str,
    here: Path,
    branch: str | None,
    base_revision: str | None,
    topdir: str | None = None,
    topfile: str | None = None,
) -> WorkingCopy:
    """The working copy that a directory lies in; ``topdir`` is its top, or ``topfile`` a file that lies only there."""
    made = KINDS.get(kind)
    if made is None:
        raise Failed(f"{kind!r} is no kind of working copy; --vc is one of {', '.join(sorted(KINDS))}.")
    if topdir:
        top: Path | None = Path(topdir).expanduser().resolve()
    elif topfile:
        top = _above(here, topfile)
        if top is None:
            raise Failed(f"There is no {topfile} in {here} or above it; see --topfile.")
    else:
        top = made.find_top(here)
    return made(top or here, branch, base_revision)


def _path(output: bytes) -> Path | None:
    text = os.fsdecode(output).strip()
    return Path(text) if text else None


def _above(here: Path, name: str) -> Path | None:
    """The nearest directory, from here upwards, in which there is something of that name."""
    return next((place for place in (here, *here.parents) if (place / name).exists()), None)
