"""What a user can fill in when forcing a build: the documented parameter classes.

A parameter describes its field for the web front (:meth:`BaseParameter.getSpec`), checks what was filled in, and puts
it where it belongs: most become properties, those of a codebase become its source stamp.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from buildmaster.base.aio import maybe
from buildmaster.base.errors import error


class ValidationError(ValueError):
    """What was filled in can't be used; the message names the field."""


class CollectedValidationError(ValueError):
    """All that is wrong with what was filled in; ``errors`` maps full names of fields to messages."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("\n".join(f"{name}: {text}" for name, text in self.errors.items()))


class ValidationErrorCollector:
    """Gathers the errors of several fields, so that all are told together."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}

    async def collectValidationErrors(self, name: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function and wait for its answer; a ValidationError or ValueError is kept under ``name``."""
        try:
            return await maybe(fn, *args, **kwargs)
        except CollectedValidationError as collected:
            self.errors.update(collected.errors)
        except ValueError as wrong:
            self.errors[name] = str(wrong)
        return None

    def maybeRaiseCollectedErrors(self) -> None:
        """Raises :class:`CollectedValidationError` if there was any error."""
        if self.errors:
            raise CollectedValidationError(self.errors)


class BaseParameter:
    """A field of a form.

    :param name: of the property that it sets
    :param label: shown beside it; the name by default
    :param tablabel: shown on its tab; the label by default
    :param regex: what a value must match, at its beginning

    All other arguments set the attributes: ``default``; ``required``; ``multiple`` (the value is a list); ``hide``;
    ``maxsize`` in characters; ``autopopulate`` (values for other fields by choice); ``tooltip``.
    """

    spec_attributes: ClassVar[Sequence[str]] = [
        "name",
        "fullName",
        "label",
        "tablabel",
        "type",
        "default",
        "required",
        "multiple",
        "regex",
        "hide",
        "maxsize",
        "autopopulate",
        "tooltip",
    ]
    name: str = ""
    parentName: str | None = None
    label: str = ""
    tablabel: str = ""
    type: str = ""
    default: Any = ""
    required = False
    multiple = False
    regex: Any = None
    debug = True
    hide = False
    maxsize: int | None = None
    autopopulate: Any = None
    tooltip = ""

    def __init__(
        self, name: str, label: str | None = None, tablabel: str | None = None, regex: Any = None, **kw: Any
    ) -> None:
        if name in ("owner", "builderNames", "builderid"):
            error(f"a parameter can't be called {name!r}, because a forced build has an argument of that name")
        self.name = name
        self.label = name if label is None else label
        self.tablabel = self.label if tablabel is None else tablabel
        if regex:
            self.regex = re.compile(regex)
        for attribute, value in kw.items():
            setattr(self, attribute, value)

    @property
    def fullName(self) -> str | None:
        """The name of the field in the form: those of its parents and its own, joined by ``_``."""
        if self.parentName:
            return f"{self.parentName}_{self.name}"
        return self.name or None

    def setParent(self, parent: BaseParameter | None) -> None:
        """Make this a field of another parameter."""
        self.parentName = None if parent is None else parent.fullName

    def getFromKwargs(self, kwargs: Mapping[str, Any]) -> Any:
        """The value that was filled in, or the default; raises :class:`ValidationError`."""
        given = kwargs.get(self.fullName or "", [])
        values = list(given) if isinstance(given, list | tuple) else [given]
        if not values or values == [""] or values == [None]:
            if self.required:
                raise ValidationError(f"'{self.label}' needs to be specified")
            return [self.default] if self.multiple and self.default != "" else [] if self.multiple else self.default
        for value in values:
            self._check(value)
        return self.parse_from_args(values)

    def _check(self, value: Any) -> None:
        if self.regex is not None and not self.regex.match(str(value)):
            raise ValidationError(f"{self.label}:'{value}' does not match pattern '{self.regex.pattern}'")
        if self.maxsize is not None and hasattr(value, "__len__") and len(value) > self.maxsize:
            raise ValidationError(f"{self.label}: is too large {len(value)} > {self.maxsize}")

    def parse_from_args(self, l: list[Any]) -> Any:  # noqa: E741  documented name
        """The value of what was filled in, one or more texts."""
        return [self.parse_from_arg(one) for one in l] if self.multiple else self.parse_from_arg(l[0])

    def parse_from_arg(self, s: Any) -> Any:
        """The value of one text."""
        return s

    def updateFromKwargs(self, properties: Any, kwargs: Mapping[str, Any], collector: Any, **unused: Any) -> Any:
        """Put what was filled in into ``properties``; may return a Deferred."""
        properties[self.name] = self.getFromKwargs(kwargs)

    def getSpec(self) -> dict[str, Any]:
        """The field, for the web front."""
        names: dict[str, None] = {}
        for klass in reversed(type(self).__mro__):
            names.update(dict.fromkeys(klass.__dict__.get("spec_attributes", ())))
        spec = {name: getattr(self, name) for name in names}
        if spec.get("regex") is not None:
            spec["regex"] = spec["regex"].pattern
        return spec


class FixedParameter(BaseParameter):
    """A value that nobody can change; it is not shown."""

    type = "fixed"
    hide = True
    default: Any = ""

    def getFromKwargs(self, kwargs: Mapping[str, Any]) -> Any:
        """The default, whatever was filled in."""
        return self.parse_from_args([])

    def parse_from_args(self, l: list[Any]) -> Any:  # noqa: E741  documented name
        """The default."""
        return self.default


class StringParameter(BaseParameter):
    """A line of text; ``size`` is its width in characters."""

    spec_attributes = ["size"]
    type = "text"
    size = 10

    def parse_from_arg(self, s: Any) -> Any:
        """The text."""
        return s


class TextParameter(StringParameter):
    """Several lines of text, ``cols`` wide and ``rows`` high."""

    spec_attributes = ["cols", "rows"]
    type = "textarea"
    cols = 80
    rows = 20

    def value_to_text(self, value: Any) -> str:
        """The value as text."""
        return str(value)


class IntParameter(StringParameter):
    """A whole number."""

    type = "int"
    default: Any = 0

    def parse_from_arg(self, s: Any) -> int:
        """The number."""
        try:
            return int(s)
        except (TypeError, ValueError):
            raise ValidationError(f"{self.label}: {s!r} is not a whole number") from None


class BooleanParameter(BaseParameter):
    """Yes or no."""

    type = "bool"

    def getFromKwargs(self, kwargs: Mapping[str, Any]) -> bool:
        """What was chosen, or the default."""
        given = kwargs.get(self.fullName or "", self.default)
        value = given[0] if isinstance(given, list | tuple) and given else given
        if isinstance(value, str):
            return value.strip().lower() in ("true", "on", "yes", "1")
        return bool(value)


class UserNameParameter(StringParameter):
    """Who forces the build; ``need_email`` asks for an address, as ``User <user@example.com>``."""

    spec_attributes = ["need_email"]
    type = "username"
    default: Any = ""
    size = 30
    need_email = True

    def __init__(self, name: str = "username", label: str | None = "Your name:", **kw: Any) -> None:
        super().__init__(name, label, **kw)

    def parse_from_arg(self, s: Any) -> Any:
        """The name."""
        if not s and not self.required:
            return s
        if self.need_email and not VALID_EMAIL_ADDR.search(str(s)):
            raise ValidationError(f"{self.name}: please fill in email address in the form 'User <email@email.com>'")
        return s


VALID_EMAIL_ADDR = re.compile(r"(?:\S+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+\.?)")


class ChoiceStringParameter(BaseParameter):
    """One of several ``choices``; without ``strict`` any other text too."""

    spec_attributes = ["choices", "strict"]
    type = "list"
    choices: Any = []
    strict = True

    def parse_from_arg(self, s: Any) -> Any:
        """The choice."""
        if self.strict and s not in self.choices:
            raise ValidationError(f"'{s}' does not belong to list of available choices '{self.choices}'")
        return s

    def getChoices(self, master: Any, scheduler: Any, buildername: str | None) -> Any:
        """The choices there are for a builder; may return a Deferred."""
        return self.choices


class FileParameter(BaseParameter):
    """The content of a file, as text."""

    type = "file"
    maxsize = 1024 * 1024 * 10
