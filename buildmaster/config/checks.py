"""Documented address; the functions live in :mod:`buildmaster.base.params`."""

from buildmaster.base.params import (
    check_markdown_support,
    check_param_bool,
    check_param_int,
    check_param_int_none,
    check_param_length,
    check_param_number_none,
    check_param_str,
    check_param_str_none,
    check_param_type,
)

__all__ = [
    "check_markdown_support",
    "check_param_bool",
    "check_param_int",
    "check_param_int_none",
    "check_param_length",
    "check_param_number_none",
    "check_param_str",
    "check_param_str_none",
    "check_param_type",
]
