"""A real git repository of a test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENV = {
    "GIT_AUTHOR_NAME": "Ann Author",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Cy Committer",
    "GIT_COMMITTER_EMAIL": "cy@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class GitRepo:
    """A repository with a working tree, on the branch ``main``; each commit is a second later than the last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1_500_000_000
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", ".")

    def git(self, *args: str, stdin: str | None = None) -> str:
        """Run git; what it prints, without the last newline."""
        when = {"GIT_AUTHOR_DATE": f"{self.now} +0000", "GIT_COMMITTER_DATE": f"{self.now} +0000"}
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            env={**os.environ, **ENV, **when},
            input=stdin,
            text=True,
            capture_output=True,
        )
        if done.returncode:
            raise AssertionError(f"git {' '.join(args)}: {done.stderr}")
        return done.stdout.strip("\n")

    def commit(self, message: str, files: Mapping[str, str | None] | None = None) -> str:
        """Commit these files (None removes one; by default one named after the message); the new revision."""
        self.now += 1
        for name, content in (files if files is not None else {message.split()[0]: message}).items():
            path = self.path / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def head(self) -> str:
        """The revision that is checked out."""
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str) -> None:
        """Make a branch here and be on it."""
        self.git("checkout", "-q", "-b", name)

    def checkout(self, name: str) -> None:
        """Be on this branch."""
        self.git("checkout", "-q", name)

    def merge(self, name: str) -> str:
        """Merge that branch by a commit; the new revision."""
        self.now += 1
        self.git("merge", "-q", "--no-ff", "--no-edit", name)
        return self.head()
