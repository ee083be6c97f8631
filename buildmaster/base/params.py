"""Checks of single arguments, for ``checkConfig`` and constructors: each reports a mistake and returns a usable value.

The documented functions of ``config.checks``.  ``class_inst`` is the class whose argument it is and ``name`` the
argument; on a mistake the value returned is an empty one of the right type, so that loading can go on.
"""

from __future__ import annotations

from typing import Any

from buildmaster.base.errors import error
from buildmaster.base.showing import show


def check_param_type(
    value: Any, default_value: Any, class_inst: type, name: str, types: tuple[type, ...], types_msg: str
) -> Any:
    """``value`` if it is of one of ``types``; else report that it must be ``types_msg``, and ``default_value``."""
    if isinstance(value, types):
        return value
    error(f"{class_inst.__name__} argument {name} must be an instance of {types_msg}, not {show(value)}")
    return default_value


def check_param_bool(value: Any, class_inst: type, name: str) -> bool:
    """A truth value."""
    return bool(check_param_type(value, False, class_inst, name, (bool,), "bool"))


def check_param_str(value: Any, class_inst: type, name: str) -> str:
    """Text."""
    return str(check_param_type(value, "(unknown)", class_inst, name, (str,), "str"))


def check_param_str_none(value: Any, class_inst: type, name: str) -> str | None:
    """Text or None."""
    checked: str | None = check_param_type(value, None, class_inst, name, (str, type(None)), "str or None")
    return checked


def check_param_int(value: Any, class_inst: type, name: str) -> int:
    """A whole number."""
    checked: int = check_param_type(value, 0, class_inst, name, (int,), "int")
    return checked


def check_param_int_none(value: Any, class_inst: type, name: str) -> int | None:
    """A whole number or None."""
    checked: int | None = check_param_type(value, None, class_inst, name, (int, type(None)), "int or None")
    return checked


def check_param_number_none(value: Any, class_inst: type, name: str) -> float | None:
    """A number or None."""
    kinds = (int, float, type(None))
    checked: float | None = check_param_type(value, None, class_inst, name, kinds, "int or float or None")
    return checked


def check_param_length(value: Any, name: str, max_length: int) -> None:
    """Text of at most ``max_length`` characters; ``name`` says what it is.  A renderable is let pass."""
    if isinstance(value, str) and len(value) > max_length:
        error(f"{name} {show(value)} exceeds maximum length of {max_length}: it has {len(value)} characters")


def check_markdown_support(class_inst: type) -> bool:
    """Whether Markdown can be turned into HTML here; it always can."""
    return True
