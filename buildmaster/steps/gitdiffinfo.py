"""Which lines of which files a branch has changed, kept as data of the build.

The data's form is described in :class:`GitDiffInfo`; the input is git's own form of differences (``git help diff``,
"Generating patch text").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.process.buildstep import BuildStep, ShellMixin

_hunk = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
NOWHERE = "/dev/null"


class GitDiffInfo(ShellMixin, BuildStep):
    """Finds out what has changed since the last common ancestor with ``compareToRef``, a commit or branch.

    The result is kept as the build's data ``dataName``: JSON, a list of files, each with ``source_file`` and
    ``target_file`` (``/dev/null`` where there is none), ``is_binary``, ``is_rename`` and ``hunks``, a list of changed
    places with ``ss`` and ``sl`` (first line and number of lines in the source), ``ts`` and ``tl`` (in the target).
    """

    name = "GitDiffInfo"
    description = "running GitDiffInfo"
    descriptionDone = "GitDiffInfo"

    def __init__(self, compareToRef: str = "master", dataName: str = "diffinfo-master", **kwargs: Any) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self._compare_to = compareToRef
        self._data_name = dataName

    @deferred
    async def run(self) -> int:
        base = await self.makeRemoteShellCommand(
            command=["git", "merge-base", self._compare_to, "HEAD"], stdioLogName="stdio-merge-base", collectStdout=True
        )
        await self.runCommand(base)
        if base.didFail():
            return base.results()
        ancestor = base.stdout.strip()
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", ancestor):
            await self.addCompleteLog("problem", f"git merge-base printed no commit: {ancestor!r}\n")
            return FAILURE
        diff = await self.makeRemoteShellCommand(
            command=["git", "diff", "--no-color", "--no-ext-diff", "--find-renames", "-U0", ancestor, "HEAD"],
            stdioLogName="stdio-diff",
            collectStdout=True,
        )
        await self.runCommand(diff)
        if diff.didFail():
            return diff.results()
        data = json.dumps(parse_diff(diff.stdout.split("\n"))).encode()
        await self.setBuildData(self._data_name, data, "GitDiffInfo")
        return SUCCESS


def parse_diff(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The files that a difference of git's (without context lines) changes, in the step's form."""
    files: list[dict[str, Any]] = []
    left = 0  # lines of the hunk that are still to come
    for line in lines:
        if left:
            left -= not line.startswith("\\")
        elif line.startswith("diff --git "):
            source, target = _names(line[len("diff --git ") :])
            files.append(
                {"source_file": source, "target_file": target, "is_binary": False, "is_rename": False, "hunks": []}
            )
        elif not files:
            continue
        elif match := _hunk.match(line):
            ss, sl, ts, tl = (1 if text is None else int(text) for text in match.groups())
            files[-1]["hunks"].append({"ss": ss, "sl": sl, "ts": ts, "tl": tl})
            left = sl + tl
        else:
            _header(files[-1], line)
    return files


def _header(file: dict[str, Any], line: str) -> None:
    """One of the lines between ``diff --git`` and the first hunk."""
    for begin, key, strip in (
        ("--- ", "source_file", True),
        ("+++ ", "target_file", True),
        ("rename from ", "source_file", False),
        ("rename to ", "target_file", False),
    ):
        if line.startswith(begin):
            name = _unquoted(line[len(begin) :].rstrip("\t"))
            file[key] = _without_side(name) if strip else name
            file["is_rename"] = file["is_rename"] or not strip
            return
    if line.startswith("new file mode"):
        file["source_file"] = NOWHERE
    elif line.startswith("deleted file mode"):
        file["target_file"] = NOWHERE
    elif line.startswith(("Binary files ", "GIT binary patch")):
        file["is_binary"] = True


def _names(text: str) -> tuple[str, str]:
    """Both names of ``a/NAME b/NAME``; they are the same wherever no other line tells them."""
    if text.startswith('"'):
        source, _, target = text[1:].partition('" ')
        return _without_side(_unquoted(f'"{source}"')), _without_side(_unquoted(target))
    half = len(text) // 2
    return _without_side(text[:half]), _without_side(text[half + 1 :])


def _without_side(name: str) -> str:
    return name if name == NOWHERE else name[2:]


def _unquoted(name: str) -> str:
    """A name as it is; git writes unusual ones in quotes, with C's escapes of bytes."""
    if not name.startswith('"'):
        return name
    return name[1:-1].encode("latin-1", "replace").decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
