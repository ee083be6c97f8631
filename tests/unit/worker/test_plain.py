"""Command arguments as the wires carry them."""

from __future__ import annotations

import collections
import enum
from pathlib import Path
from typing import Any

import pytest

from buildmaster.worker.protocols.plain import plain


class Text(str):
    """A text of a subclass."""


class Number(enum.IntEnum):
    ONE = 1


def never(value: Any) -> bool:
    return False


def test_simple_values_stay() -> None:
    value = {"a": [1, 2.5, None, True, b"x", ("obfuscated", "real", "shown")]}
    assert plain("a", value, never) == value


def test_subclasses_become_the_simple_types() -> None:
    made = plain("a", collections.OrderedDict({Text("k"): [Text("v"), Number.ONE, Path("/x")]}), never)
    assert made == {"k": ["v", 1, "/x"]}
    assert [type(item) for item in made["k"]] == [str, int, str]
    assert type(made) is dict


def test_what_passes_is_not_touched() -> None:
    reference = object()
    assert plain("writer", reference, lambda value: value is reference) is reference


def test_anything_else_is_an_error_that_names_the_argument() -> None:
    with pytest.raises(TypeError, match="argument 'env' of a command holds a object"):
        plain("env", {"A": [object()]}, never)
