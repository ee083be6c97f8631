"""What a page is: how its data is loaded, which template shows it, and which events change it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from buildmaster.www.pages.visit import Visit

Context = dict[str, Any]
Filters = Sequence[tuple["str | None", ...]]


def _watch_nothing(context: Mapping[str, Any]) -> Filters:
    return ()


@attrs.frozen
class Page:
    """One kind of page."""

    #: path pattern; ``{name}`` matches one word
    pattern: str
    template: str
    #: reads what the template shows
    load: Callable[..., Awaitable[Context]]
    #: the events after which the page has to be loaded again; none for a page that does not change
    watch: Callable[[Context], Filters] = _watch_nothing
    #: whether styles and scripts may stand in its HTML
    has_own_code: bool = False


@attrs.frozen
class Action:
    """What a form of a page does: POST to ``pattern``; the answer is where to go next."""

    pattern: str
    run: Callable[..., Awaitable[str]]


class Routes:
    """Finds the page or action of a path."""

    def __init__(self, entries: Sequence[Any]) -> None:
        self._entries = [(_compile(entry.pattern), entry) for entry in entries]

    def find(self, path: Sequence[str]) -> tuple[Any, dict[str, str]] | None:
        """The entry and the variable words of the path."""
        joined = "/".join(word.replace("/", "\0") for word in path)
        for pattern, entry in self._entries:
            match = pattern.fullmatch(joined)
            if match is not None:
                return entry, {name: value.replace("\0", "/") for name, value in match.groupdict().items()}
        return None


def _compile(pattern: str) -> re.Pattern[str]:
    words = re.split(r"\{(\w+)\}", pattern)
    parts = (f"(?P<{word}>[^/]+)" if n % 2 else re.escape(word) for n, word in enumerate(words))
    return re.compile("".join(parts))


class Invalid(Exception):
    """A form was filled in wrongly: show its page again, with these messages by field and what had been entered."""

    def __init__(self, page: str, errors: Mapping[str, str], entered: Mapping[str, Any], form: str) -> None:
        super().__init__(str(errors))
        self.page = page
        self.errors = dict(errors)
        self.entered = dict(entered)
        self.form = form


__all__ = ["Action", "Context", "Filters", "Invalid", "Page", "Routes", "Visit"]
