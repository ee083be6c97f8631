"""How a configuration's mistakes are told: all at once, each with its place and its mend."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterable, Iterator


class ConfigErrors(Exception):
    """One or more mistakes in a configuration.

    ``errors`` is a list of messages, ready to be shown to the user, in the order in which they were found.
    """

    def __init__(self, errors: Iterable[str] | None = None) -> None:
        self.errors: list[str] = list(errors or [])
        super().__init__(self.errors)

    def addError(self, msg: str) -> None:
        """Add one message."""
        self.errors.append(msg)

    def merge(self, errors: ConfigErrors) -> None:
        """Add all of another one's messages."""
        self.errors.extend(errors.errors)

    def __bool__(self) -> bool:
        return bool(self.errors)

    def __str__(self) -> str:
        return "\n".join(self.errors)


class PluginDBError(Exception):
    """A plugin is missing, broken, or claimed by several packages."""


class CaptureCallbackError(Exception):
    """A callback of a statistics capture raised."""


_collecting: contextvars.ContextVar[ConfigErrors | None] = contextvars.ContextVar("config_errors", default=None)


def error(error: str, always_raise: bool = False) -> None:
    """Report a mistake in the configuration.

    While a configuration is being loaded the message is kept and loading goes on, so that all mistakes are
    reported together; at any other time, or with ``always_raise``, raises :class:`ConfigErrors` at once.
    """
    collected = _collecting.get()
    if collected is None or always_raise:
        raise ConfigErrors([error])
    collected.addError(error)


@contextlib.contextmanager
def capture_config_errors(raise_on_error: bool = False, into: ConfigErrors | None = None) -> Iterator[ConfigErrors]:
    """Collect what :func:`error` reports inside the ``with`` block.

    Yields the :class:`ConfigErrors` that is being filled (``into``, or a new one).  With ``raise_on_error`` it is
    raised at the end of the block if there is anything in it.
    """
    collected = ConfigErrors() if into is None else into
    token = _collecting.set(collected)
    try:
        yield collected
    finally:
        _collecting.reset(token)
    if raise_on_error and collected:
        raise collected
