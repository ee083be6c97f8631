"""What a poller found and how far it has looked, stored by one transaction.

``addChange`` for pollers: whatever dies, a change is reported once, because the state of its poller moves with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from buildmaster.base.records import NewChange
from buildmaster.data.incoming import SOURCES, ChangeIntake
from buildmaster.db import changes, codebases, projects, state, users
from buildmaster.db.txn import Txn
from buildmaster.net.git import Commit

_FIELDS = (
    "files",
    "comments",
    "author",
    "committer",
    "revision",
    "when_timestamp",
    "branch",
    "revlink",
    "properties",
    "repository",
    "project",
)


@attrs.frozen
class History:
    """Commits and branches of a configured codebase."""

    project: str
    codebase: str
    commits: Sequence[Commit]  # parents first
    branches: Mapping[str, str]  # name → revision, of those that moved


class Reporter:
    """The state and the changes of one poller, known by its name and class name."""

    def __init__(self, master: Any, name: str, class_name: str) -> None:
        self._master = master
        self._intake = ChangeIntake(master)
        self._key = (name, class_name)

    async def state(self, name: str, default: Any = None) -> Any:
        """A value stored by an earlier report; ``default`` if there is none."""
        objectid = await self._master.db.write(state.object_id, *self._key)
        return await self._master.db.read(state.get, objectid, name, default)

    async def report(
        self,
        found: Sequence[Mapping[str, Any]],
        values: Mapping[str, Any],
        history: History | None = None,
    ) -> list[int]:
        """Store changes (dictionaries of ``addChange``'s arguments) and values, all or nothing; the changes' ids.

        A change may have an ``idempotency_key`` too.  ``history`` is stored with them.  Raises
        :class:`~buildmaster.data.incoming.InvalidChange` for a change that
        can't be stored.
        """
        new = [(await self._complete(one), one.get("src")) for one in found]
        return await self._master.db.write(_store, new, self._key, dict(values), history)

    async def _complete(self, one: Mapping[str, Any]) -> NewChange:
        given = {name: one.get(name) for name in _FIELDS}
        change = await self._intake.complete(given, one.get("category"), one.get("codebase"))
        return attrs.evolve(change, idempotency_key=one.get("idempotency_key"))


def _store(
    txn: Txn,
    new: Sequence[tuple[NewChange, str | None]],
    key: tuple[str, str],
    values: dict[str, Any],
    history: History | None,
) -> list[int]:
    changeids = []
    for change, src in new:
        if src in SOURCES and change.author:
            change = attrs.evolve(change, uid=users.find_by_attribute(txn, change.author, src, change.author))
        changeids.append(changes.add(txn, change))
    state.put_for(txn, *key, values)
    if history is not None:
        _store_history(txn, history)
    return changeids


def _store_history(txn: Txn, history: History) -> None:
    projectid = projects.find_id(txn, history.project)
    assert projectid is not None
    codebaseid = codebases.find_id(txn, projectid, history.codebase)
    assert codebaseid is not None
    known: dict[str, int | None] = {}

    def id_of(revision: str) -> int | None:
        if revision not in known:
            known[revision] = codebases.find_commit_id(txn, codebaseid, revision)
        return known[revision]

    for commit in history.commits:
        parent = id_of(commit.parents[0]) if commit.parents else None
        stored = codebases.NewCommit(
            codebaseid,
            commit.author[:255],
            commit.comments,
            commit.timestamp,
            commit.revision,
            commit.committer[:255],
            commit.files,
            parent,
        )
        known[commit.revision] = codebases.add_commit(txn, stored)
    for name, revision in history.branches.items():
        codebases.update_branch(txn, codebaseid, name[:255], id_of(revision), int(txn.now()))
