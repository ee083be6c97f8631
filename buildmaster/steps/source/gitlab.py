"""Git for GitLab's merge requests."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.steps.source.git import Git


class GitLab(Git):
    """Git, but for a merge request the branch that is to be merged is fetched from the project that it is in.

    Which these are is told by the properties ``source_branch`` and ``source_git_ssh_url`` or
    ``source_git_http_url``, which GitLab's hook sets; the one whose form is that of ``repourl`` is taken.
    """

    @deferred
    async def run_vc(self, branch: Any, revision: Any, patch: Any) -> int:
        source_branch = self.getProperty("source_branch")
        if source_branch:
            branch = source_branch
        by_http = str(self.repourl).startswith(("http://", "https://"))
        source = self.getProperty("source_git_http_url" if by_http else "source_git_ssh_url")
        if source:
            self.repourl = source
        return await maybe(super().run_vc, branch, revision, patch)
