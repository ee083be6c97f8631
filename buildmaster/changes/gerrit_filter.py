"""The filter of Gerrit's changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from buildmaster.base.filters import ChangeFilter, NotABranch, checks_for, property_of

_EVENTS = frozenset({"patchset-created", "ref-updated", "change-merged", "change-abandoned", "comment-added"})


class GerritChangeFilter(ChangeFilter):
    """A :class:`~buildmaster.base.filters.ChangeFilter` that knows Gerrit's branches and events.

    ``branch``, ``branch_re``, ``branch_fn`` and their opposites are about the branch that a patch set is for (the
    property ``event.change.branch``), or that was updated; ``eventtype``, ``eventtype_re`` and ``eventtype_fn`` about
    the type of the event, such as ``patchset-created``.
    """

    compare_attrs: Sequence[str] = ("eventtype_fn", "gerrit_branch_fn", "branch_filters")  # type: ignore[assignment]

    def __init__(
        self,
        branch: Any = NotABranch,
        branch_re: Any = None,
        branch_fn: Callable[[Any], Any] | None = None,
        eventtype: Any = None,
        eventtype_re: Any = None,
        eventtype_fn: Callable[[Any], Any] | None = None,
        **kw: Any,
    ) -> None:
        if isinstance(branch_re, str) and branch_re in _EVENTS and eventtype is None:
            branch_re, eventtype = None, branch_re  # as Buildbot's documentation writes it: ("main", "ref-updated")
        opposites = (kw.pop("branch_not_eq", NotABranch), kw.pop("branch_not_re", None))
        super().__init__(**kw)
        self.branch_filters = checks_for("branch", branch, opposites[0], branch_re, opposites[1])
        self.gerrit_branch_fn = branch_fn
        self.eventtype_fn = eventtype_fn
        self.property_filters = [
            *self.property_filters,
            *checks_for("event.type", eventtype, None, eventtype_re, None),
        ]

    def refusal(self, change: Any) -> str | None:
        """Why the change is not wanted, in words; None if it is wanted."""
        refused = super().refusal(change)
        if refused is not None:
            return refused
        branch = property_of(change, "event.change.branch")
        if branch is None:
            branch = change.branch
        for check in self.branch_filters:
            if not check.holds(branch):
                return f"its branch at Gerrit is {branch!r}; wanted: {check}"
        if self.gerrit_branch_fn is not None and not self.gerrit_branch_fn(branch):
            return f"branch_fn said no to {branch!r}"
        event = property_of(change, "event.type")
        if self.eventtype_fn is not None and not self.eventtype_fn(event):
            return f"eventtype_fn said no to {event!r}"
        return None

    def has_functions(self) -> bool:
        """The verdict can't be computed again from the fields of a change alone."""
        own = self.branch_filters or self.gerrit_branch_fn is not None or self.eventtype_fn is not None
        return bool(own) or super().has_functions()

    def __repr__(self) -> str:
        shown = super().__repr__().removesuffix(">")
        return " and ".join([shown, *(str(check) for check in self.branch_filters)]) + ">"
