"""A documented address; see :mod:`buildmaster.base.pullrequest`."""

from buildmaster.base.pullrequest import PullRequestMixin

__all__ = ["PullRequestMixin"]
