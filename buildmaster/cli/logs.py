"""Where a master's log goes: one file for Twisted's two logging systems and Python's own.

A tac file may bring an observer of its own (``application.setComponent(ILogObserver, …)``, as ``create-master``
writes it); else a daemon writes ``twistd.log`` and a foreground process its standard output, as twistd does.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twisted.application import service
from twisted.logger import Logger, LogLevel
from twisted.python import log as legacy
from twisted.python.logfile import LogFile

from buildmaster.properties import mask_secrets

DEFAULT_ROTATE_LENGTH = 10_000_000
DEFAULT_MAX_FILES = 10


class FromStandardLogging(logging.Handler):
    """Hands records of Python's ``logging`` (libraries and user code use it) to Twisted's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record under its logger's name, with its traceback if it has one."""
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        level = LogLevel.lookupByName(_LEVELS.get(record.levelno, "info"))
        Logger(namespace=record.name).emit(level, "[{log_namespace}] {text}", text=text)


_LEVELS = {logging.DEBUG: "debug", logging.WARNING: "warn", logging.ERROR: "error", logging.CRITICAL: "critical"}


class WithoutSecrets:
    """Hands events on to an observer, without the values of secrets that the application's masters have given out."""

    def __init__(self, observer: Callable[[dict[str, Any]], None], application: Any) -> None:
        self._observer = observer
        self._application = application

    def __call__(self, event: dict[str, Any]) -> None:
        """One event, as text if it holds a secret."""
        secrets = list(self._secrets())
        text = legacy.textFromEventDict(event) if secrets else None
        if text is None:
            self._observer(event)
            return
        shown = text
        for known in secrets:
            shown = mask_secrets(shown, known)
        self._observer(event if shown == text else _as_text(event, shown))

    def _secrets(self) -> Iterator[Mapping[str, str]]:
        for one in service.IServiceCollection(self._application, ()):
            secrets = getattr(getattr(one, "secrets_manager", None), "given", None)
            if secrets:
                yield secrets


def _as_text(event: dict[str, Any], text: str) -> dict[str, Any]:
    kept = {name: value for name, value in event.items() if name in _KEPT}
    return {**kept, "isError": 0, "message": (text,), "log_format": "{text}", "text": text}


_KEPT = ("time", "system", "log_level", "log_namespace", "log_system", "log_time")


def observer_of(application: Any) -> Callable[[dict[str, Any]], None] | None:
    """The log observer that a tac file has set; None if it has set none."""
    from twisted.logger import ILogObserver

    observer = application.getComponent(ILogObserver, None)
    return observer if observer is not None else application.getComponent(legacy.ILogObserver, None)


def start_logging(application: Any, log_file: Path, daemon: bool) -> WithoutSecrets:
    """Begin to log; from here on ``print`` of a daemon's code goes to the log too.  Returns the observer."""
    observer = observer_of(application)
    redirect = daemon
    if observer is None:
        observer = legacy.FileLogObserver(rotating_file(log_file) if daemon else sys.stdout).emit
    hiding = WithoutSecrets(observer, application)
    begin(hiding, redirect)
    root = logging.getLogger()
    if not any(isinstance(handler, FromStandardLogging) for handler in root.handlers):
        root.addHandler(FromStandardLogging())
        if root.level == logging.WARNING:  # nobody has chosen a level
            root.setLevel(logging.INFO)
            logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each of its own parts
    return hiding


def begin(observer: Callable[[dict[str, Any]], None], redirect: bool) -> None:
    """Send everything to an observer; ``redirect`` also takes standard output and standard error."""
    legacy.startLoggingWithObserver(observer, setStdout=1 if redirect else 0)


def rotating_file(
    path: Path, rotate_length: int = DEFAULT_ROTATE_LENGTH, kept: int | None = DEFAULT_MAX_FILES
) -> LogFile:
    """A log file that begins anew at ``rotate_length`` bytes and keeps ``kept`` old ones (None: all)."""
    return LogFile(path.name, str(path.parent), rotateLength=rotate_length, maxRotatedFiles=kept)
