"""What a subclass of ``GitPoller`` has that decides itself which changes a branch's new commits make.

Such a subclass defines ``_process_changes(newRev, branch)``, as public configurations do to report several projects of
one repository.  It is called, under the repository's lock and after the fetch, for each branch that has moved; it reads
commits by the methods here and reports them by ``self.master.data.updates.addChange``, and may return a Deferred.
``branch`` is a full reference (``refs/heads/main``) where ``branches`` is True or a function, and a branch's name
otherwise.  How far a branch was seen is stored when the method has ended; when it raises, the next look begins at the
same place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.net import git
from buildmaster.net.git_mirror import GitError, Mirror, RefNews


class OwnProcessing:
    """Methods and attributes for such a subclass; the poller asks :attr:`processes_itself`."""

    branches: Any
    usetimestamps: bool
    lastRev: dict[str, str] | None
    """Branch → the commit that was seen last; None before the first look."""
    changeCount = 0
    _mirror: Mirror | None
    _process_changes: Any = None
    _store: Any

    @property
    def processes_itself(self) -> bool:
        """Whether the subclass makes the changes."""
        return self._process_changes is not None

    async def _processed(self, news: Sequence[RefNews], seen: Mapping[str, str]) -> None:
        """Have the subclass report these references, one after the other."""
        full = self.branches is True or callable(self.branches)
        reached = dict(seen)
        for item in news:
            self.lastRev = {ref if full else git.short_branch(ref): sha for ref, sha in reached.items()}
            await maybe(self._process_changes, item.new, item.ref if full else git.short_branch(item.ref))
            reached[item.ref] = item.new
            await self._store([], reached, (), {item.ref: item.new})

    @deferred
    async def _dovccmd(self, command: str, args: Sequence[str], path: str | None = None) -> str:
        """What git prints for a command in the poller's copy of the repository.  Raises GitError if it fails."""
        return await self._copy().output([command, *args])

    async def _commit(self, rev: str) -> git.Commit:
        (commit,) = await self._copy().commits([rev])
        return commit

    def _copy(self) -> Mirror:
        if self._mirror is None:
            raise GitError("there is no copy of the repository before the poller was configured")
        return self._mirror

    @deferred
    async def _get_commit_timestamp(self, rev: str) -> int | None:
        """When a commit was made, in epoch seconds; None without ``usetimestamps``."""
        return (await self._commit(rev)).timestamp if self.usetimestamps else None

    @deferred
    async def _get_commit_author(self, rev: str) -> str:
        """Name and address of a commit's author."""
        return (await self._commit(rev)).author

    @deferred
    async def _get_commit_committer(self, rev: str) -> str:
        """Name and address of who committed."""
        return (await self._commit(rev)).committer

    @deferred
    async def _get_commit_files(self, rev: str) -> list[str]:
        """The files that a commit touches."""
        return list((await self._commit(rev)).files)

    @deferred
    async def _get_commit_comments(self, rev: str) -> str:
        """A commit's message."""
        return (await self._commit(rev)).comments

    def _removeHeads(self, branch: str) -> str:
        """A branch's name without ``refs/heads/``."""
        return git.short_branch(branch)
