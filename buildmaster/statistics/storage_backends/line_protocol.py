"""InfluxDB's line protocol: one point a line, ``series,tag=value field=value timestamp``.

Source: https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from buildmaster.base.times import toJson
from buildmaster.statistics.collecting import Value

_LINE_ENDS = re.compile(r"[\r\n]+")
_LONGEST = 2**63


def line(value: Value) -> str:
    """A value as a point; raises ValueError if it has no field that can be kept."""
    if not isinstance(value.post_data, Mapping):
        raise ValueError(f"{value.post_data!r} is not a dictionary of fields")
    fields = [
        f"{_name(name)}={written}" for name, one in value.post_data.items() if (written := field_value(one)) is not None
    ]
    if not fields:
        raise ValueError("it has no field with a value")
    tags = "".join(
        f",{_name(name)}={_name(one)}" for name, one in sorted((value.context or {}).items()) if str(one) != ""
    )
    return f"{measurement(value.series_name)}{tags} {','.join(fields)} {value.at}"


def measurement(name: str) -> str:
    """The name of a series, written so that it is one word."""
    return re.sub(r"[, ]", r"\\\g<0>", _plain(name))


def field_value(value: Any) -> str | None:
    """A value of a field; None for one that has none (None, not a number, infinite)."""
    if isinstance(value, Decimal):
        value = float(value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and -_LONGEST <= value < _LONGEST:
        return f"{value}i"
    if isinstance(value, int | float):
        return repr(float(value))
    text = value if isinstance(value, str) else json.dumps(value, default=_other, sort_keys=True)
    return '"' + re.sub(r'["\\]', r"\\\g<0>", text) + '"'


def _other(value: Any) -> Any:
    return toJson(value) if isinstance(value, datetime) else str(value)


def _name(name: Any) -> str:
    return re.sub(r"[,= ]", r"\\\g<0>", _plain(str(name)))


def _plain(text: str) -> str:
    """On one line, and without a backslash at its end, which would escape what follows."""
    text = _LINE_ENDS.sub(" ", text)
    return text + " " if text.endswith("\\") else text
