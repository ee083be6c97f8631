"""Who may do what: rules over the REST API's endpoints, and roles of users."""

from buildmaster.www.authz.authz import Authz, Forbidden, fnmatchStrMatcher, reStrMatcher

__all__ = ["Authz", "Forbidden", "fnmatchStrMatcher", "reStrMatcher"]
