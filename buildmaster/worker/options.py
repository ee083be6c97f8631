"""The arguments of a worker as the configuration gives them, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.locks import BaseLockId, LockAccess


def check_name(kind: str, name: Any) -> str:
    """A worker's name as text, mistakes reported."""
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    if not isinstance(name, str) or not name.strip():
        error(f"{kind}: the name must be a non-empty text, not {name!r}")
        return str(name)
    return name


def check_password(place: str, password: Any) -> None:
    """A password is a text or something that is rendered (a secret); None: nobody can log in as this worker."""
    if password is not None and not isinstance(password, str | bytes) and not IRenderable.providedBy(password):
        error(f"{place}: the password must be a text or a secret, not {password!r}")


def check_number(place: str, name: str, value: Any, least: float = 0) -> None:
    """A number that is not below ``least``; None is allowed."""
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or value < least:
        error(f"{place}: {name} must be a number of at least {least:g}, not {value!r}")


def check_properties(place: str, name: str, value: Any) -> None:
    """A dictionary with texts as keys; None is allowed."""
    if value is None:
        return
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        error(f"{place}: {name} must be a dictionary from property names to values, not {value!r}")


def addresses(place: str, value: Any) -> list[str]:
    """``notify_on_missing`` as a list of mail addresses, mistakes reported."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        error(f"{place}: notify_on_missing must be a mail address or a list of them, not {value!r}")
        return []
    found = list(value)
    for item in found:
        if not isinstance(item, str):
            error(f"{place}: notify_on_missing must hold mail addresses, not {item!r}")
    return [item for item in found if isinstance(item, str)]


def accesses(place: str, value: Any) -> list[LockAccess]:
    """``locks`` as a list of accesses, mistakes reported."""
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        error(f"{place}: locks must be a list of lock accesses, not {value!r}")
        return []
    found = []
    for item in value:
        if isinstance(item, BaseLockId):
            item = item.defaultAccess()
        if isinstance(item, LockAccess):
            found.append(item)
        else:
            error(f"{place}: locks must hold lock accesses (lock.access('counting')), not {item!r}")
    return found
