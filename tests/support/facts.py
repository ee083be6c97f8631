"""The tables of documented names (``tests/contract/data``), and the list of those that are still owed."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from pathlib import Path
from typing import Any

from attrs import frozen

DATA = Path(__file__).parents[1] / "contract" / "data"
OWED = DATA / "owed.txt"
INTERNAL = DATA / "internal.txt"

OPAQUE = object()
"""A default that the table can't show: any default will do."""


@frozen
class PluginFact:
    """A row of ``plugins.tsv``.

    ``parameters`` holds pairs of name and the default's text, None where there is no default.
    """

    namespace: str
    name: str
    kind: str
    import_path: str
    base: str
    parameters: tuple[tuple[str, str | None], ...]
    renderables: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}.{self.name}"

    @property
    def value(self) -> str:
        """For a constant: its text."""
        return self.parameters[0][0]


@frozen
class MemberFact:
    """A row of ``framework.tsv``: a class (``member`` is empty), a member of one, or a function or constant."""

    module: str
    cls: str
    member: str
    kind: str
    signature: str

    @property
    def full_name(self) -> str:
        """The address with dots."""
        return ".".join(part for part in (self.module, self.cls, self.member) if part)


def rows(file: str) -> list[list[str]]:
    """The rows of a table below its heading."""
    lines = (DATA / file).read_text(encoding="utf-8").splitlines()[1:]
    return [line.split("\t") for line in lines]


def plugin_facts() -> list[PluginFact]:
    """All rows of ``plugins.tsv``."""
    return [PluginFact(*row[:5], parameters(row[5]), tuple(re.findall(r"\w+", row[6]))) for row in rows("plugins.tsv")]


def member_facts() -> list[MemberFact]:
    """All rows of ``framework.tsv``."""
    return [MemberFact(*row) for row in rows("framework.tsv")]


def parameters(text: str) -> tuple[tuple[str, str | None], ...]:
    """The parameters of a row: ``a, b=1, c=(2, 3)`` in pairs."""
    pairs = []
    for part in split_outside_brackets(text):
        name, equals, default = part.strip().partition("=")
        pairs.append((name, default if equals else None))
    return tuple(pairs)


def split_outside_brackets(text: str) -> list[str]:
    """Cut at commas that lie in no brackets and no quotes; a text cut off in the table ends its quotes with it."""
    parts, depth, quote, start = [], 0, "", 0
    for position, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote or text.startswith(CUT_OFF, position + 1) else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part for part in [*parts, text[start:]] if part.strip()]


CUT_OFF = ", builderNames"
"""What follows the one default that the table cuts off within its quotes."""


def default_of(text: str) -> Any:
    """The value that a default's text stands for; :data:`OPAQUE` for an object without a readable form."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return OPAQUE


@functools.cache
def listed(file: Path) -> frozenset[str]:
    """The names in a list with a name a line; what follows ``#`` is a remark."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if (name := line.partition("#")[0].strip()))


def resolve(address: str, package: str) -> Any:
    """The object at a documented address ``buildbot.…``, reached as ``package…``; raises LookupError."""
    parts = address.split(".")
    parts[0] = package
    module, rest = import_longest(parts)
    found: Any = module
    for name in rest:
        try:
            found = getattr(found, name)
        except AttributeError:
            raise LookupError(f"{'.'.join(parts)}: {found!r} has no {name}") from None
    return found


def import_longest(parts: list[str]) -> tuple[Any, list[str]]:
    """The module at the longest head of an address that is one, and what remains."""
    for length in range(len(parts), 0, -1):
        head = ".".join(parts[:length])
        try:
            return importlib.import_module(head), parts[length:]
        except ModuleNotFoundError as missing:
            if missing.name is None or not f"{head}.".startswith(f"{missing.name}."):
                raise
    raise LookupError(f"no module {parts[0]}")
