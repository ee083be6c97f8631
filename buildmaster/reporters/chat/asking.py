"""What people may type to a bot beside the command itself: the options of ``force build``."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.python import usage


class UsageError(ValueError):
    """What was typed can't be understood; the text is for the one who typed it."""

    def __init__(self, string: str = "Invalid usage", *more: Any) -> None:
        super().__init__(string, *more)


class ForceOptions(usage.Options):
    """``force build``: options, the builder, and the reason."""

    optParameters: ClassVar[list[Any]] = [
        ["builder", None, None, "which Builder to start"],
        ["codebase", None, "", "which codebase to build"],
        ["branch", None, None, "which branch to build"],
        ["revision", None, None, "which revision to build"],
        ["project", None, "", "which project to build"],
        ["reason", None, None, "the reason for starting the build"],
        ["props", None, None, "A set of properties made available in the build environment, format is --props=a=1,b=2"],
    ]

    def parseArgs(self, *args: str) -> None:
        """The first word is the builder unless that was given as an option, the others are the reason."""
        words = list(args)
        if words and self["builder"] is None:
            self["builder"] = words.pop(0)
        if words and self["reason"] is None:
            self["reason"] = " ".join(words)


def parse_force(words: list[str]) -> ForceOptions:
    """The options; raises :class:`UsageError`."""
    options = ForceOptions()
    given = [word for word in words if word.startswith("--") and "=" in word]  # they may stand anywhere
    try:
        options.parseOptions([*given, *(word for word in words if word not in given)])
    except usage.UsageError as e:
        raise UsageError(str(e)) from None
    return options


def parse_properties(text: str | None) -> dict[str, str]:
    """``a=1,b=2`` as a dictionary; raises :class:`UsageError`."""
    found = {}
    for part in text.split(",") if text else ():
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise UsageError(f"{part!r} in --props is not of the form name=value")
        found[name] = value
    return found
