"""Builds of commits that a newer commit on their branch has made superfluous: the documented OldBuildCanceller."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from buildmaster.base.errors import error
from buildmaster.base.filters import SourceStampFilter
from buildmaster.db import superseding
from buildmaster.db.superseding import OpenRequest
from buildmaster.schedulers.sweeping import Sweeper, checked_filters, matched

BranchKey = Callable[[Mapping[str, Any]], str]
Filters = Sequence[tuple[Any, SourceStampFilter]]

GERRIT_CHANGE = re.compile(r"(refs/changes/\d+/\d+)/\d+")


def default_branch_key(stamp: Mapping[str, Any]) -> str:
    """The branch; all patch sets of one change of Gerrit (``refs/changes/34/1234/5``) are one branch."""
    found = GERRIT_CHANGE.fullmatch(stamp["branch"])
    return found[1] if found else stamp["branch"]


class OldBuildCanceller(Sweeper):
    """Cancels requests and stops builds as soon as their builder is asked to build a newer commit of the same branch.

    A request is superseded by a later one of the same builder that includes a newer change, if both are for the same
    branches of the same repositories.  Those for no branch, and those with a patch (``try``), are left alone.

    :param name: the service's name
    :param filters: a list of tuples (builders' names, :class:`~buildmaster.util.ssfilter.SourceStampFilter`): which
        builders, and which of their source stamps, this is for
    :param branch_key: a function that gets a source stamp (a dictionary with ``project``, ``codebase``, ``repository``
        and ``branch``) and returns the text that identifies its branch; by default the branch, all patch sets of one
        change of Gerrit (``refs/changes/34/1234/5``) being one branch
    """

    heard: ClassVar[Sequence[tuple[str, str]]] = (("buildrequest", "new"),)

    def __init__(self, name: str, filters: Any, branch_key: BranchKey | None = None) -> None:
        super().__init__(name=name, filters=filters, branch_key=branch_key)

    def checkConfig(self, name: str, filters: Any, branch_key: BranchKey | None = None) -> None:
        """Check the arguments, reporting all mistakes."""
        self.filters = checked_filters(type(self), filters, "(builders, SourceStampFilter)", "builders")
        if branch_key is not None and not callable(branch_key):
            error(f"{type(self).__name__}: branch_key must be a function of a source stamp, not {branch_key!r}")

    def reconfigService(self, name: str, filters: Any, branch_key: BranchKey | None = None) -> Any:  # type: ignore[override]
        """Take these arguments over; they hold for requests from now on."""
        self.filters = checked_filters(type(self), filters, "(builders, SourceStampFilter)", "builders")
        self.branch_key = branch_key or default_branch_key

    async def sweep(self) -> None:
        """Cancel what is superseded."""
        builders = {name for names, _ in self.filters for name in names}
        found = await self.master.db.read(superseding.of_builders, builders)
        for older, newer in superseded(found, self.filters, self.branch_key):
            await self.cancel(older, f"superseded by build request {newer}, which builds a newer commit of the branch")


def superseded(
    requests: Iterable[OpenRequest], filters: Filters, branch_key: BranchKey = default_branch_key
) -> list[tuple[int, int]]:
    """(older, newer) for each of these requests that a later one makes superfluous.

    Later means a higher id; the newer one includes a change that is newer than all of the older one's.
    """
    lines: dict[Any, list[OpenRequest]] = {}
    for request in requests:
        key = line_of(request, filters, branch_key)
        if key is not None:
            lines.setdefault(key, []).append(request)
    found = []
    for line in lines.values():
        newest: OpenRequest | None = None
        for request in sorted(line, key=lambda one: one.requestid, reverse=True):
            if newest is not None and request.newest_change < newest.newest_change:
                found.append((request.requestid, newest.requestid))
            elif newest is None or request.newest_change > newest.newest_change:
                newest = request
    return sorted(found)


def line_of(request: OpenRequest, filters: Filters, branch_key: BranchKey) -> Any:
    """What a request shares with those that it supersedes; None if it takes no part."""
    if any(stamp.patch is not None for stamp in request.stamps):
        return None
    branches = {
        (stamp["codebase"], stamp["project"], stamp["repository"], branch_key(stamp))
        for builders, stamp_filter in filters
        if request.builder in builders
        for stamp in matched(stamp_filter, request.stamps)
        if stamp["branch"] is not None
    }
    return (request.builder, frozenset(branches)) if branches else None
