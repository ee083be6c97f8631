"""Who may give which command to a bot.

The documented ``authz`` maps commands to True, False or a list of users; ``""`` stands for all commands that are not
dangerous, ``"!"`` for those that are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildmaster.base.errors import error

DANGEROUS = ["FORCE", "STOP", "SHUTDOWN"]
"""Commands that change something: nobody may give them unless ``authz`` says so."""


def expand_authz(authz: Mapping[Any, Any] | None) -> dict[str, Any]:
    """``authz`` with one upper-case command a key; a key may be a tuple of commands."""
    expanded: dict[str, Any] = {}
    for key, who in (authz or {}).items():
        for command in key if isinstance(key, tuple | list) else [key]:
            expanded[str(command).upper()] = who
    return expanded


def with_retired(authz: Mapping[Any, Any] | None, force: bool | None, shutdown: bool | None) -> dict[str, Any]:
    """``authz`` completed by the older ``allowForce`` and ``allowShutdown``."""
    expanded = expand_authz(authz)
    for allowed, commands in ((force, ("FORCE", "STOP")), (shutdown, ("SHUTDOWN",))):
        if allowed is not None:
            for command in commands:
                expanded.setdefault(command, bool(allowed))
    return expanded


def may(authz: Mapping[str, Any], command: str, users: Any, dangerous: bool) -> bool:
    """Whether somebody, known by these names, may give a command."""
    who = authz.get(command.upper())
    if who is None:
        who = authz.get("!", False) if dangerous else authz.get("", True)
    if isinstance(who, list | tuple | set | frozenset):
        return any(user in who for user in users)
    return bool(who)


def check_authz(kind: str, authz: Any) -> None:
    """Report what is wrong with an ``authz``."""
    if authz is None:
        return
    if not isinstance(authz, Mapping):
        error(f"{kind}: authz must be a dictionary from commands to True, False or a list of users, not {authz!r}")
        return
    for key, who in authz.items():
        words = key if isinstance(key, tuple | list) else [key]
        if not all(isinstance(word, str) for word in words):
            error(f"{kind}: authz: {key!r} is not a command nor a tuple of commands")
        if not isinstance(who, bool | list | tuple | set | frozenset) and who is not None:
            error(f"{kind}: authz of {key!r} must be True, False or a list of users, not {who!r}")
