"""A program ``ssh`` that plays Gerrit: a small script in a directory of PATH, and what it was called with."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_SCRIPT = """#!{python}
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "calls"), "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
words = sys.argv[sys.argv.index("gerrit") + 1:]
path = os.path.join(here, words[0])
if os.path.exists(path):
    sys.stdout.write(open(path).read())
    sys.stdout.flush()
if words[0] == "stream-events":
    sys.stdin.read()
status = os.path.join(here, words[0] + ".status")
sys.exit(int(open(status).read()) if os.path.exists(status) else 0)
"""


class Gerrit:
    """``says(command, text)`` sets what a command of Gerrit prints."""

    def __init__(self, directory: Path, monkeypatch: Any) -> None:
        self.directory = directory
        directory.mkdir()
        program = directory / "ssh"
        program.write_text(_SCRIPT.format(python=sys.executable))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")

    def says(self, command: str, *lines: Any, status: int = 0) -> None:
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        (self.directory / command).write_text(text)
        (self.directory / f"{command}.status").write_text(str(status))

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call of ``ssh``."""
        path = self.directory / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


PERSON = {"name": "Dustin", "email": "dustin@example.org", "username": "du"}


def patch_set(type: str = "patchset-created", number: int = 5, at: int = 1_500_000_001, **over: Any) -> dict[str, Any]:
    """An event of a patch set."""
    event = {
        "type": type,
        "eventCreatedOn": at,
        "change": {
            "project": "pr",
            "branch": "br",
            "id": f"I{number}",
            "number": number,
            "subject": "subject",
            "owner": PERSON,
            "url": f"http://gerrit.example/{number}",
        },
        "patchSet": {
            "number": 2,
            "revision": f"abc{number}",
            "ref": f"refs/changes/05/{number}/2",
            "uploader": {"name": "Up"},
        },
    }
    return {**event, **over}


def ref_updated(name: str = "refs/heads/master", revision: str = "5678", at: int = 1_500_000_002) -> dict[str, Any]:
    """An event of a branch or tag."""
    update = {"oldRev": "1234", "newRev": revision, "refName": name, "project": "test"}
    return {"type": "ref-updated", "eventCreatedOn": at, "submitter": PERSON, "refUpdate": update}
