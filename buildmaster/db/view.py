"""What a view of the database is: the declaration from which a resource's statements are made.

A view says which column each field of a resource is, what is joined for it, and which column each part of a path
narrows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs
import sqlalchemy as sa

from buildmaster.db.fields import Field, Nested


class Criterion(Protocol):
    """One filter: all are to be fulfilled."""

    field: Any
    op: Any
    values: Any


class Spec(Protocol):
    """What a read asks for; ``buildmaster.data.resultspec.ResultSpec`` is one."""

    @property
    def filters(self) -> Any: ...
    @property
    def fields(self) -> Any: ...
    @property
    def order(self) -> Any: ...
    @property
    def limit(self) -> Any: ...
    @property
    def offset(self) -> Any: ...
    @property
    def properties(self) -> Any: ...


class Row(dict[str, Any]):
    """A resource: a dictionary whose items read as attributes too.

    ``extra`` holds what reads as an attribute only.
    """

    __slots__ = ("extra",)
    extra: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            pass
        if name != "extra":
            try:
                return self.extra[name]
            except (AttributeError, KeyError):
                pass
        raise AttributeError(f"this resource has no {name!r}; it has {', '.join(sorted(self))}")

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

    def __copy__(self) -> Row:
        copy = Row(self)
        if hasattr(self, "extra"):
            copy.extra = self.extra
        return copy


@attrs.frozen
class Scope:
    """A part of a path: it narrows a view to the rows where ``column`` has the part's value."""

    column: Any
    joins: tuple[str, ...] = ()
    kind: Any = attrs.field(factory=sa.BigInteger)


@attrs.frozen(eq=False)
class View:
    """How a resource is read: its table, fields, joins and the path parts that narrow it."""

    name: str
    table: sa.Table
    key: str  # the field that is unique
    fields: Mapping[str, Field | Nested]
    scopes: Mapping[str, Scope]
    joins: Mapping[str, tuple[Any, Any, bool]] = attrs.field(factory=dict)  # name → (target, condition, outer)
    newest_first: bool = False
    attributes: Mapping[str, Field] = attrs.field(factory=dict)  # read as attributes only
    on_request: Mapping[str, Callable[[], Any]] = attrs.field(factory=dict)
    """Property fields, which are read only when properties are asked for, and what they hold else."""
    hidden: frozenset[str] = frozenset()  # fields that are no part of the resource
