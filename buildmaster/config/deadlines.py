"""``c['deadlines']``: how long the master waits for callbacks and workers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from buildmaster.base.deadlines import Deadlines
from buildmaster.base.errors import error
from buildmaster.base.showing import show
from buildmaster.config.settings import dictionary

NAMES = tuple(field.name for field in attrs.fields(Deadlines))


def deadlines(config_dict: Mapping[str, Any]) -> Deadlines:
    """The configured deadlines, the others as usual."""
    given: dict[str, float] = {}
    for name, seconds in dictionary(config_dict, "deadlines").items():
        if name not in NAMES:
            error(f"c['deadlines'] has no {show(name)}; it has {', '.join(NAMES)}")
        elif not _is_time(seconds):
            error(f"c['deadlines']['{name}'] must be a number of seconds above 0, not {show(seconds)}")
        else:
            given[name] = float(seconds)
    return Deadlines(**given)


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
