"""How a resource's field is read from columns, filtered and ordered.

Raw values are those of the database driver: numbers, text, bytes, None.  Each kind of field knows how to turn them into
the field's value, and a filter's value into the raw one.
"""

from __future__ import annotations

import datetime
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import msgspec
import sqlalchemy as sa

from buildmaster.base.times import UTC, epoch2datetime

_decode = msgspec.json.Decoder().decode
_HALF_MICROSECOND = 5e-7
_LARGEST = 2**63 - 1

Bind = Callable[..., sa.BindParameter]
"""``bind(value, type)`` gives the parameter that stands for a filter's value in the statement."""


class BadSpec(ValueError):
    """A filter, order or field that can't be used; the message names it."""


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
"""Operators that take one value."""

SETS = {"eq": False, "ne": True, "in": False, "notin": True}
"""Operators that take several values, and whether they exclude them."""


@attrs.frozen(eq=False)
class Field:
    """A field made of one column, by default shown as it is stored."""

    column: Any  # the SQL expression
    joins: tuple[str, ...] = ()  # what must be joined for it
    nullable: bool = True
    make: Callable[[Any], Any] | None = None

    @property
    def columns(self) -> Sequence[Any]:
        """What has to be selected."""
        return (self.column,)

    def order(self, dialect: str) -> Any:
        """The expression to sort by."""
        return self.column

    def store(self, value: Any) -> Any:
        """A filter's value as the column holds it; raises ValueError."""
        return value

    def where(self, op: str, values: Sequence[Any], bind: Bind, dialect: str) -> Any:
        """The condition of one filter; raises :class:`BadSpec` for an operator it does not know."""
        if op in SETS:
            return self._among(values, SETS[op], bind, dialect)
        if op in OPERATORS:
            return self._compare(op, _only(op, values), bind, dialect)
        if op == "contains":
            return sa.or_(sa.false(), *(self._contains(value, bind, dialect) for value in values))
        raise BadSpec(f"there is no operator {op!r}")

    kind: Any = None  # the SQL type of its parameters

    def _among(self, values: Sequence[Any], exclude: bool, bind: Bind, dialect: str) -> Any:
        wanted = [self.store(value) for value in values if value is not None]
        null = len(wanted) != len(values)
        some = self._equals(wanted, bind) if wanted else sa.false()
        if not exclude:
            return sa.or_(some, self.column.is_(None)) if null else some
        others = sa.not_(some) if wanted else sa.true()
        if null:
            return sa.and_(others, self.column.is_not(None))
        return sa.or_(others, self.column.is_(None)) if self.nullable else others

    def _equals(self, values: Sequence[Any], bind: Bind) -> Any:
        if len(values) == 1:
            return self.column == bind(values[0], self.kind)
        return self.column.in_([bind(value, self.kind) for value in values])

    def _compare(self, op: str, value: Any, bind: Bind, dialect: str) -> Any:
        if value is None:
            return sa.false()
        return OPERATORS[op](self.column, bind(self.store(value), self.kind))

    def _contains(self, value: Any, bind: Bind, dialect: str) -> Any:
        raise BadSpec("it can't be filtered by 'contains'")


def _only(op: str, values: Sequence[Any]) -> Any:
    if len(values) != 1:
        raise BadSpec(f"the operator {op!r} takes one value, not {len(values)}")
    return values[0]


@attrs.frozen(eq=False)
class Number(Field):
    """A whole number."""

    kind: Any = attrs.field(factory=sa.BigInteger)

    def store(self, value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            raise BadSpec(f"{value!r} is not a whole number") from None
        if (number != value and not isinstance(value, str)) or abs(number) > _LARGEST:
            raise BadSpec(f"{value!r} is not a whole number of at most 64 bits")
        return number


@attrs.frozen(eq=False)
class Text(Field):
    """Text, compared by code points on every database."""

    kind: Any = attrs.field(factory=sa.Text)

    def store(self, value: Any) -> str:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        if "\0" in text or (not text.isascii() and not _encodable(text)):
            raise BadSpec(f"{value!r} is not text that a database can hold")
        return text

    def order(self, dialect: str) -> Any:
        return self.column.collate("C") if dialect == "postgresql" else self.column

    def _compare(self, op: str, value: Any, bind: Bind, dialect: str) -> Any:
        if value is None:
            return sa.false()
        return OPERATORS[op](self.order(dialect), bind(self.store(value), self.kind))

    def _contains(self, value: Any, bind: Bind, dialect: str) -> Any:
        find = sa.func.strpos if dialect == "postgresql" else sa.func.instr
        return find(self.column, bind(self.store(value), self.kind)) > 0


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@attrs.frozen(eq=False)
class Blob(Field):
    """Bytes; can't be filtered."""

    make: Callable[[Any], Any] | None = bytes

    def where(self, op: str, values: Sequence[Any], bind: Bind, dialect: str) -> Any:
        raise BadSpec("it can't be filtered")

    def order(self, dialect: str) -> Any:
        raise BadSpec("it can't be ordered by")


@attrs.frozen(eq=False)
class Moment(Field):
    """A time stored as epoch seconds and shown as an aware datetime, which has whole microseconds."""

    make: Callable[[Any], Any] | None = epoch2datetime
    kind: Any = attrs.field(factory=sa.Double)

    def store(self, value: Any) -> float:
        if isinstance(value, datetime.datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, (int, float)) and math.isfinite(value):
            return float(value)
        raise BadSpec(f"{value!r} is not a time")

    def _equals(self, values: Sequence[Any], bind: Bind) -> Any:
        near = _HALF_MICROSECOND
        return sa.or_(*(self.column.between(bind(v - near, self.kind), bind(v + near, self.kind)) for v in values))

    def _compare(self, op: str, value: Any, bind: Bind, dialect: str) -> Any:
        if value is None:
            return sa.false()
        shift = -_HALF_MICROSECOND if op in ("lt", "ge") else _HALF_MICROSECOND
        return OPERATORS[op](self.column, bind(self.store(value) + shift, self.kind))


def _floor(value: float | None) -> int | None:
    return None if value is None else math.floor(value)


@attrs.frozen(eq=False)
class Epoch(Number):
    """A time stored as epoch seconds with a fraction and shown as whole seconds."""

    make: Callable[[Any], Any] | None = _floor
    kind: Any = attrs.field(factory=sa.Double)

    def store(self, value: Any) -> int:
        if isinstance(value, datetime.datetime):
            return math.floor(value.timestamp())
        return super().store(value)

    def _equals(self, values: Sequence[Any], bind: Bind) -> Any:
        return sa.or_(
            *(sa.and_(self.column >= bind(v, self.kind), self.column < bind(v + 1, self.kind)) for v in values)
        )

    def _compare(self, op: str, value: Any, bind: Bind, dialect: str) -> Any:
        if value is None:
            return sa.false()
        second = self.store(value)
        if op in ("le", "gt"):
            op, second = {"le": "lt", "gt": "ge"}[op], second + 1
        return OPERATORS[op](self.column, bind(second, self.kind))


@attrs.frozen(eq=False)
class Flag(Field):
    """True or false.  ``yes`` and ``no`` are its two conditions, by default those of a 0/1 column."""

    make: Callable[[Any], Any] | None = bool
    yes: Any = None
    no: Any = None
    nullable: bool = False

    def order(self, dialect: str) -> Any:
        return self.column if self.yes is None else sa.case((self.yes, 1), else_=0)

    def where(self, op: str, values: Sequence[Any], bind: Bind, dialect: str) -> Any:
        if op in SETS:
            wanted = {bool(value) for value in values if value is not None}
            allowed = [truth for truth in (False, True) if (truth in wanted) != SETS[op]]
        elif op in OPERATORS:
            limit = _only(op, values)
            allowed = [truth for truth in (False, True) if limit is not None and OPERATORS[op](truth, bool(limit))]
        else:
            raise BadSpec(f"a boolean can't be filtered by {op!r}")
        if len(allowed) != 1:
            return sa.true() if allowed else sa.false()
        return self._condition(allowed[0])

    def _condition(self, truth: bool) -> Any:
        if self.yes is not None:
            return self.yes if truth else self.no
        return self.column == sa.literal_column("1" if truth else "0")


@attrs.frozen(eq=False)
class Json(Field):
    """A JSON text shown as its value; can't be filtered or ordered by."""

    make: Callable[[Any], Any] | None = _decode

    def order(self, dialect: str) -> Any:
        raise BadSpec("it can't be ordered by")

    def where(self, op: str, values: Sequence[Any], bind: Bind, dialect: str) -> Any:
        raise BadSpec("it can't be filtered")


@attrs.frozen(eq=False)
class TextList(Json):
    """A JSON list of texts; it can be filtered by ``contains``."""

    kind: Any = attrs.field(factory=sa.Text)

    def where(self, op: str, values: Sequence[Any], bind: Bind, dialect: str) -> Any:
        if op != "contains":
            raise BadSpec(f"a list can't be filtered by {op!r}, only by 'contains'")
        return sa.or_(sa.false(), *(self._contains(value, bind, dialect) for value in values))

    def _contains(self, value: Any, bind: Bind, dialect: str) -> Any:
        text = Text.store(self, value)  # type: ignore[arg-type]
        if dialect == "sqlite":
            items = sa.func.json_each(self.column).table_valued("value")
            return sa.exists(
                sa.select(sa.literal_column("1")).select_from(items).where(items.c.value == bind(text, self.kind))
            )
        quoted = msgspec.json.encode(text).decode()
        if dialect == "postgresql":
            return sa.cast(self.column, _jsonb()).op("@>")(sa.cast(bind(quoted, self.kind), _jsonb()))
        return sa.func.json_contains(self.column, bind(quoted, self.kind)) == 1


def _jsonb() -> Any:
    from sqlalchemy.dialects.postgresql import JSONB

    return JSONB()


@attrs.frozen(eq=False)
class Nested:
    """A field made of several columns, such as an embedded resource; can't be filtered or ordered by."""

    columns: Sequence[Any]
    build: Callable[[Sequence[Any]], Any]
    joins: tuple[str, ...] = ()

    def order(self, dialect: str) -> Any:
        raise BadSpec("it can't be ordered by")

    def where(self, op: str, values: Sequence[Any], bind: Bind, dialect: str) -> Any:
        raise BadSpec("it can't be filtered")


@attrs.frozen(eq=False)
class Related(Nested):
    """A field whose value is read from another table, by one query for all rows of the answer.

    ``load(conn, keys)`` gives the values by key; ``columns`` is the one column that holds the key; ``empty`` makes the
    value where there is none; ``member`` makes the condition of a ``contains`` filter.
    """

    build: Callable[[Sequence[Any]], Any] = operator.itemgetter(0)
    load: Callable[[sa.Connection, Sequence[Any]], dict[Any, Any]] = attrs.field(kw_only=True)
    empty: Callable[[], Any] = attrs.field(default=list, kw_only=True)
    member: Callable[[sa.BindParameter], Any] | None = attrs.field(default=None, kw_only=True)

    def where(self, op: str, values: Sequence[Any], bind: Bind, dialect: str) -> Any:
        if self.member is None or op != "contains":
            raise BadSpec(f"it can't be filtered by {op!r}")
        numbers = [Number(None).store(value) for value in values]
        return sa.or_(sa.false(), *(self.member(bind(number, sa.BigInteger())) for number in numbers))
