"""The types of resources' fields.

A type knows how to read a value from a query string, how to check a value, and how to describe itself for
``/api/v2/application.spec``, the OpenAPI file and the reference documentation.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any, ClassVar

from buildmaster.base.strings import is_identifier
from buildmaster.base.times import UTC, datetime2epoch

_TRUE = frozenset({"on", "true", "yes", "1"})
_FALSE = frozenset({"off", "false", "no", "0"})


class Type:
    """Base of all types."""

    name: Any = "any"
    doc: str | None = None
    nullable = False
    openapi: ClassVar[dict[str, Any]] = {}

    def valueFromString(self, arg: str | bytes) -> Any:
        """The value that a query string means.

        Raises ValueError or TypeError when it means none.
        """
        return arg.decode("utf-8") if isinstance(arg, bytes) else arg

    def validate(self, name: str, value: Any) -> Iterator[str]:
        """Yield a sentence for each thing that is wrong with ``value``, which is called ``name`` in it."""
        return iter(())

    def getSpec(self) -> dict[str, Any]:
        """The description for ``application.spec``."""
        return {"name": self.name}

    def to_openapi(self) -> dict[str, Any]:
        """The JSON schema of the value as REST shows it."""
        return dict(self.openapi)

    def to_json(self, value: Any) -> Any:
        """The value as REST and stored messages show it."""
        return value

    def describe(self) -> str:
        """The type's name for the reference documentation."""
        return self.name


class _Instance(Type):
    """A type whose values are instances of some Python classes."""

    classes: ClassVar[tuple[type, ...]] = (object,)

    def validate(self, name: str, value: Any) -> Iterator[str]:
        if not isinstance(value, self.classes) or (isinstance(value, bool) and bool not in self.classes):
            yield f"{name} is {value!r}, not {_article(self.name)}"


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


class NoneOk(Type):
    """Either the nested type or None.  In a query string ``null`` means None, except where text is asked for."""

    nullable = True

    def __init__(self, nestedType: Type) -> None:
        self.nestedType = nestedType
        self.name = nestedType.name + " or None"

    def valueFromString(self, arg: str | bytes) -> Any:
        text = arg.decode("utf-8") if isinstance(arg, bytes) else arg
        if text in ("null", "none", "None") and not isinstance(self.nestedType, String):
            return None
        return self.nestedType.valueFromString(text)

    def validate(self, name: str, value: Any) -> Iterator[str]:
        if value is not None:
            yield from self.nestedType.validate(name, value)

    def getSpec(self) -> dict[str, Any]:
        return {**self.nestedType.getSpec(), "can_be_null": True}

    def to_openapi(self) -> dict[str, Any]:
        inner = self.nestedType.to_openapi()
        return {"anyOf": [inner, {"type": "null"}]} if "$ref" in inner else {**inner, "nullable": True}

    def to_json(self, value: Any) -> Any:
        return None if value is None else self.nestedType.to_json(value)

    def describe(self) -> str:
        return self.nestedType.describe() + " or null"


class Integer(_Instance):
    """A whole number."""

    name = "integer"
    classes = (int,)
    openapi = {"type": "integer"}

    def valueFromString(self, arg: str | bytes) -> int:
        return int(arg)


class DateTime(_Instance):
    """A time: an aware UTC datetime inside, epoch seconds in REST."""

    name = "datetime"
    classes = (datetime.datetime,)
    openapi = {"type": "integer", "format": "epoch-seconds"}

    def valueFromString(self, arg: str | bytes) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(float(arg), tz=UTC)

    def validate(self, name: str, value: Any) -> Iterator[str]:
        if not isinstance(value, datetime.datetime):
            yield f"{name} is {value!r}, not a datetime"
        elif value.tzinfo is None:
            yield f"{name} is {value!r}, a datetime without time zone"

    def to_json(self, value: Any) -> Any:
        return datetime2epoch(value) if isinstance(value, datetime.datetime) else value

    def describe(self) -> str:
        return "time (epoch seconds)"


class String(_Instance):
    """Text."""

    name = "string"
    classes = (str,)
    openapi = {"type": "string"}


class Binary(_Instance):
    """Bytes; in REST, text decoded as UTF-8."""

    name = "binary"
    classes = (bytes,)
    openapi = {"type": "string", "format": "binary"}

    def to_json(self, value: Any) -> Any:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class Boolean(_Instance):
    """True or false."""

    name = "boolean"
    classes = (bool,)
    openapi = {"type": "boolean"}

    def valueFromString(self, arg: str | bytes) -> bool:
        text = (arg.decode("utf-8") if isinstance(arg, bytes) else arg).lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        raise ValueError(f"{text!r} is not a boolean: use true or false")


class Identifier(String):
    """Text made of a letter or ``_`` and then word characters or ``-``, of limited length."""

    name = "identifier"

    def __init__(self, len: int | None = None) -> None:
        self.len = len

    def valueFromString(self, arg: str | bytes) -> str:
        text = super().valueFromString(arg)
        if not is_identifier(text, self.len or 1000):
            raise ValueError(f"{text!r} is not an identifier")
        return text

    def validate(self, name: str, value: Any) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"{name} is {value!r}, not a string"
        elif not is_identifier(value, self.len or 1000):
            yield f"{name} is {value!r}, not an identifier of at most {self.len} characters"


class List(Type):
    """A list of values of one type."""

    name = "list"

    def __init__(self, of: Type) -> None:
        self.of = of

    def valueFromString(self, arg: str | bytes) -> Any:
        return self.of.valueFromString(arg)

    def validate(self, name: str, value: Any) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{name} is {value!r}, not a list"
            return
        for number, item in enumerate(value):
            yield from self.of.validate(f"{name}[{number}]", item)

    def getSpec(self) -> dict[str, Any]:
        return {"type": self.name, "of": self.of.getSpec()}

    def to_openapi(self) -> dict[str, Any]:
        return {"type": "array", "items": self.of.to_openapi()}

    def to_json(self, value: Any) -> Any:
        return [self.of.to_json(item) for item in value] if isinstance(value, list) else value

    def describe(self) -> str:
        return f"list of {self.of.describe()}"


class JsonObject(Type):
    """Anything that JSON can express."""

    name = "jsonobject"
    openapi = {"description": "any JSON value"}

    def validate(self, name: str, value: Any) -> Iterator[str]:
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            yield f"{name} can't be written as JSON"

    def describe(self) -> str:
        return "JSON value"


class SourcedProperties(Type):
    """Properties by name, each a pair of value and source."""

    name = "sourcedproperties"
    openapi = {
        "type": "object",
        "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2},
        "description": "property name to [value, source]",
    }

    def validate(self, name: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{name} is {value!r}, not a dictionary of properties"
            return
        for key, pair in value.items():
            if not isinstance(key, str):
                yield f"{name} has a property name {key!r} that is not a string"
            elif not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[1], str):
                yield f"{name}[{key!r}] is {pair!r}, not a pair of value and source"
            else:
                yield from JsonObject().validate(f"{name}[{key!r}]", pair[0])

    def describe(self) -> str:
        return "properties (name to [value, source])"


class Entity(Type):
    """A resource: a dictionary with the fields that a subclass lists as attributes."""

    fields: ClassVar[dict[str, Type]] = {}
    _differing: ClassVar[list[tuple[str, Type]]]

    def __init__(self, name: str) -> None:
        self.name = name

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Type)}
        cls.fields = {**cls.fields, **own}

    def validate(self, name: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{name} is {value!r}, not a dictionary"
            return
        for key in self.fields.keys() - value.keys():
            yield f"{name} lacks {key!r}"
        for key in value.keys() - self.fields.keys():
            yield f"{name} has an unknown key {key!r}"
        for key in self.fields.keys() & value.keys():
            yield from self.fields[key].validate(f"{name}[{key!r}]", value[key])

    def getSpec(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "fields": [
                {"name": name, "type": field.name, "type_spec": field.getSpec()} for name, field in self.fields.items()
            ],
        }

    def to_openapi(self) -> dict[str, Any]:
        return {"$ref": f"#/components/schemas/{self.name}"}

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the whole resource, to which others refer by name."""
        return {"type": "object", "properties": {name: field.to_openapi() for name, field in self.fields.items()}}

    def to_json(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        converted = {**value}
        for name, field in self._converted():
            if name in converted:
                converted[name] = field.to_json(converted[name])
        return converted

    @classmethod
    def _converted(cls) -> list[tuple[str, Type]]:
        """The fields that JSON shows otherwise."""
        if "_differing" not in vars(cls):
            cls._differing = [(name, field) for name, field in cls.fields.items() if _differs(field)]
        return cls._differing


def _differs(field: Type) -> bool:
    if isinstance(field, NoneOk):
        return _differs(field.nestedType)
    if isinstance(field, List):
        return _differs(field.of)
    return isinstance(field, (DateTime, Binary)) or (isinstance(field, Entity) and bool(field._converted()))
