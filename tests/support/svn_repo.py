"""A real Subversion repository of a test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path


class SvnRepo:
    """A repository with a working copy of all of it."""

    def __init__(self, path: Path) -> None:
        self.url = f"file://{path}/repo"
        self.copy = path / "copy"
        path.mkdir(parents=True)
        subprocess.run(["svnadmin", "create", str(path / "repo")], check=True)
        self.svn("checkout", "-q", self.url, str(self.copy), cwd=path)

    def svn(self, *args: str, cwd: Path | None = None) -> str:
        """Run svn; what it prints."""
        done = subprocess.run(
            ["svn", "--non-interactive", "--username=ann", *args], cwd=cwd or self.copy, text=True, capture_output=True
        )
        if done.returncode:
            raise AssertionError(f"svn {' '.join(args)}: {done.stderr}")
        return done.stdout

    def commit(self, message: str, files: Mapping[str, str | None]) -> int:
        """Commit these files (None removes a file or directory); the new revision."""
        for name, content in files.items():
            path = self.copy / name
            if content is None:
                self.svn("remove", "-q", "--force", name)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        self.svn("add", "-q", "--force", ".")
        self.svn("commit", "-q", "-m", message)
        self.svn("update", "-q")
        return int(self.svn("info", "--show-item", "revision"))
