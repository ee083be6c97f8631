"""A real Mercurial repository of a test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class HgRepo:
    """A repository with a working directory; each commit is a second later than the last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1_500_000_000
        path.mkdir(parents=True)
        self.hg("init", ".")

    def hg(self, *args: str) -> str:
        """Run hg; what it prints, without white space around it."""
        done = subprocess.run(
            ["hg", *args],
            cwd=self.path,
            env={**os.environ, "HGPLAIN": "1", "HGUSER": "Ann <ann@example.org>", "HGENCODING": "utf-8"},
            text=True,
            capture_output=True,
        )
        if done.returncode:
            raise AssertionError(f"hg {' '.join(args)}: {done.stderr}")
        return done.stdout.strip()

    def commit(self, message: str, files: Mapping[str, str] | None = None) -> str:
        """Commit these files (by default one named after the message); the new revision."""
        self.now += 1
        for name, content in (files if files is not None else {message.split()[0]: message}).items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.hg("commit", "-q", "--addremove", "-m", message, "--date", f"{self.now} 0")
        return self.head()

    def head(self) -> str:
        """The revision that is checked out."""
        return self.hg("log", "-r", ".", "-T", "{node}")
