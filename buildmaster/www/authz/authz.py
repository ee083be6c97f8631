"""Authorization: which role an action needs, and who has it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from typing import Any

from twisted.web.error import Error

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.strings import unicode2bytes
from buildmaster.www.authz.roles import RolesFromOwner


class Forbidden(Error):
    """The user may not do this."""

    def __init__(self, msg: str | bytes) -> None:
        super().__init__(403, unicode2bytes(msg))


def fnmatchStrMatcher(value: str, match: str) -> bool:
    """Compares with file name patterns (``*``, ``?``)."""
    return fnmatch.fnmatch(value, match)


def reStrMatcher(value: str, match: str) -> bool:
    """Compares with regular expressions."""
    return re.match(match, value) is not None


class Authz:
    """The rules of ``c['www']['authz']``.

    ``allowRules`` are endpoint matchers in the order in which they are asked: the first that matches decides, unless
    it has ``defaultDeny=False`` and the user lacks its role.  What none matches is allowed.  ``roleMatchers`` give
    users their roles.  ``stringsMatcher(value, pattern)`` compares roles and builder names.
    """

    def getConfigDict(self) -> dict[str, Any]:
        """What the front end may know: nothing."""
        return {}

    def __init__(
        self,
        allowRules: Iterable[Any] | None = None,
        roleMatchers: Iterable[Any] | None = None,
        stringsMatcher: Callable[[str, str], bool] = fnmatchStrMatcher,
    ) -> None:
        self.match = stringsMatcher
        self.allowRules = list(allowRules or [])
        matchers = list(roleMatchers or [])
        self.roleMatchers = [matcher for matcher in matchers if not isinstance(matcher, RolesFromOwner)]
        self.ownerRoleMatchers = [matcher for matcher in matchers if isinstance(matcher, RolesFromOwner)]
        self.master: Any = None

    def setMaster(self, master: Any) -> None:
        """The rules belong to this master from now on."""
        self.master = master
        for part in [*self.roleMatchers, *self.ownerRoleMatchers, *self.allowRules]:
            part.setAuthz(self)

    def getRolesFromUser(self, userDetails: dict[str, Any]) -> set[str]:
        """The roles a user has whatever he looks at."""
        roles: set[str] = set()
        for matcher in self.roleMatchers:
            roles.update(matcher.getRolesFromUser(userDetails))
        return roles

    def getOwnerRolesFromUser(self, userDetails: dict[str, Any], owner: str) -> set[str]:
        """The roles a user has for what ``owner`` owns."""
        roles: set[str] = set()
        for matcher in self.ownerRoleMatchers:
            roles.update(matcher.getRolesFromUser(userDetails, owner))
        return roles

    @deferred
    async def assertUserAllowed(self, ep: Any, action: str, options: Any, userDetails: dict[str, Any]) -> None:
        """Raise :class:`Forbidden` unless the user may do ``action`` (``get`` for reading) at the path ``ep``."""
        roles = self.getRolesFromUser(userDetails)
        for rule in self.allowRules:
            match = await maybe(rule.match, ep, action, options)
            if match is None:
                continue
            owner = await maybe(match.getOwner)
            have = roles if owner is None else roles | self.getOwnerRolesFromUser(userDetails, owner)
            if any(self.match(role, rule.role) for role in have):
                return
            if rule.defaultDeny:
                raise Forbidden(f"you need to have role '{rule.role}'")
