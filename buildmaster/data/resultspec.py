"""What a read of a collection asks for: filters, fields, order, page and properties.

Reads of stored resources turn a specification into SQL (``buildmaster.db.query``); collections that live in memory,
and endpoints that leave a part of the specification to the caller, use :meth:`ResultSpec.apply`.  Both give the same
answer: None equals only None, is below everything in an order, and fulfils no ``lt``, ``le``, ``gt``, ``ge`` or
``contains``; ties of an order keep the order in which the items came.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from buildmaster.data.base import ListResult


class NotSupportedFieldTypeError(TypeError):
    """A field can't be taken out of something that is neither a dictionary nor an object."""

    def __init__(self, data: Any, *args: Any) -> None:
        super().__init__(
            f"unsupported data type '{type(data)}': must be a dictionary or an object with attributes", *args
        )


def _data_getter(d: Any, fld: str) -> Any:
    """A field's value, from a dictionary or an object; raises KeyError."""
    if isinstance(d, dict):
        return d[fld]
    try:
        return getattr(d, fld)
    except AttributeError as e:
        raise KeyError(str(e)) from e


def _contains(value: Any, wanted: Any) -> bool:
    return value is not None and wanted in value


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, limit: value is not None and limit is not None and compare(value, limit)


class FieldBase:
    """A field, an operator and the values on its right side.

    ``lt``, ``le``, ``gt`` and ``ge`` take one value, the others any number; values are always given as a list.
    """

    __slots__ = ("field", "op", "values")

    singular_operators: dict[str, Callable[[Any, Any], bool]] = {
        "eq": lambda value, wanted: value == wanted,
        "ne": lambda value, wanted: value != wanted,
        "lt": _ordered(operator.lt),
        "le": _ordered(operator.le),
        "gt": _ordered(operator.gt),
        "ge": _ordered(operator.ge),
        "contains": _contains,
        "in": lambda value, wanted: value == wanted,
        "notin": lambda value, wanted: value != wanted,
    }

    plural_operators: dict[str, Callable[[Any, Sequence[Any]], bool]] = {
        "eq": lambda value, wanted: value in wanted,
        "ne": lambda value, wanted: value not in wanted,
        "contains": lambda value, wanted: any(_contains(value, one) for one in wanted),
        "in": lambda value, wanted: value in wanted,
        "notin": lambda value, wanted: value not in wanted,
    }

    singular_operators_sql: dict[str, Callable[[Any, Any], Any]] = {
        "eq": operator.eq,
        "ne": operator.ne,
        "lt": operator.lt,
        "le": operator.le,
        "gt": operator.gt,
        "ge": operator.ge,
        "contains": lambda column, wanted: column.contains(wanted, autoescape=True),
        "in": operator.eq,
        "notin": operator.ne,
    }

    plural_operators_sql: dict[str, Callable[[Any, Sequence[Any]], Any]] = {
        "eq": lambda column, wanted: column.in_(wanted),
        "ne": lambda column, wanted: column.not_in(wanted),
        "in": lambda column, wanted: column.in_(wanted),
        "notin": lambda column, wanted: column.not_in(wanted),
    }

    def __init__(self, field: str | bytes, op: str, values: Sequence[Any]) -> None:
        self.field = field
        self.op = op
        self.values = values

    def getOperator(self, sqlMode: bool = False) -> Callable[..., Any]:
        """The comparison, for one value or for the list of them.

        With ``sqlMode`` it takes a column of a query instead of a field's value, and gives a condition.  Raises
        KeyError for an operator that there is not.
        """
        one = len(self.values) == 1
        if sqlMode:
            return (self.singular_operators_sql if one else self.plural_operators_sql)[self.op]
        return (self.singular_operators if one else self.plural_operators)[self.op]

    def apply(self, data: Iterable[Any]) -> list[Any]:
        """Those items that fulfil the condition."""
        fulfils = self.getOperator()
        wanted = self.values[0] if len(self.values) == 1 else self.values
        return [item for item in data if fulfils(_data_getter(item, self._name()), wanted)]

    def _name(self) -> str:
        return self.field.decode() if isinstance(self.field, bytes) else self.field

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.field!r}, {self.op!r}, {list(self.values)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FieldBase):
            return NotImplemented
        return (self.field, self.op, list(self.values)) == (other.field, other.op, list(other.values))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.field, self.op))


class Filter(FieldBase):
    """A condition on the items of a collection: ``Filter("results", "eq", [0, 1])``."""

    __slots__ = ()


class Property(FieldBase):
    """Names of properties to embed in the answer; ``*`` stands for all."""

    __slots__ = ()


class NoneComparator:
    """A sort key under which None is below everything."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: NoneComparator) -> bool:
        if self.value is None:
            return other.value is not None
        return other.value is not None and self.value < other.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoneComparator) and self.value == other.value

    def __gt__(self, other: NoneComparator) -> bool:
        return other < self

    def __hash__(self) -> int:
        return hash(self.value)


class ReverseComparator:
    """A sort key that turns another one round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: ReverseComparator) -> bool:
        return other.value < self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReverseComparator) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


class ResultSpec:
    """The whole specification.

    ``filters`` must all be fulfilled; ``fields`` names those to keep (or, all with a ``-`` before them, those to leave
    out); ``order`` names fields to sort by, descending with a ``-``; ``limit`` and ``offset`` choose a page after
    that; ``properties`` says which properties to embed where a resource has them on request.
    """

    __slots__ = ("fieldMapping", "fields", "filters", "limit", "offset", "order", "properties")

    def __init__(
        self,
        filters: Sequence[Filter] | None = None,
        fields: Sequence[str] | None = None,
        properties: Sequence[Property] | None = None,
        order: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> None:
        self.filters: list[Filter] = list(filters or [])
        self.fields = _names(fields)
        self.properties: list[Property] = list(properties or [])
        self.order = _names(order)
        self.limit = limit
        self.offset = offset
        self.fieldMapping: dict[str, str] = {}

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__ if name != "fieldMapping")
        return f"{type(self).__name__}({parts})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ResultSpec):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> ResultSpec:
        """Another one that asks for the same."""
        other = type(self)(self.filters, self.fields, self.properties, self.order, self.limit, self.offset)
        other.fieldMapping = self.fieldMapping
        return other

    # -- taking parts out, for endpoints that do them themselves -------------------------------------------------------

    def popProperties(self) -> list[str]:
        """The names of the properties to embed; they are removed."""
        names = [name for asked in self.properties for name in asked.values]
        self.properties = []
        return names

    def popFilter(self, field: str, op: str) -> Sequence[Any] | None:
        """The values of the filter on this field with this operator, which is removed; None if there is none."""
        for found in self.filters:
            if found.field == field and found.op == op:
                self.filters.remove(found)
                return found.values
        return None

    def popOneFilter(self, field: str, op: str) -> Any:
        """The first value of that filter, or None."""
        values = self.popFilter(field, op)
        return values[0] if values else None

    def popBooleanFilter(self, field: str) -> bool | None:
        """The truth value that an ``eq`` or ``ne`` filter asks for, or None; the filter is removed."""
        values = self.popFilter(field, "eq")
        if values:
            return bool(values[0])
        values = self.popFilter(field, "ne")
        return not values[0] if values else None

    def popStringFilter(self, field: str) -> str | None:
        """The text that an ``eq`` filter asks for, or None; the filter is removed."""
        return self.popOneFilter(field, "eq")

    def popIntegerFilter(self, field: str) -> int | None:
        """The number that an ``eq`` filter asks for, or None; the filter is removed.

        Raises ValueError if it is not a number.
        """
        value = self.popStringFilter(field)
        try:
            return int(value) if value is not None else None
        except ValueError:
            raise ValueError(f"Filter value for field {field!r} can't be converted to an integer: {value!r}") from None

    def removePagination(self) -> None:
        """Say that the page was chosen already."""
        self.limit = self.offset = None

    def removeOrder(self) -> None:
        """Say that the items are in order already."""
        self.order = None

    def popField(self, field: str) -> bool:
        """Remove a field from those asked for; whether it was among them."""
        if self.fields is not None and field in self.fields:
            self.fields.remove(field)
            return True
        return False

    # -- doing the rest in memory --------------------------------------------------------------------------------

    def apply(self, data: Any) -> Any:
        """Apply what is left of the specification.

        A collection becomes a :class:`.base.ListResult`; of a single resource only the fields are chosen.  Raises
        KeyError for a field that the items do not have.
        """
        if data is None:
            return data
        if not isinstance(data, (list, ListResult)):
            return self._choose([data])[0]
        done = not (self.filters or self.fields or self.order or self.offset) and self.limit is None
        if done and isinstance(data, ListResult):
            return data
        total, offset, limit = (
            (data.total, data.offset, data.limit) if isinstance(data, ListResult) else (None, None, None)
        )
        items: Any = data
        for condition in self.filters:
            items = condition.apply(items)
        items = self._sort(list(items))
        if self.filters or total is None:
            total = len(items)
        if self.offset is not None or self.limit is not None:
            offset, limit = self.offset, self.limit
            start = self.offset or 0
            items = items[start : None if self.limit is None else start + self.limit]
        return ListResult(self._choose(items), offset=offset, total=total, limit=limit)

    def _sort(self, items: list[Any]) -> list[Any]:
        for name in reversed(self.order or ()):
            field, wrap = name.removeprefix("-"), ReverseComparator if name.startswith("-") else _same
            items.sort(key=lambda item, f=field, w=wrap: w(NoneComparator(_data_getter(item, f))))
        return items

    def _choose(self, items: Sequence[Any]) -> list[Any]:
        if not self.fields:
            return list(items)
        if all(name.startswith("-") for name in self.fields):
            left_out = {name[1:] for name in self.fields}
            return [{k: v for k, v in item.items() if k not in left_out} for item in items]
        fields = [name for name in self.fields if not name.startswith("-")]
        return [{name: _data_getter(item, name) for name in fields} for item in items]


def _same(key: Any) -> Any:
    return key


def _names(names: Iterable[str] | str | None) -> list[str] | None:
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names) or None


class OptimisedResultSpec(ResultSpec):
    """A specification that the endpoint has applied already."""

    __slots__ = ()

    def apply(self, data: Any) -> Any:
        """The data as it is."""
        return data
