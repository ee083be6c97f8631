"""The values that the captures of one storage make of one event.

A capture is called with the event and hands its values to the collection that is being made: so one capture may stand
in the lists of several storages, and nothing is sent before all captures were asked.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

_current: contextvars.ContextVar[Collection | None] = contextvars.ContextVar("statistics", default=None)


@attrs.frozen
class Value:
    """What is kept of one event in one series."""

    post_data: Any
    """The fields, name → value."""
    series_name: str
    context: Mapping[str, Any] | None = None
    """What tells this point from others of the series: builder and build."""
    at: int = 0
    """Nanoseconds since the epoch; no two events have the same."""


class Collection:
    """The values made of one event, and what captures have looked up for it."""

    def __init__(self, at: int) -> None:
        self.values: list[Value] = []
        self._at = at
        self._known: dict[tuple[Any, ...], Any] = {}

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """What captures make inside of the ``with`` block goes here."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def add(self, post_data: Any, series_name: str, context: Mapping[str, Any] | None) -> None:
        """A value was made."""
        self.values.append(Value(post_data, series_name, context, self._at))

    async def get(self, data: Any, path: tuple[Any, ...]) -> Any:
        """What the data API says, asked once for all captures."""
        if path not in self._known:
            self._known[path] = await data.get(path)
        return self._known[path]


def current() -> Collection:
    """The collection that is being made; raises RuntimeError outside of one."""
    collection = _current.get()
    if collection is None:
        raise RuntimeError("captures are called by a StatsService, with an event of which values are being collected")
    return collection
