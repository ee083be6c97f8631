"""What a master tells its user: that it runs, why it does not, what a new configuration changed."""

from __future__ import annotations

import errno
import os
import re
from typing import Any

from twisted.internet.error import CannotListenError

from buildmaster.base.dirlock import DirectoryLocked
from buildmaster.base.errors import ConfigErrors
from buildmaster.db.dialects import DatabaseUrlError
from buildmaster.db.migrate import SchemaError
from buildmaster.service import ReconfigFailed

COMPARED = (
    ("builder", "builders"),
    ("worker", "workers"),
    ("scheduler", "schedulers"),
    ("change source", "change_sources"),
    ("service", "services"),
)
SHOWN = 10


class StartFailed(Exception):
    """The master cannot run; ``lines`` tell why and what mends it."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


def explain(error: BaseException) -> list[str]:
    """Why a start or a reconfiguration failed, as lines for the user."""
    if isinstance(error, StartFailed):
        return error.lines
    if isinstance(error, ConfigErrors):
        return ["The configuration has errors:", *("  " + message.replace("\n", "\n    ") for message in error.errors)]
    if isinstance(error, ReconfigFailed):
        return ["Not everything could begin:", *(f"  {f.kind} {f.name!r}: {f.cause}" for f in error.failures)]
    if isinstance(error, (DirectoryLocked, SchemaError, DatabaseUrlError)):
        return [str(error)]
    if isinstance(error, CannotListenError):
        return [_cannot_listen(error)]
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC):
        return [f"{error.filename or 'a file'}: {error.strerror}. {_OS_MENDS[error.errno]}"]
    return [f"{type(error).__name__}: {error}", "twistd.log has the traceback"]


_OS_MENDS = {
    errno.EACCES: "Let the master's user own its directory and all that is in it",
    errno.EPERM: "Let the master's user own its directory and all that is in it",
    errno.EROFS: "A master writes to its directory: put it on a file system that can be written to",
    errno.ENOSPC: "Make room and start again",
}


def _cannot_listen(error: CannotListenError) -> str:
    cause = error.socketError
    reason = os.strerror(cause.errno) if getattr(cause, "errno", None) else str(cause)
    if getattr(cause, "errno", None) == errno.EADDRINUSE:
        reason = "another program listens there already: stop it, or configure another port"
    elif getattr(cause, "errno", None) == errno.EACCES:
        reason = "this user may not use that port: configure one from 1024 on"
    return f"cannot listen on port {error.port} of {error.interface or 'any address'}: {reason}"


def hide_password(url: Any) -> str:
    """A database URL fit to be shown."""
    return re.sub(r"(://[^:/@]+):[^@]*@", r"\1:***@", str(url))


def explain_database(error: BaseException, url: str) -> list[str]:
    """Why the database could not be opened."""
    if isinstance(error, (SchemaError, DatabaseUrlError)):
        return [str(error)]
    cause = getattr(error, "orig", None) or error
    text = str(cause).strip() or type(cause).__name__
    return [f"The database {url} cannot be used: {text}", _database_mend(text)]


def _database_mend(text: str) -> str:
    lower = text.lower()
    if "locked" in lower:
        return "Another process has it open and holds a lock. End that process, or wait for it, and start again"
    if "readonly" in lower or "read-only" in lower or "unable to open" in lower or "permission" in lower:
        return "Let the master's user own the file and its directory, on a file system that can be written to"
    if "full" in lower:
        return "Make room and start again"
    return "See that its server runs and that c['db'] has the right address, user and password, and start again"


def changed_names(old: Any, new: Any) -> list[str]:
    """What a new configuration adds and removes, as lines."""
    lines = []
    for noun, attribute in COMPARED:
        before, after = _names(old, attribute), _names(new, attribute)
        for verb, names in (("added", after - before), ("removed", before - after)):
            if names:
                lines.append(f"  {verb} {noun}{'s' if len(names) > 1 else ''}: {_listed(names)}")
    return lines


def _names(config: Any, attribute: str) -> set[str]:
    value = getattr(config, attribute, None) or []
    names = value if isinstance(value, dict) else [getattr(one, "name", None) for one in value]
    return {str(name) for name in names if name}


def _listed(names: set[str]) -> str:
    first = sorted(names)[:SHOWN]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
