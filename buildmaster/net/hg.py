"""Low-level Mercurial: revision sets, and a form of ``hg log`` that can be read without doubt.

The names used here are described by ``hg help revisions``, ``hg help revsets`` and ``hg help templates``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

NEWEST = "first(present('@') + present('default') + tip)"
"""What a clone would check out: the bookmark ``@``, else the branch ``default``, else the newest revision of all."""

LOG_TEMPLATE = "{node}\\0{date|hgdate}\\0{author}\\0{desc}\\0{files|count}\\0{files % '{file}\\0'}"
"""A record a revision, of fields that each end with a NUL; how many files follow is told before them."""

HEADS_TEMPLATE = "{node} {branch}\\0{bookmarks % '{bookmark}\\0'}\\n"
"""A line a revision: its branch and its bookmarks, each with a NUL behind it."""

_node = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@attrs.frozen
class Commit:
    """One revision."""

    node: str
    when: float  # epoch seconds
    author: str
    comments: str
    files: tuple[str, ...]


def is_node(text: str) -> bool:
    """Whether this is the full identifier of a revision."""
    return _node.fullmatch(text) is not None


def quoted(text: str) -> str:
    """A text as a string of the language for revision sets."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def branch_set(name: str) -> str:
    """The revisions of a named branch; none if there is no such branch."""
    return f"present(branch({quoted('literal:' + name)}))"


def bookmark_set(name: str) -> str:
    """The revision that a bookmark is at; none if there is no such bookmark."""
    return f"present(bookmark({quoted('literal:' + name)}))"


def ancestors_of(nodes: Iterable[str]) -> str:
    """These revisions, as far as they are there, and all that they are based on."""
    return f"::({' + '.join(f'present({node})' for node in nodes) or 'none()'})"


def parse_heads(output: bytes) -> list[tuple[str, str, list[str]]]:
    """Read what ``hg log`` prints by :data:`HEADS_TEMPLATE`: identifier, branch and bookmarks of each revision."""
    heads = []
    for line in output.decode("utf-8", "replace").split("\n"):
        node, _, names = line.partition(" ")
        if names:
            branch, *bookmarks, _ = names.split("\0")
            heads.append((node, branch, bookmarks))
    return heads


def parse_log(output: bytes, encoding: str) -> list[Commit]:
    """Read what ``hg log`` prints by :data:`LOG_TEMPLATE`, in its order.

    Texts are UTF-8, file names ``encoding``; what is not, is replaced.  Raises ValueError for what is no such thing.
    """
    fields = output.split(b"\0")
    if fields.pop().strip():
        raise ValueError("hg printed something else than a log")
    commits = []
    at = 0
    while at < len(fields):
        node, date, author, comments, count = fields[at : at + 5]
        files = fields[at + 5 : at + 5 + int(count)]
        at += 5 + int(count)
        commits.append(
            Commit(
                node.decode("ascii"),
                float(date.split()[0]),
                author.decode("utf-8", "replace"),
                comments.decode("utf-8", "replace"),
                tuple(file.decode(encoding, "replace") for file in files),
            )
        )
    return commits
