"""What quickstart finds out about a git repository before it builds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import attrs

from buildmaster.cli.main import Failed

LIKELY_BRANCHES = ("main", "master", "trunk", "develop")


@attrs.frozen
class Repository:
    """A repository with at least one commit."""

    url: str  # what git is given: an absolute path or a URL
    branch: str  # the branch to build
    head: str  # its newest commit

    @property
    def name(self) -> str:
        """The last part of the address, without ``.git``."""
        return self.url.rstrip("/").replace("\\", "/").rpartition("/")[2].removesuffix(".git") or "repository"

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return os.path.isabs(self.url)


def inspect(place: str | None, branch: str | None, here: Path) -> Repository:
    """Look at the repository at a path or URL (None: the one that ``here`` lies in).

    Raises :class:`~buildmaster.cli.main.Failed` if there is no git, no such repository, no commit or no such branch.
    """
    if shutil.which("git") is None:
        raise Failed("git was not found. Install it (for example: apt-get install git) and try again")
    url = _resolve(place, here)
    heads, default = _heads(url)
    if not heads:
        raise Failed(f"{url} has no commit yet. Make one and try again")
    chosen = branch or default or _likely(heads)
    if chosen not in heads:
        raise Failed(f"{url} has no branch {chosen!r}. It has: {', '.join(sorted(heads)[:20])}")
    return Repository(url, chosen, heads[chosen])


def _resolve(place: str | None, here: Path) -> str:
    if place is None:
        top = _git("rev-parse", "--show-toplevel", cwd=here)
        if top.returncode:
            raise Failed(f"{here} is not in a git repository. Name one with --repo PATH_OR_URL")
        return top.stdout.strip()
    path = here / place
    if path.exists():
        return str(path.resolve())
    if "://" not in place and ":" not in place:
        raise Failed(f"{path} does not exist. Name a git repository with --repo PATH_OR_URL")
    return place


def _heads(url: str) -> tuple[dict[str, str], str | None]:
    """Branch → newest commit, and the branch that is checked out when somebody clones (None: none of them)."""
    answer = _git("ls-remote", "--symref", url)
    if answer.returncode:
        raise Failed(f"git cannot read {url}:\n{answer.stderr.strip()}")
    heads: dict[str, str] = {}
    default = detached = None
    for line in answer.stdout.splitlines():
        left, _, name = line.partition("\t")
        if name == "HEAD" and left.startswith("ref: refs/heads/"):
            default = left.removeprefix("ref: refs/heads/")
        elif name == "HEAD":
            detached = left
        elif name.startswith("refs/heads/"):
            heads[name.removeprefix("refs/heads/")] = left
    if default is None:
        default = next((branch for branch, commit in heads.items() if commit == detached), None)
    return heads, default


def _likely(heads: dict[str, str]) -> str:
    return next((name for name in LIKELY_BRANCHES if name in heads), min(heads))


def has_uncommitted_changes(repository: Repository) -> bool:
    """Whether a local repository has changes that its newest commit, and so the build, does not have."""
    return repository.is_local and bool(_git("status", "--porcelain", "-uno", cwd=Path(repository.url)).stdout.strip())


def parent_of_head(repository: Repository) -> str | None:
    """The commit before the newest one; None if there is none.

    Raises :class:`~buildmaster.cli.main.Failed` if a repository elsewhere cannot be asked.
    """
    if repository.is_local:
        answer = _git("rev-parse", "--verify", "--quiet", f"{repository.head}^", cwd=Path(repository.url))
        return answer.stdout.strip() or None
    with tempfile.TemporaryDirectory() as scratch:
        _git("init", "--quiet", "--bare", cwd=Path(scratch))
        fetched = _git("fetch", "--quiet", "--depth=2", repository.url, repository.branch, cwd=Path(scratch))
        if fetched.returncode:
            raise Failed(f"git cannot fetch from {repository.url}:\n{fetched.stderr.strip()}")
        return _git("rev-parse", "--verify", "--quiet", "FETCH_HEAD^", cwd=Path(scratch)).stdout.strip() or None


def files_of(repository: Repository) -> set[str]:
    """Names at the top of a local repository's newest commit; empty for one elsewhere."""
    if not repository.is_local:
        return set()
    return set(_git("ls-tree", "--name-only", repository.head, cwd=Path(repository.url)).stdout.splitlines())


TEST_COMMANDS = (
    ("Makefile", "make test"),
    ("tox.ini", "tox"),
    ("noxfile.py", "nox"),
    ("pyproject.toml", "python3 -m pytest"),
    ("setup.py", "python3 -m pytest"),
    ("package.json", "npm install && npm test"),
    ("Cargo.toml", "cargo test"),
    ("go.mod", "go test ./..."),
    ("pom.xml", "mvn -B test"),
    ("build.gradle", "./gradlew test"),
)


def guess_command(files: set[str]) -> str:
    """The usual test command of a project with these files; one that shows the commit where nothing is known."""
    return next((command for name, command in TEST_COMMANDS if name in files), "git log -1 --stat")


def _git(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    return subprocess.run(["git", *args], cwd=cwd, env=environ, capture_output=True, text=True, check=False)
