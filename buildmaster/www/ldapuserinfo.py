"""Users, their groups and their pictures in an LDAP directory (RFC 4511; filters: RFC 4515), asked with ``ldap3``."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import defer
from twisted.web.error import Error

from buildmaster.base.errors import error
from buildmaster.base.strings import bytes2unicode
from buildmaster.www.auth import UserInfoProviderBase
from buildmaster.www.avatar import AvatarBase

CONNECT_SECONDS = 10
ANSWER_SECONDS = 20

_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


class LdapUserInfo(AvatarBase, UserInfoProviderBase):
    """Completes what is known of a user who has logged in, and gives pictures of users.

    ``uri`` is ``ldap://host:port`` or ``ldaps://…``; ``bindUser`` and ``bindPw`` log in there.  A user is the entry
    below ``accountBase`` that ``accountPattern`` finds, a filter with ``%(username)s``; ``accountFullName`` and
    ``accountEmail`` are its attributes, ``accountExtraFields`` further ones, which are added under their own names.
    His groups are the attribute ``groupName`` of the entries below ``groupBase`` that ``groupMemberPattern`` finds, a
    filter with ``%(dn)s``: all three or none.  The picture of a mail address is the attribute ``avatarData`` of the
    entry that ``avatarPattern`` finds, a filter with ``%(email)s``.  ``tls`` is an ``ldap3.Tls``; with an ``ldap://``
    address it asks for StartTLS.
    """

    name = "ldap"

    def __init__(
        self,
        uri: str,
        bindUser: str,
        bindPw: str,
        accountBase: str,
        accountPattern: str,
        accountFullName: str,
        accountEmail: str,
        groupBase: str | None = None,
        groupMemberPattern: str | None = None,
        groupName: str | None = None,
        avatarPattern: str | None = None,
        avatarData: str | None = None,
        accountExtraFields: Sequence[str] | None = None,
        tls: Any = None,
    ) -> None:
        _check(uri, accountPattern, (groupBase, groupMemberPattern, groupName), (avatarPattern, avatarData))
        self.uri = uri
        self.bindUser, self.bindPw = bindUser, bindPw
        self.accountBase, self.accountPattern = accountBase, accountPattern
        self.accountFullName, self.accountEmail = accountFullName, accountEmail
        self.accountExtraFields = list(accountExtraFields or ())
        self.groupBase, self.groupMemberPattern, self.groupName = groupBase, groupMemberPattern, groupName
        self.avatarPattern, self.avatarData = avatarPattern, avatarData
        self.tls = tls

    def getUserInfo(self, username: str) -> defer.Deferred[dict[str, Any]]:
        """``username``, ``full_name``, ``email``, ``groups`` and extra fields; an Error (403) if he is not there."""
        return self._in_thread(self._user_info, bytes2unicode(username))

    def getUserAvatar(
        self, email: Any, username: Any, size: int, defaultAvatarUrl: bytes
    ) -> defer.Deferred[tuple[bytes, bytes] | None] | None:
        """The picture of this mail address, None if there is none."""
        return self._in_thread(self._picture, bytes2unicode(email)) if self.avatarPattern and email else None

    def _in_thread(self, function: Any, *args: Any) -> Any:
        if self.master is None:
            raise RuntimeError("LdapUserInfo: it must be the userInfoProvider of c['www']['auth'] or an avatar method")
        return self.master.in_thread(function, *args)

    # -- in a thread ---------------------------------------------------------------------------------------------------

    def connectLdap(self) -> Any:
        """A connection that is logged in; raises ``ldap3.core.exceptions.LDAPException``."""
        import ldap3

        server = ldap3.Server(self.uri, tls=self.tls, get_info=ldap3.NONE, connect_timeout=CONNECT_SECONDS)
        starts_tls = self.tls is not None and not server.ssl
        return ldap3.Connection(
            server,
            self.bindUser,
            self.bindPw,
            auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND if starts_tls else ldap3.AUTO_BIND_NO_TLS,
            raise_exceptions=True,
            read_only=True,
            receive_timeout=ANSWER_SECONDS,
        )

    def search(self, c: Any, base: str, filterstr: str, attributes: Sequence[str]) -> list[dict[str, Any]]:
        """The entries below ``base`` that the filter finds, each with ``dn`` and ``raw_attributes``."""
        c.search(base, filterstr, attributes=list(attributes))
        return [entry for entry in c.response if entry["type"] == "searchResEntry"]

    def _user_info(self, username: str) -> dict[str, Any]:
        with self.connectLdap() as c:
            wanted = [self.accountFullName, self.accountEmail, *self.accountExtraFields]
            found = self.search(c, self.accountBase, self.accountPattern % {"username": escaped(username)}, wanted)
            if len(found) != 1:
                raise Error(403, f"the directory knows {len(found) or 'no'} users called {username!r}".encode())
            dn, values = found[0]["dn"], found[0]["raw_attributes"]
            info: dict[str, Any] = {
                "username": username,
                "full_name": first(values, self.accountFullName),
                "email": first(values, self.accountEmail),
            }
            info.update({name: first(values, name) for name in self.accountExtraFields if first(values, name)})
            info["groups"] = self._groups(c, dn)
            return info

    def _groups(self, c: Any, dn: str) -> list[str]:
        if self.groupMemberPattern is None:
            return []
        assert self.groupBase is not None and self.groupName is not None
        found = self.search(c, self.groupBase, self.groupMemberPattern % {"dn": escaped(dn)}, [self.groupName])
        return [bytes2unicode(name) for entry in found for name in values_of(entry["raw_attributes"], self.groupName)]

    def _picture(self, email: str) -> tuple[bytes, bytes] | None:
        assert self.avatarPattern is not None and self.avatarData is not None
        with self.connectLdap() as c:
            pattern = self.avatarPattern % {"email": escaped(email)}
            for entry in self.search(c, self.accountBase, pattern, [self.avatarData]):
                for data in values_of(entry["raw_attributes"], self.avatarData):
                    kind = next((kind for begin, kind in _PICTURES if data.startswith(begin)), None)
                    if kind is not None:
                        return kind.encode(), data
        return None


def escaped(text: str) -> str:
    """A text as it stands in a filter, whatever it contains."""
    from ldap3.utils.conv import escape_filter_chars

    return str(escape_filter_chars(text))


def values_of(attributes: dict[str, list[bytes]], name: str) -> list[bytes]:
    """The values of an attribute, whose name may be spelled in any case."""
    return next((values for key, values in attributes.items() if key.lower() == name.lower()), [])


def first(attributes: dict[str, list[bytes]], name: str) -> str | None:
    """The first value of an attribute."""
    values = values_of(attributes, name)
    return bytes2unicode(values[0], errors="replace") if values else None


def _check(uri: str, account: str, groups: tuple[str | None, ...], avatar: tuple[str | None, ...]) -> None:
    if importlib.util.find_spec("ldap3") is None:
        error("LdapUserInfo needs the package ldap3: pip install 'buildmaster-ci[auth]'")
    if urlsplit(uri).scheme not in ("ldap", "ldaps"):
        error(f"LdapUserInfo: uri={uri!r} must begin with ldap:// or ldaps://")
    if any(groups) and not all(groups):
        error("LdapUserInfo: groupBase, groupMemberPattern and groupName must be given together, or none of them")
    if any(avatar) and not all(avatar):
        error("LdapUserInfo: avatarPattern and avatarData must be given together, or none of them")
    for name, pattern, key in (
        ("accountPattern", account, "username"),
        ("groupMemberPattern", groups[1], "dn"),
        ("avatarPattern", avatar[0], "email"),
    ):
        if pattern is not None and f"%({key})s" not in pattern:
            error(f"LdapUserInfo: {name}={pattern!r} must contain %({key})s")
