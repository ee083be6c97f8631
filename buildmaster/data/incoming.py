"""Changes as they come in: checked, completed from the configuration, stored.

A change is one write job without a read of its own; jobs that wait together are stored in one transaction.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.logger import Logger

from buildmaster.base.aio import maybe
from buildmaster.base.records import NewChange
from buildmaster.data.exceptions import DataException
from buildmaster.db import changes, users
from buildmaster.db.txn import Txn
from buildmaster.mq.decision import next_idempotency_key

log = Logger()

LONGEST = {"author": 10_000, "committer": 10_000, "comments": 4 << 20, "revision": 10_000, "branch": 10_000}
LONGEST |= {"category": 10_000, "revlink": 50_000, "repository": 50_000, "project": 10_000, "codebase": 256}
"""The most characters that a text may have."""
MOST_FILES = 200_000
LONGEST_FILE = 20_000
LARGEST_PROPERTIES = 4 << 20
LATEST = 2**53  # epoch seconds; beyond this nothing is exact

SOURCES = ("git", "svn", "hg", "cvs", "darcs", "bzr", "fossil")
"""Version control systems after which users are known; ``src`` names one of them."""

READ_BY_PEOPLE = ("author", "committer", "comments", "revlink")

_KNOWN_USERS = 10_000

NOTHING_GIVEN: dict[str, Any] = {
    "files": None,
    "comments": None,
    "author": None,
    "committer": None,
    "revision": None,
    "when_timestamp": None,
    "branch": None,
    "category": None,
    "revlink": "",
    "properties": None,
    "repository": "",
    "codebase": None,
    "project": "",
}
"""The defaults of ``addChange``."""


class InvalidChange(DataException, ValueError):
    """A change has a value that can't be stored; the message names the field."""


class ChangeIntake:
    """Checks, completes and stores changes."""

    def __init__(self, master: Any) -> None:
        self._master = master
        self._users: dict[tuple[str, str], int] = {}

    async def add(
        self,
        given: Mapping[str, Any],
        category: str | Callable[..., Any] | None,
        codebase: str | None,
        src: str | None,
    ) -> int:
        """Store a change; returns its id.  Raises :class:`InvalidChange`."""
        change = await self.complete(given, category, codebase)
        key = next_idempotency_key()
        return await self._store(change if key is None else attrs.evolve(change, idempotency_key=key), src)

    async def add_all(
        self, given: Sequence[Mapping[str, Any]], src: str | None, idempotency_keys: Sequence[str] | None
    ) -> list[int]:
        """Store changes, all or none; returns their ids.  Raises :class:`InvalidChange`."""
        new = []
        for ordinal, one in enumerate(given):
            arguments = {**NOTHING_GIVEN, **one}
            unknown = sorted(set(arguments) - set(NOTHING_GIVEN))
            if unknown:
                raise TypeError(f"addChanges: a change has no {', '.join(unknown)}")
            change = await self.complete(arguments, arguments.pop("category"), arguments.pop("codebase"))
            key = next_idempotency_key() if idempotency_keys is None else idempotency_keys[ordinal]
            new.append(attrs.evolve(change, idempotency_key=key))
        if src is not None and src not in SOURCES:
            log.warn("changes have the unknown source {src}", src=src)
            src = None
        return await self._master.db.write(_add_all, new, src)

    async def complete(
        self, given: Mapping[str, Any], category: str | Callable[..., Any] | None, codebase: str | None
    ) -> NewChange:
        """The change that these arguments mean, completed from the configuration.  Raises :class:`InvalidChange`."""
        change = checked(given, self._master.db.now())
        config = self._master.config
        if callable(category):
            category = await maybe(category, as_dictionary(change))
        change = attrs.evolve(change, category=_text("category", category))
        if codebase is None:
            codebase = ""
            if config.codebaseGenerator is not None:
                codebase = await maybe(config.codebaseGenerator, as_dictionary(change))
        change = attrs.evolve(change, codebase=_text("codebase", codebase) or "")
        if change.revision and not change.revlink and config.revlink is not None:
            link = await maybe(config.revlink, change.revision, change.repository)
            change = attrs.evolve(change, revlink=_text("revlink", link) or "")
        return self._without_secrets(change)

    def _without_secrets(self, change: NewChange) -> NewChange:
        """Secrets that code of one's own has put into a text that is there for people to read are hidden."""
        secrets = getattr(getattr(self._master, "secrets_manager", None), "given_long", None)
        if not secrets:
            return change
        texts = {name: getattr(change, name) for name in READ_BY_PEOPLE if getattr(change, name)}
        if not secrets.masks.hides_any("\n".join(texts.values())):
            return change
        return attrs.evolve(change, **{name: secrets.masks.text(text) for name, text in texts.items()})

    async def _store(self, change: NewChange, src: str | None) -> int:
        who = (src, change.author) if src and change.author else None
        if who is None or src not in SOURCES:
            if who is not None:
                log.warn("a change of {author} has the unknown source {src}", author=change.author, src=src)
            return await self._master.db.write(changes.add, change)
        uid = self._users.get(who)
        if uid is not None:
            return await self._master.db.write(changes.add, attrs.evolve(change, uid=uid))
        changeid, uid = await self._master.db.write(_add_with_user, change, *who)
        if len(self._users) >= _KNOWN_USERS:
            self._users.clear()
        self._users[who] = uid
        return changeid


def _add_all(txn: Txn, new: Sequence[NewChange], src: str | None) -> list[int]:
    changeids = []
    uids: dict[str, int] = {}
    for change in new:
        author = change.author
        if src is not None and author:
            if author not in uids:
                uids[author] = users.find_by_attribute(txn, author, src, author)
            change = attrs.evolve(change, uid=uids[author])
        changeids.append(changes.add(txn, change))
    return changeids


def _add_with_user(txn: Txn, change: NewChange, src: str, author: str) -> tuple[int, int]:
    uid = users.find_by_attribute(txn, author, src, author)
    return changes.add(txn, attrs.evolve(change, uid=uid)), uid


def checked(given: Mapping[str, Any], now: float) -> NewChange:
    """The change that these arguments of ``addChange`` mean.

    Raises :class:`InvalidChange`.  Characters that no database stores (NUL, lone surrogates) become U+FFFD.
    """
    return NewChange(
        author=_text("author", given["author"]) or "",
        comments=_text("comments", given["comments"]) or "",
        files=_files(given["files"]),
        committer=_text("committer", given["committer"]),
        revision=_text("revision", given["revision"]),
        when_timestamp=_when(given["when_timestamp"], now),
        branch=_text("branch", given["branch"]),
        revlink=_text("revlink", given["revlink"]) or "",
        properties=_properties(given["properties"]),
        repository=_text("repository", given["repository"]) or "",
        project=_text("project", given["project"]) or "",
    )


def as_dictionary(change: NewChange) -> dict[str, Any]:
    """A change that is not stored yet, as user callbacks get it."""
    return {
        "changeid": None,
        "author": change.author,
        "committer": change.committer,
        "files": list(change.files),
        "comments": change.comments,
        "revision": change.revision,
        "when_timestamp": change.when_timestamp,
        "branch": change.branch,
        "category": change.category,
        "revlink": change.revlink,
        "properties": dict(change.properties),
        "repository": change.repository,
        "project": change.project,
    }


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise InvalidChange(f"addChange: {name} is {_short(value)}, not text")
    if len(value) > LONGEST[name]:
        raise InvalidChange(f"addChange: {name} has {len(value)} characters; at most {LONGEST[name]} are allowed")
    return _storable(value)


def _storable(text: str) -> str:
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "\ufffd")


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _files(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise InvalidChange(f"addChange: files is {_short(value)}, not a list of names")
    files = []
    for name in value:
        name = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
        if not isinstance(name, str):
            raise InvalidChange(f"addChange: files has {_short(name)}, not text")
        if len(name) > LONGEST_FILE:
            raise InvalidChange(f"addChange: files has a name of {len(name)} characters; {LONGEST_FILE} are allowed")
        files.append(_storable(name))
        if len(files) > MOST_FILES:
            raise InvalidChange(f"addChange: files has more than {MOST_FILES} names")
    return files


def _when(value: Any, now: float) -> int:
    if value is None:
        return int(now)
    if hasattr(value, "timestamp"):
        value = value.timestamp()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidChange(f"addChange: when_timestamp is {_short(value)}, not epoch seconds")
    if not 0 <= value <= LATEST:
        raise InvalidChange(f"addChange: when_timestamp is {_short(value)}, which is no time after 1970")
    return int(value)


def _properties(value: Any) -> dict[str, tuple[Any, str]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidChange(f"addChange: properties is {_short(value)}, not a dictionary")
    found: dict[str, tuple[Any, str]] = {}
    for name, item in value.items():
        name = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
        if not isinstance(name, str):
            raise InvalidChange(f"addChange: properties has the name {_short(name)}, not text")
        sourced = isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], str)
        found[_storable(name)] = item if sourced else (item, "Change")
    if found:
        _check_json(found)
    return found


def _check_json(properties: Mapping[str, tuple[Any, str]]) -> None:
    for name, (value, _source) in properties.items():
        try:
            text = json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            raise InvalidChange(f"addChange: the property {name!r} is {_short(value)}, not a JSON value") from None
        if len(text) > LARGEST_PROPERTIES:
            raise InvalidChange(f"addChange: the property {name!r} has {len(text)} characters as JSON")
