"""Gerrit's events as it writes them; pure functions.

Source: "gerrit stream-events" (events and attributes), "gerrit query" and "REST API, list files" of Gerrit's
documentation.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_DELETED = re.compile(r"0+\Z")


def event_of_line(line: str) -> dict[str, Any] | None:
    """The event of a line; None if it is none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None


def author_of(account: Mapping[str, Any] | None) -> str:
    """An account of Gerrit as an author."""
    account = account or {}
    name = account.get("name") or account.get("username") or "unknown"
    return f"{name} <{account['email']}>" if account.get("email") else str(name)


def key_of(event: Mapping[str, Any]) -> str:
    """What is the same for the same event, whoever tells of it."""
    update, patch_set = event.get("refUpdate") or {}, event.get("patchSet") or {}
    change = event.get("change") or {}
    words = [
        event["type"],
        update.get("project") or change.get("project"),
        update.get("refName") or patch_set.get("ref") or change.get("number"),
        update.get("newRev") or patch_set.get("revision"),
        event.get("eventCreatedOn"),
    ]
    text = ":".join("" if word is None else str(word) for word in words)
    return "gerrit:" + (text if len(text) <= 200 else hashlib.sha256(text.encode()).hexdigest())


def is_deleted(revision: Any) -> bool:
    """Whether a reference that points here is no more."""
    return bool(_DELETED.match(str(revision)))


def branch_of(event: Mapping[str, Any]) -> str:
    """What is to be built for an event: a new patch set itself, else the branch."""
    change, patch_set = event["change"], event.get("patchSet") or {}
    if event["type"] == "patchset-created" and patch_set.get("ref"):
        return str(patch_set["ref"])
    return without_heads(change["branch"])


def without_heads(branch: str) -> str:
    """A branch without ``refs/heads/``."""
    return branch.removeprefix("refs/heads/")


def files_of_query(text: str, patchset: Any) -> list[str]:
    """The files of a patch set, from what ``gerrit query --files --patch-sets`` prints; ``["unknown"]`` if not."""
    for line in text.splitlines():
        found = event_or_row(line)
        for each in (found or {}).get("patchSets") or []:
            if str(each.get("number")) == str(patchset):
                return [entry["file"] for entry in each.get("files") or []]
    return ["unknown"]


def event_or_row(line: str) -> dict[str, Any] | None:
    """The JSON object of a line; None if it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def files_of_answer(body: bytes) -> list[str]:
    """The files of a patch set, from what the REST API answers: JSON after a line that keeps scripts from it."""
    text = body.decode("utf-8", "replace")
    if text.startswith(")]}'"):
        text = text.partition("\n")[2]
    found = json.loads(text)
    return list(found) if isinstance(found, dict) else ["unknown"]
