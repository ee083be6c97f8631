"""How what was run differs from what was expected, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildmaster.testing.expect import Expect

_MISSING = object()


def command_differences(expected: Expect, name: str, args: Mapping[str, Any]) -> list[str]:
    """What is different in a command; nothing if it is as expected."""
    if name != expected.remote_command:
        return [f"expected: {expected!r}", f"run:      {name} {shown(args)}"]
    lines: list[str] = []
    for path, wanted, got in _pairs(_filled(expected.args, expected.defaults), _filled(args, expected.defaults)):
        lines += [f"{path}", f"  expected: {_value(wanted)}", f"  run:      {_value(got)}"]
    return lines


def _filled(args: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {**defaults, **{name: value for name, value in args.items() if value is not None}}


def _pairs(expected: Mapping[str, Any], got: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name in [*expected, *(name for name in got if name not in expected)]:
        wanted, value = expected.get(name, _MISSING), got.get(name, _MISSING)
        if isinstance(wanted, Mapping) and isinstance(value, Mapping):
            yield from _pairs(wanted, value, f"{prefix}{name}.")
        elif wanted != value:
            yield f"{prefix}{name}", wanted, value


def _value(value: Any) -> str:
    return "(not given)" if value is _MISSING else repr(value)


def shown(args: Mapping[str, Any]) -> str:
    """The arguments that say something, short."""
    return "{" + ", ".join(f"{name!r}: {value!r}" for name, value in args.items() if value is not None) + "}"


def text_differences(expected: str, got: str) -> list[str]:
    """The two texts; nothing if they are the same but for the newline at the end, which is added to a last line."""
    if _ended(expected) == _ended(got):
        return []
    return [f"expected: {expected!r}", f"got:      {got!r}"]


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
