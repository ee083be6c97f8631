"""Role matchers: from what is known of a user to the roles he has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class RolesFromBase:
    """Base of all role matchers; gives no role."""

    def __init__(self) -> None:
        self.authz: Any = None
        self.master: Any = None

    def getRolesFromUser(self, userDetails: dict[str, Any]) -> list[str]:
        """The roles of a user, from the user info of his session."""
        return []

    def setAuthz(self, authz: Any) -> None:
        """The matcher belongs to these rules from now on."""
        self.authz = authz
        self.master = authz.master


class RolesFromGroups(RolesFromBase):
    """A role for each of the user's groups that begins with ``groupPrefix``; the prefix is taken off."""

    def __init__(self, groupPrefix: str = "") -> None:
        super().__init__()
        self.groupPrefix = groupPrefix

    def getRolesFromUser(self, userDetails: dict[str, Any]) -> list[str]:
        groups = userDetails.get("groups") or []
        return [group[len(self.groupPrefix) :] for group in groups if group.startswith(self.groupPrefix)]


class RolesFromEmails(RolesFromBase):
    """Each keyword is a role, its value the list of e-mail addresses that have it."""

    def __init__(self, **kwargs: Iterable[str]) -> None:
        super().__init__()
        self.roles: dict[str, list[str]] = {}
        for role, values in kwargs.items():
            for value in [values] if isinstance(values, str) else values:
                self.roles.setdefault(value, []).append(role)

    def getRolesFromUser(self, userDetails: dict[str, Any]) -> list[str]:
        return self.roles.get(userDetails.get("email") or "", [])


class RolesFromDomain(RolesFromEmails):
    """Each keyword is a role, its value the list of mail domains whose users have it."""

    def getRolesFromUser(self, userDetails: dict[str, Any]) -> list[str]:
        _, at, domain = (userDetails.get("email") or "").rpartition("@")
        return self.roles.get(domain, []) if at else []


class RolesFromOwner(RolesFromBase):
    """``role`` for the user whose e-mail address is the owner of what is asked for."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def getRolesFromUser(self, userDetails: dict[str, Any], owner: str | None = None) -> list[str]:
        return [self.role] if owner and userDetails.get("email") == owner else []


class RolesFromUsername(RolesFromBase):
    """``roles`` for the users in ``usernames``."""

    def __init__(self, roles: Iterable[str], usernames: Iterable[str]) -> None:
        super().__init__()
        self.roles = [roles] if isinstance(roles, str) else list(roles)
        self.usernames = [usernames] if isinstance(usernames, str) else list(usernames)

    def getRolesFromUser(self, userDetails: dict[str, Any]) -> list[str]:
        name = userDetails.get("username")
        return self.roles if name and name in self.usernames else []
