"""Arguments of a REST request as a result specification.

``field``, ``order``, ``limit``, ``offset`` and ``property`` have a meaning of their own; every other argument is a
filter, ``name`` or ``name__operator``, whose values are read by the field's type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.data.exceptions import InvalidQueryParameter
from buildmaster.data.resultspec import Filter, Property, ResultSpec
from buildmaster.data.types import Entity, List, NoneOk

_FOR_LISTS = frozenset({"contains"})


def to_resultspec(req_args: Mapping[Any, Sequence[Any]], entity: Entity, is_collection: bool) -> ResultSpec:
    """The specification; raises :class:`~.exceptions.InvalidQueryParameter`."""
    found: dict[str, Any] = {"filters": [], "properties": []}
    for raw_name, raw_values in req_args.items():
        name, values = _text(raw_name), [_text(value) for value in raw_values]
        if name == "field":
            found["fields"] = [_known(entity, value) for value in values]
        elif name == "property":
            found["properties"].append(Property("properties", "eq", values))
        elif not is_collection:
            raise InvalidQueryParameter(f"unrecognized query parameter '{name}'")
        elif name == "order":
            found["order"] = [_known(entity, value) for value in values]
        elif name in ("limit", "offset"):
            found[name] = _count(name, values)
        else:
            found["filters"].append(_filter(entity, name, values))
    return ResultSpec(**found)


def _text(value: Any) -> str:
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise InvalidQueryParameter("a query parameter is not UTF-8 text") from None


def _known(entity: Entity, name: str) -> str:
    if name.removeprefix("-") not in entity.fields:
        raise InvalidQueryParameter(f"no such field '{name}'")
    return name


def _count(name: str, values: Sequence[str]) -> int:
    try:
        number = int(values[0])
    except ValueError:
        number = -1
    if number < 0 or len(values) != 1 or number >= 2**62:
        raise InvalidQueryParameter(f"invalid {name} '{values[0]}': give one number from 0")
    return number


def _filter(entity: Entity, argument: str, values: Sequence[str]) -> Filter:
    name, _, op = argument.partition("__")
    field = entity.fields.get(argument)
    if field is not None:
        name, op = argument, ""
    else:
        field = entity.fields.get(name)
    op = op or "eq"
    if field is None or op not in Filter.singular_operators:
        raise InvalidQueryParameter(f"unrecognized query parameter '{argument}'")
    inner = field.nestedType if isinstance(field, NoneOk) else field
    if op in _FOR_LISTS and isinstance(inner, List):
        field = inner.of
    try:
        return Filter(name, op, [field.valueFromString(value) for value in values])
    except (ValueError, TypeError, OverflowError):
        raise InvalidQueryParameter(f"invalid filter value for {argument}") from None
