"""Git for GitHub's pull requests."""

from __future__ import annotations

import re
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.steps.source.git import Git

_merge_ref = re.compile(r"^refs/pull/\d+/merge$")


class GitHub(Git):
    """Git, but for a pull request's merge (``refs/pull/N/merge``) the newest commit of that reference is built.

    The revision that comes with such a change is the pull request's, not the merge's, which GitHub makes by itself.
    """

    @deferred
    async def run_vc(self, branch: Any, revision: Any, patch: Any) -> int:
        if branch and _merge_ref.match(str(branch)):
            revision = None
        return await maybe(super().run_vc, branch, revision, patch)
