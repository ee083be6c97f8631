"""Reads of resources: a view, the path it is reached by and a result specification become one SQL statement.

Statements are compiled once for each shape (view, fields, operators, order …) and kept; a read then costs the driver's
work and one small function per row.  Related rows come by one query for all rows of an answer, never one per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs
import sqlalchemy as sa

from buildmaster.db.fields import BadSpec, Field, Nested, Related

COUNT_AHEAD = 1000
"""How many rows after the page are counted for the total; a larger collection reports this many more."""

_KEPT_STATEMENTS = 2000
_KEYS_PER_QUERY = 512
_MOST_KEYS = 16384


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


@attrs.frozen
class Page:
    """The rows of an answer, and how many there are in all (None: not asked for)."""

    rows: list[Row]
    total: int | None = None


class _Statement:
    """A compiled statement and what to do with its rows."""

    def __init__(self, select: sa.Select, dialect: sa.Dialect) -> None:
        compiled = select.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.sql = str(compiled)
        self._positions = compiled.positiontup if compiled.positional else None
        self._fixed = {k: v for k, v in compiled.params.items() if v is not None}

    def run(self, conn: sa.Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        if self._positions is None:
            return conn.exec_driver_sql(self.sql, {**self._fixed, **values}).fetchall()
        if not self._positions:
            return conn.exec_driver_sql(self.sql).fetchall()
        fixed = self._fixed
        found = tuple([values[name] if name in values else fixed.get(name) for name in self._positions])
        return conn.exec_driver_sql(self.sql, found).fetchall()


class KeyedStatement:
    """A statement over a list of keys, kept for each length of the list (see :func:`chunks`).

    ``select`` makes it of the list of parameters.
    """

    def __init__(self, select: Callable[[list[sa.BindParameter]], sa.Select]) -> None:
        self._select = select
        self._kept: dict[tuple[str, int], _Statement] = {}

    def run(self, conn: sa.Connection, keys: Sequence[int]) -> Sequence[Any]:
        """The raw rows for these keys."""
        shape = (conn.dialect.name, len(keys))
        statement = self._kept.get(shape)
        if statement is None:
            binds = [sa.bindparam(f"p{n}", type_=sa.BigInteger()) for n in range(len(keys))]
            statement = self._kept[shape] = _Statement(self._select(binds), conn.dialect)
        return statement.run(conn, {f"p{n}": key for n, key in enumerate(keys)})


@attrs.frozen(eq=False)
class _Plan:
    statement: _Statement
    make: Callable[[Sequence[Any], frozenset[str] | None], Row]
    related: tuple[tuple[str, Related], ...]
    count: _Statement | None


_plans: dict[Any, _Plan] = {}


def fetch(conn: sa.Connection, view: View, scopes: Mapping[str, Any], spec: Spec | None = None) -> Page:
    """The page of a view's rows that the path (``scopes``) and the specification select.

    Raises :class:`~.fields.BadSpec` when a field, filter or order can't be used.
    """
    values: dict[str, Any] = {}
    binder = _Binder(values)
    plan = _plan(conn.dialect, view, scopes, spec, binder)
    raws = plan.statement.run(conn, values)
    wanted = _properties(spec)
    make = plan.make
    rows = [make(raw, wanted) for raw in raws]
    for name, field in plan.related:
        _relate(conn, rows, name, field)
    return Page(rows, len(rows) if spec is None else _total(conn, plan, spec, len(rows), values))


def fetch_one(conn: sa.Connection, view: View, scopes: Mapping[str, Any], spec: Spec | None = None) -> Row | None:
    """The one row that the path selects, or None; only fields and properties of the specification count."""
    values: dict[str, Any] = {}
    fields = tuple(spec.fields) if spec is not None and spec.fields is not None else None
    wanted = _properties(spec)
    key = (view, conn.dialect.name, fields, wanted is not None, tuple(scopes), "one")
    plan = _plans.get(key)
    if plan is None:
        plan = _keep(key, _compile(conn.dialect, view, tuple(scopes), fields, wanted is not None, (), (), True, False))
    for name, value in scopes.items():
        values["s_" + name] = value
    values["limit_"], values["offset_"] = 1, 0
    raws = plan.statement.run(conn, values)
    if not raws:
        return None
    row = plan.make(raws[0], wanted)
    for name, field in plan.related:
        _relate(conn, [row], name, field)
    return row


def fetch_among(conn: sa.Connection, view: View, keys: Iterable[int], spec: Spec, field: str | None = None) -> Page:
    """The page that the specification selects of the rows with these ids; of very many ids the largest count.

    With ``field`` it is that field, not the id, that has to be one of ``keys``.
    """
    wanted = sorted(set(keys))[-_MOST_KEYS:]
    if not wanted:
        return Page([], 0)
    among = _Among(field or view.key, next(iter(chunks(wanted, len(wanted)))))
    narrowed = _Selection(
        [among, *(spec.filters or ())], spec.fields, spec.order, spec.limit, spec.offset, spec.properties
    )
    return fetch(conn, view, {}, narrowed)


def fetch_by_ids(conn: sa.Connection, view: View, ids: Iterable[int]) -> dict[int, Row]:
    """Whole resources by id, in as few queries as the databases' limits allow."""
    found: dict[int, Row] = {}
    for keys in chunks(sorted(set(ids))):
        plan = _plan_by_ids(conn.dialect, view, len(keys))
        raws = plan.statement.run(conn, {f"p{n}": key for n, key in enumerate(keys)})
        rows = [plan.make(raw, None) for raw in raws]
        for name, field in plan.related:
            _relate(conn, rows, name, field)
        found.update((row[view.key], row) for row in rows)
    return found


def _plan_by_ids(dialect: sa.Dialect, view: View, count: int) -> _Plan:
    key = (view, dialect.name, "ids", count)
    plan = _plans.get(key)
    if plan is None:
        field = _field(view, view.key)
        condition = field.where("in", range(count), _Binder({}), dialect.name)
        plan = _keep(key, _compile(dialect, view, (), None, False, [(condition, field.joins)], (), False, False))
    return plan


@attrs.frozen
class _Among:
    field: str
    values: Sequence[Any]
    op: str = "in"


@attrs.frozen
class _Selection:
    filters: Sequence[Any]
    fields: Any = None
    order: Any = None
    limit: Any = None
    offset: Any = None
    properties: Any = None


def chunks(keys: Sequence[Any], size: int = _KEYS_PER_QUERY) -> Iterable[list[Any]]:
    """Lists of keys for ``IN (…)``: few different lengths, so that few statements are kept."""
    for start in range(0, len(keys), size):
        part = list(keys[start : start + size])
        length = 1
        while length < len(part):
            length *= 2
        yield part + [part[-1]] * (length - len(part))


def _properties(spec: Spec | None) -> frozenset[str] | None:
    if spec is None or not spec.properties:
        return None
    return frozenset(name for asked in spec.properties for name in asked.values)


def _total(conn: sa.Connection, plan: _Plan, spec: Spec, found: int, values: Mapping[str, Any]) -> int:
    """How many there are in all; counted only when the page does not tell."""
    offset = spec.offset or 0
    last_page = spec.limit is None or found < spec.limit
    if last_page and (found or not offset):
        return offset + found
    assert plan.count is not None
    bound = offset + (spec.limit or 0) + COUNT_AHEAD
    return plan.count.run(conn, {**values, "limit_": bound})[0][0]


def _relate(conn: sa.Connection, rows: Sequence[Row], name: str, field: Related) -> None:
    keys = sorted({row[name] for row in rows if row[name] is not None})
    found: dict[Any, Any] = {}
    for part in chunks(keys):
        found.update(field.load(conn, part))
    for row in rows:
        key = row[name]
        row[name] = found[key] if key in found else field.empty()


# -- compiling ----------------------------------------------------------------------------------------------------


class _Binder:
    """Makes the parameters of a statement and collects their values."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __call__(self, value: Any, kind: Any) -> sa.BindParameter:
        name = f"p{len(self._values)}"
        self._values[name] = value
        return sa.bindparam(name, type_=kind)


def _plan(dialect: sa.Dialect, view: View, scopes: Mapping[str, Any], spec: Spec | None, bind: _Binder) -> _Plan:
    """The kept or new plan of this shape; the parameters' values are left with ``bind``."""
    values = bind._values
    conditions, shape = _conditions(dialect.name, view, spec, bind)
    for name, value in scopes.items():
        values["s_" + name] = value
    fields = tuple(spec.fields) if spec is not None and spec.fields is not None else None
    order = tuple(spec.order or ()) if spec is not None else ()
    limited = spec is not None and (spec.limit is not None or bool(spec.offset))
    if limited:
        assert spec is not None
        values["limit_"], values["offset_"] = _bounds(spec)
    with_properties = spec is not None and bool(spec.properties)
    key = (view, dialect.name, fields, with_properties, tuple(scopes), shape, order, limited)
    plan = _plans.get(key)
    if plan is None:
        built = _compile(dialect, view, tuple(scopes), fields, with_properties, conditions, order, limited, True)
        plan = _keep(key, built)
    return plan


def _keep(key: Any, plan: _Plan) -> _Plan:
    if len(_plans) >= _KEPT_STATEMENTS:
        _plans.clear()
    _plans[key] = plan
    return plan


def _bounds(spec: Spec) -> tuple[int, int]:
    limit = 2**62 if spec.limit is None else spec.limit
    offset = spec.offset or 0
    if limit < 0 or offset < 0:
        raise BadSpec("limit and offset can't be negative")
    return limit, offset


def _conditions(dialect: str, view: View, spec: Spec | None, bind: _Binder) -> tuple[list[Any], Any]:
    """The conditions of the filters with the joins they need, and what makes their shape."""
    if spec is None or not spec.filters:
        return [], ()
    found, shape = [], []
    for criterion in spec.filters:
        field = _field(view, criterion.field)
        try:
            condition = field.where(criterion.op, criterion.values, bind, dialect)
        except BadSpec as e:
            raise BadSpec(f"{view.name}: filter on {criterion.field!r}: {e}") from None
        found.append((condition, field.joins))
        shape.append((criterion.field, criterion.op, _shape_of(field, criterion.values)))
    return found, tuple(shape)


def _shape_of(field: Field | Nested, values: Sequence[Any]) -> Any:
    if field.columns and isinstance(field, Field) and field.kind is None:
        return tuple(bool(v) if v is not None else None for v in values)  # flags have their values in the statement
    return tuple(value is None for value in values)


def _field(view: View, name: str) -> Field | Nested:
    field = view.fields.get(name)
    if field is None:
        raise BadSpec(f"{view.name} have no field {name!r}; their fields are {', '.join(view.fields)}")
    return field


def chosen_fields(view: View, fields: Sequence[str] | None) -> list[str]:
    """The names of the fields that a specification's ``fields`` selects; names with ``-`` leave one out."""
    if fields is None:
        return [name for name in view.fields if name not in view.hidden]
    for name in fields:
        _field(view, name.removeprefix("-"))
    if fields and all(name.startswith("-") for name in fields):
        return [name for name in view.fields if "-" + name not in fields]
    return [name for name in view.fields if name in fields]


def _compile(
    dialect: sa.Dialect,
    view: View,
    scopes: Sequence[str],
    fields: Sequence[str] | None,
    with_properties: bool,
    conditions: Sequence[tuple[Any, tuple[str, ...]]],
    order: Sequence[str],
    limited: bool,
    counted: bool,
) -> _Plan:
    names = chosen_fields(view, fields)
    late: Mapping[str, Any] = {} if with_properties else view.on_request
    shown = {name: view.fields[name] for name in names if name not in late}
    attributes = view.attributes if fields is None else {}
    columns = [column for field in (*shown.values(), *attributes.values()) for column in field.columns]
    needed: dict[str, None] = {}
    where: list[Any] = []
    for name in scopes:
        scope = view.scopes[name]
        needed.update(dict.fromkeys(scope.joins))
        where.append(scope.column == sa.bindparam("s_" + name, type_=scope.kind))
    for condition, joins in conditions:
        needed.update(dict.fromkeys(joins))
        where.append(condition)
    narrowing = dict(needed)
    for field in (*shown.values(), *attributes.values()):
        needed.update(dict.fromkeys(field.joins))
    ordering = _order(view, order, dialect.name, needed)
    select = sa.select(*columns).select_from(_source(view, needed)).where(*where).order_by(*ordering)
    if not columns:
        select = select.add_columns(sa.literal_column("1"))
    if limited:
        select = select.limit(sa.bindparam("limit_", type_=sa.BigInteger()))
        select = select.offset(sa.bindparam("offset_", type_=sa.BigInteger()))
    count = _count(view, narrowing, where, dialect) if limited and counted else None
    absent = {name: view.on_request[name] for name in names if name in late}
    related = tuple((name, field) for name, field in shown.items() if isinstance(field, Related))
    return _Plan(_Statement(select, dialect), _row_maker(view, shown, attributes, absent), related, count)


def _count(view: View, joins: Mapping[str, None], where: Sequence[Any], dialect: sa.Dialect) -> _Statement:
    rows: sa.Select[Any] = (
        sa.select(sa.literal_column("1").label("one")).select_from(_source(view, joins)).where(*where)
    )
    bounded = rows.limit(sa.bindparam("limit_", type_=sa.BigInteger())).subquery()
    return _Statement(sa.select(sa.func.count()).select_from(bounded), dialect)


def _source(view: View, needed: Iterable[str]) -> Any:
    source: Any = view.table
    for name in needed:
        target, condition, outer = view.joins[name]
        source = source.join(target, condition, isouter=outer)
    return source


def _order(view: View, order: Sequence[str], dialect: str, needed: dict[str, None]) -> list[Any]:
    """The ordering expressions; None sorts below everything, and the id settles ties, so that pages never overlap."""
    found: list[Any] = []
    for name in order:
        descending = name.startswith("-")
        field = _field(view, name.removeprefix("-"))
        try:
            column = field.order(dialect)
        except BadSpec as e:
            raise BadSpec(f"{view.name}: order by {name!r}: {e}") from None
        needed.update(dict.fromkeys(field.joins))
        ordered = column.desc() if descending else column.asc()
        if dialect == "postgresql" and isinstance(field, Field) and field.nullable:
            ordered = ordered.nulls_last() if descending else ordered.nulls_first()
        found.append(ordered)
    if not any(name.removeprefix("-") == view.key for name in order):
        key = view.fields[view.key].order(dialect)
        # MySQL walks an index backwards only if all of the order goes that way
        backwards = view.newest_first if not order else dialect in ("mysql", "mariadb") and order[-1].startswith("-")
        found.append(key.desc() if backwards else key.asc())
    return found


def _row_maker(
    view: View,
    shown: Mapping[str, Field | Nested],
    attributes: Mapping[str, Field],
    absent: Mapping[str, Callable[[], Any]],
) -> Callable[[Sequence[Any], frozenset[str] | None], Row]:
    """A function from a raw row and the asked-for property names to the resource."""
    plain: list[tuple[str, int]] = []
    made: list[tuple[str, int, Callable[[Any], Any]]] = []
    wide: list[tuple[str, int, int, Callable[[Sequence[Any]], Any]]] = []
    extra: list[tuple[str, int]] = []
    position = 0
    for name, field in (*shown.items(), *attributes.items()):
        if name in attributes and name not in shown:
            extra.append((name, position))
        elif isinstance(field, Nested):
            wide.append((name, position, position + len(field.columns), field.build))
        elif field.make is not None:
            made.append((name, position, field.make))
        else:
            plain.append((name, position))
        position += len(field.columns)
    names = tuple(shown)
    straight = not wide  # then raw columns and fields are in the same places
    selective = [name for name in shown if name in view.on_request]

    def make(raw: Sequence[Any], wanted: frozenset[str] | None) -> Row:
        if straight:
            row = Row(zip(names, raw, strict=False))
        else:
            row = Row()
            row.update(dict.fromkeys(names))
            for name, at in plain:
                row[name] = raw[at]
            for name, start, stop, build in wide:
                row[name] = build(raw[start:stop])
        for name, at, function in made:
            value = raw[at]
            row[name] = None if value is None else function(value)
        for name, empty in absent.items():
            row[name] = empty()
        for name in selective:
            row[name] = _selected(row[name], wanted)
        if extra:
            row.extra = {name: raw[at] for name, at in extra}
        return row

    return make


def _selected(properties: dict[str, Any] | None, wanted: frozenset[str] | None) -> dict[str, Any]:
    if not properties or wanted is None:
        return {}
    if "*" in wanted:
        return properties
    return {name: pair for name, pair in properties.items() if name in wanted}
