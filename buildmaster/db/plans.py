"""Statements made from views: one for each shape of reading a view, compiled once and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.db.fields import BadSpec, Field, Nested, Related
from buildmaster.db.view import Row, Spec, View

_KEPT_STATEMENTS = 2000
_KEYS_PER_QUERY = 512


def chunks(keys: Sequence[Any], size: int = _KEYS_PER_QUERY) -> Iterable[list[Any]]:
    """Lists of keys for ``IN (…)``: few different lengths, so that few statements are kept."""
    for start in range(0, len(keys), size):
        part = list(keys[start : start + size])
        length = 1
        while length < len(part):
            length *= 2
        yield part + [part[-1]] * (length - len(part))


class Statement:
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
        self._kept: dict[tuple[str, int], Statement] = {}

    def run(self, conn: sa.Connection, keys: Sequence[int]) -> Sequence[Any]:
        """The raw rows for these keys."""
        shape = (conn.dialect.name, len(keys))
        statement = self._kept.get(shape)
        if statement is None:
            binds = [sa.bindparam(f"p{n}", type_=sa.BigInteger()) for n in range(len(keys))]
            statement = self._kept[shape] = Statement(self._select(binds), conn.dialect)
        return statement.run(conn, {f"p{n}": key for n, key in enumerate(keys)})


@attrs.frozen(eq=False)
class Plan:
    statement: Statement
    make: Callable[[Sequence[Any], frozenset[str] | None], Row]
    related: tuple[tuple[str, Related], ...]
    count: Statement | None


_plans: dict[Any, Plan] = {}


class Binder:
    """Makes the parameters of a statement and collects their values."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __call__(self, value: Any, kind: Any) -> sa.BindParameter:
        name = f"p{len(self._values)}"
        self._values[name] = value
        return sa.bindparam(name, type_=kind)


def plan_of(dialect: sa.Dialect, view: View, scopes: Mapping[str, Any], spec: Spec | None, bind: Binder) -> Plan:
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


def _keep(key: Any, plan: Plan) -> Plan:
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


def _conditions(dialect: str, view: View, spec: Spec | None, bind: Binder) -> tuple[list[Any], Any]:
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
) -> Plan:
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
    return Plan(Statement(select, dialect), _row_maker(view, shown, attributes, absent), related, count)


def _count(view: View, joins: Mapping[str, None], where: Sequence[Any], dialect: sa.Dialect) -> Statement:
    rows: sa.Select[Any] = (
        sa.select(sa.literal_column("1").label("one")).select_from(_source(view, joins)).where(*where)
    )
    bounded = rows.limit(sa.bindparam("limit_", type_=sa.BigInteger())).subquery()
    return Statement(sa.select(sa.func.count()).select_from(bounded), dialect)


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


def plan_by_ids(dialect: sa.Dialect, view: View, count: int) -> Plan:
    key = (view, dialect.name, "ids", count)
    plan = _plans.get(key)
    if plan is None:
        field = _field(view, view.key)
        condition = field.where("in", range(count), Binder({}), dialect.name)
        plan = _keep(key, _compile(dialect, view, (), None, False, [(condition, field.joins)], (), False, False))
    return plan


def plan_of_one(dialect: sa.Dialect, view: View, scopes: tuple[str, ...], spec: Spec | None) -> Plan:
    """The kept or new plan of reading a single row by a path; filters and order of the specification do not count."""
    fields = tuple(spec.fields) if spec is not None and spec.fields is not None else None
    with_properties = spec is not None and bool(spec.properties)
    key = (view, dialect.name, "one", fields, with_properties, scopes)
    plan = _plans.get(key)
    if plan is None:
        plan = _keep(key, _compile(dialect, view, scopes, fields, with_properties, (), (), True, False))
    return plan
