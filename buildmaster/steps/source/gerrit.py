"""Git for Gerrit's changes."""

from __future__ import annotations

import re
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.steps.source.git import Git

_forced = re.compile(r"^(\d+)/(\d+)$")


class Gerrit(Git):
    """Git, but for an event of Gerrit's, and for a forced build with a property ``gerrit_change``, that change's
    reference is fetched.

    ``gerrit_change`` is a change's number and a patch set's, ``1234/5``.
    """

    @deferred
    async def run_vc(self, branch: Any, revision: Any, patch: Any) -> int:
        number, patch_set = self.getProperty("event.change.number"), self.getProperty("event.patchSet.number")
        reference = self.getProperty("event.patchSet.ref")
        forced = str(self.getProperty("gerrit_change") or "").strip()
        if number is not None and (reference or patch_set is not None):
            branch, revision = reference or change_ref(int(number), int(patch_set)), None
            self.updateSourceProperty("gerrit_branch", branch)
        elif forced:
            match = _forced.match(forced)
            if match is None:
                raise ValueError(f"Gerrit: the property gerrit_change must be CHANGE/PATCHSET, not {forced!r}")
            branch, revision = change_ref(int(match.group(1)), int(match.group(2))), None
            self.updateSourceProperty("gerrit_branch", branch)
        return await maybe(super().run_vc, branch, revision, patch)


def change_ref(number: int, patch_set: int) -> str:
    """The reference of a patch set: ``refs/changes/34/1234/5``, of which the first number is the last two digits."""
    return f"refs/changes/{number % 100:02}/{number}/{patch_set}"
