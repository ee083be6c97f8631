"""Small documented helpers for lists, sets and text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from buildmaster.base.strings import bytes2unicode


def naturalSort(array: Iterable[str]) -> list[str]:
    """Text in the order in which people count: ``w2`` before ``w10``."""

    def key(item: str) -> list[tuple[int, Any]]:
        return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", item)]

    return sorted(array, key=key)


def flattened_iterator(l: Any, types: Any = (list, tuple)) -> Iterator[Any]:  # noqa: E741  documented name
    """The items of a nested list one by one; ``types`` are the types that are opened."""
    if not isinstance(l, types):
        yield l
        return
    for item in l:
        yield from flattened_iterator(item, types)


def flatten(l: Any, types: Any = (list,)) -> list[Any]:  # noqa: E741  documented name
    """The items of a nested list as one list."""
    return list(flattened_iterator(l, types))


def makeList(input: Any) -> list[Any]:
    """A list: of one item for text, of none for None, a copy for anything that has items."""
    if isinstance(input, str):
        return [input]
    return [] if input is None else list(input)


def join_list(maybeList: Any) -> Any:
    """The items of a list as text with spaces between; anything else as text."""
    if isinstance(maybeList, list | tuple):
        return " ".join(bytes2unicode(item) for item in maybeList)
    return bytes2unicode(maybeList)


def diffSets(old: Iterable[Any], new: Iterable[Any]) -> tuple[set[Any], set[Any]]:
    """What is only in the old and what is only in the new, as (removed, added)."""
    before, after = set(old), set(new)
    return before - after, after - before


def dictionary_merge(a: Mapping[Any, Any], b: Mapping[Any, Any]) -> dict[Any, Any]:
    """A dictionary of both; the second wins."""
    return {**a, **b}


def none_or_str(x: Any) -> str | None:
    """The text of anything but None."""
    return x if x is None or isinstance(x, str) else str(x)


_TRUTH = {
    **dict.fromkeys((b"on", b"true", b"yes", b"1"), True),
    **dict.fromkeys((b"off", b"false", b"no", b"0"), False),
}


def string2boolean(str: Any) -> bool:
    """Whether a text says yes: ``on``, ``true``, ``yes``, ``1``; raises KeyError for what is neither that nor no."""
    raw = str.encode() if hasattr(str, "encode") else str
    return _TRUTH[raw.strip().lower()]


def rewrap(text: str, width: int | None = None) -> str:
    """Text whose paragraphs are filled to ``width`` (72) characters; indented lines are taken back to the margin."""
    lines = textwrap.dedent(text).split("\n")
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line.strip())
        else:
            paragraphs.append([])
    filled = [textwrap.fill(" ".join(one), width=width or 72) for one in paragraphs]
    return "\n".join(filled)


def command_to_string(command: Any) -> str | None:
    """A command in a few words, for state strings: its first words; None if there are none."""
    if not command:
        return None
    if isinstance(command, str | bytes):
        words = bytes2unicode(command, errors="replace").split()
    elif isinstance(command, list | tuple):
        words = [bytes2unicode(word, errors="replace") for word in flatten(command, (list, tuple))]
        words = [word for word in words if word]
    else:
        return None
    if not words:
        return None
    shown = " ".join(words[:2])
    return f"{shown} ..." if len(words) > 2 else shown


def chunkify_list(l: list[Any], chunk_size: int) -> Iterator[list[Any]]:  # noqa: E741  documented name
    """A list in pieces of at most ``chunk_size`` items."""
    size = max(int(chunk_size), 1)
    return (l[begin : begin + size] for begin in range(0, len(l), size))
