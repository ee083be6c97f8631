"""The older spelling of what a report needs to know of builds: ``wantProperties`` for ``want_properties``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OLDER = {
    "wantProperties": "want_properties",
    "wantSteps": "want_steps",
    "wantPreviousBuild": "want_previous_build",
    "wantLogs": "want_logs",
}
"""Argument as Buildbot had it until 2.10 → argument."""


def today(function: str, older: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """The arguments in ``given``, with those in the older spelling put in.

    ``wantLogs`` had logs come with their content.  Raises TypeError for a name that is none of both.
    """
    for name, value in older.items():
        if OLDER.get(name) not in given:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
        given[OLDER[name]] = value
        if name == "wantLogs" and value:
            given["want_logs_content"] = given.get("want_logs_content") or True
    return given
