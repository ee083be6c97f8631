"""Hiding secrets in text, also where a secret is split between two pieces.

What is looked for are the value itself and the forms in which programs commonly show it (:func:`forms_of`).  No
character that belongs to a secret is let through: where two secrets overlap, both are hidden whole.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MIN_LINE = 8
"""A line of a secret of several lines is hidden by itself if it has this many characters."""

MIN_BASE64 = 8
"""Values of this many bytes are recognised in base64, also inside of a longer encoded text."""

Write = Callable[[str], str]
"""How a name is written in a text: as it is, or escaped."""

_LINE_ENDS = re.compile("\r+\n?|\x08+")  # as Newlines in process/log_lines.py makes them
_HIDDEN = ("<hidden>", "<***>")


def forms_of(value: str) -> set[str]:
    """The texts in which a value is recognised.

    Itself, without surrounding white space, its longer lines, and as Python, JSON, a shell, a URL, HTML and base64
    write it.
    """
    in_log = _LINE_ENDS.sub("\n", value)
    texts = {value, value.strip(), in_log, in_log.strip()}
    forms = set(texts)
    if "\n" in in_log.strip():
        forms.update(line for line in map(str.strip, in_log.split("\n")) if len(line) >= MIN_LINE)
    for text in texts:
        forms.update(write(text) for write in _WRITINGS)
    for data in {text.encode("utf-8", "replace") for text in texts}:
        if len(data) >= MIN_BASE64:
            forms.update(_in_base64(data))
    return {form for form in forms if form.strip()} if value.strip() else set()


_WRITINGS: tuple[Callable[[str], str], ...] = (
    lambda text: repr(text)[1:-1],
    lambda text: ascii(text)[1:-1],
    lambda text: repr(text + "'\"")[1:-4],  # in a text with both quotes
    lambda text: repr(text.encode("utf-8", "replace"))[2:-1],
    lambda text: repr(text.encode("utf-8", "replace") + b"'\"")[2:-4],
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: shlex.quote(text).removeprefix("'").removesuffix("'"),
    lambda text: quote(text, errors="replace"),
    lambda text: quote(text, safe="", errors="replace"),
    lambda text: quote_plus(text, errors="replace"),
    lambda text: html.escape(text),
    lambda text: html.escape(text, quote=False),
    lambda text: html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),  # as Jinja2 writes it
)


def _in_base64(data: bytes) -> Iterator[str]:
    """What is the same in the base64 of any text that contains ``data``: one form for each place in a group of three.

    Between ``user:`` and the end of a line, say, as HTTP's basic authentication sends it.
    """
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode("ascii").rstrip("=")
        first = (before * 8 + 5) // 6
        last = (before + len(data)) * 8 // 6
        yield encoded[first:last]
        yield encoded[first:last].replace("+", "-").replace("/", "_")


class Masks:
    """Finds a fixed set of secrets in text.  ``secrets`` maps value → name."""

    def __init__(self, secrets: Mapping[str, str], forms_of: Callable[[str], set[str]] = forms_of) -> None:
        self._names: dict[str, str] = {}
        for value in sorted(secrets, key=len, reverse=True):
            for form in forms_of(value):
                self._names.setdefault(form, secrets[value])
        self._forms = sorted(self._names, key=len, reverse=True)
        self._masks = {name: _mask_for(name, self._forms) for name in set(self._names.values())}
        self._multiple = [form for form in self._forms if len(form) > 1]

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(_longest_of(self._forms) or "(?!)")

    def text(self, text: str, write: Write = str) -> str:
        """``text`` with each secret replaced by its name in angle brackets, written by ``write``."""
        return self.until(text, 0, len(text), write)[0]

    def until(self, text: str, covered: int, cut: int, write: Write = str) -> tuple[str, int]:
        """``text[:cut]`` masked, where the first ``covered`` characters belong to a secret already shown as its name.

        Returns it with the number of characters after ``cut`` that belong to a secret that begins before.
        """
        if not covered and not self.hides_any(text):  # faster than the pattern
            return text[:cut], 0
        shown: list[str] = []
        end = covered
        found = self._pattern.search(text)
        while found is not None and found.start() < cut:
            if found.start() >= end:
                shown += (text[end : found.start()], write(self._masks[self._names[found.group()]]))
            end = max(end, found.end())
            found = self._pattern.search(text, found.start() + 1)
        if end < cut:
            shown.append(text[end:cut])
        return "".join(shown), max(0, end - cut)

    def begun(self, text: str) -> int:
        """Where in ``text`` the first secret begins of which the rest may follow; its length if none does."""
        first = len(text)
        for form in self._multiple:
            at = text.find(form[0], max(0, len(text) - len(form) + 1))
            while 0 <= at < first:
                if form.startswith(text[at:]):
                    first = at
                at = text.find(form[0], at + 1)
        return first

    def value(self, value: Any) -> Any:
        """The same for text and bytes anywhere in a value made of lists, tuples and dictionaries."""
        return _mapped(value, self.text)

    def hides_any(self, text: str) -> bool:
        """Whether there is a secret in this text."""
        return any(form in text for form in self._forms)

    def names_in(self, value: Any) -> list[str]:
        """The names of the secrets that are in a value, which may be nested; sorted."""
        found: set[str] = set()

        def look(text: str) -> str:
            found.update(self._names[form] for form in self._forms if form in text)
            return text

        _mapped(value, look)
        return sorted(found)


def _mapped(value: Any, function: Callable[[str], str]) -> Any:
    """A value with a function applied to all text in it."""
    if isinstance(value, str):
        return function(value)
    if isinstance(value, bytes):
        return function(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if isinstance(value, list):
        return [_mapped(item, function) for item in value]
    if isinstance(value, tuple):
        items = (_mapped(item, function) for item in value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, dict):
        return {_mapped(key, function): _mapped(item, function) for key, item in value.items()}
    return value


def _longest_of(forms: Collection[str]) -> str:
    """A pattern that matches the longest of these texts that is at a place."""
    groups: dict[str, list[str]] = {}
    for form in forms:
        groups.setdefault(form[:1], []).append(form)
    optional = groups.pop("", None) is not None
    alternatives = []
    for group in groups.values():
        shared = os.path.commonprefix(group)  # noqa: RUF071  of characters is what is wanted
        rest = _longest_of({form[len(shared) :] for form in group}) if len(group) > 1 else ""
        alternatives.append(re.escape(shared) + rest)
    pattern = "|".join(alternatives)
    return f"(?:{pattern}){'?' if optional else ''}" if optional or len(alternatives) > 1 else pattern


def _mask_for(name: str, forms: list[str]) -> str:
    """The name in angle brackets, unless that would tell a secret."""
    masks = (f"<{name}>", *_HIDDEN)
    return next((mask for mask in masks if not any(form in mask for form in forms)), masks[-1])


class Secrets(dict[str, str]):
    """Secret values that are in use → names.

    Values of fewer than ``shortest`` characters are not taken.  Of more than ``most`` values those are forgotten that
    were not used for the longest time; None: of any number none.
    """

    def __init__(self, known: Mapping[str, str] | None = None, shortest: int = 1, most: int | None = None) -> None:
        super().__init__(known or {})
        self._shortest, self._most = shortest, most
        self._version = 0
        self._made: tuple[int, Masks | None] = (-1, None)
        self._known_forms: dict[str, set[str]] = {}

    @property
    def masks(self) -> Masks:
        """What finds them.  May be asked for in any thread."""
        version, masks = self._made
        if masks is None or version != self._version:
            version, now, old = self._version, dict(self), self._known_forms
            forms = {value: old[value] if value in old else forms_of(value) for value in now}
            masks = Masks(now, forms.__getitem__)
            self._known_forms, self._made = forms, (version, masks)
        return masks

    def use(self, value: Any, name: str) -> None:
        """Hide this value from now on: a text, or anything that contains texts."""
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            if len(value.strip()) >= self._shortest:
                self._take(value, name)
        elif isinstance(value, Mapping):
            for part in value.values():
                self.use(part, name)
        elif isinstance(value, list | tuple):
            for part in value:
                self.use(part, name)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.use(str(value), name)

    def _take(self, value: str, name: str) -> None:
        known = self.pop(value, None)
        self[value] = known or name
        if known is None:
            if self._most is not None and len(self) > self._most:
                del self[next(iter(self))]
            self._version += 1

    def __reduce__(self) -> Any:
        return (Secrets, (dict(self), self._shortest, self._most))


def mask_secrets(text: str, secrets: Mapping[str, str], write: Write = str) -> str:
    """``text`` with each secret replaced by its name in angle brackets.

    ``secrets`` maps value → name; ``write`` is applied to what stands in its place.
    """
    return masks_of(secrets).text(text, write) if secrets else text


def masks_of(secrets: Mapping[str, str]) -> Masks:
    """What finds these secrets (value → name)."""
    return secrets.masks if isinstance(secrets, Secrets) else Masks(secrets)


class MaskedText:
    """Masks a stream of text piece by piece.

    The end of a piece that might be the beginning of a secret is held back until the next piece, or :meth:`flush`,
    tells.  However the text is cut, what comes out is what :func:`mask_secrets` makes of the whole.
    """

    def __init__(self, secrets: Mapping[str, str], write: Write = str) -> None:
        self._secrets = secrets
        self._write = write
        self._masks: Masks | None = None
        self._size = -1
        self._held = ""
        self._covered = 0  # so much of what is held belongs to a secret whose name was shown

    def feed(self, text: str) -> str:
        """The next piece, masked, without what must be held back."""
        if not self._secrets:
            return text
        if isinstance(self._secrets, Secrets):
            self._masks = self._secrets.masks
        elif self._masks is None or self._size != len(self._secrets):
            self._masks, self._size = Masks(self._secrets), len(self._secrets)
        text = self._held + text
        return self._until(text, self._masks.begun(text))

    def flush(self) -> str:
        """What was held back."""
        return self._until(self._held, len(self._held)) if self._held else ""

    def _until(self, text: str, cut: int) -> str:
        assert self._masks is not None
        shown, self._covered = self._masks.until(text, self._covered, cut, self._write)
        self._held = text[cut:]
        return shown
