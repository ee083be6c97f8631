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


class InheritBuildParameter(ChoiceStringParameter):
    """Takes properties and source from an earlier build.

    ``compatible_builds(master, buildername)`` gives the choices, each a text that begins with ``builder/number``; it
    may return a Deferred.
    """

    name = "inherit"
    type = "list"
    compatible_builds: Any = None

    def getFromKwargs(self, kwargs: Mapping[str, Any]) -> Any:
        """Not a value by itself."""
        raise ValidationError(f"{self.name}: InheritBuildParameter can only be used by a ForceScheduler")

    async def getChoices(self, master: Any, scheduler: Any, buildername: str | None) -> Any:
        """The compatible builds."""
        return await maybe(self.compatible_builds, master, buildername)

    async def updateFromKwargs(  # type: ignore[override]
        self, master: Any, properties: Any, changes: Any, kwargs: Mapping[str, Any], **unused: Any
    ) -> None:
        """Take over the properties and changes of the chosen build."""
        given = kwargs.get(self.fullName or "", [""])
        text = str(given[0] if isinstance(given, list | tuple) and given else given or "")
        builder_name, _, rest = text.partition(" ")[0].partition("/")
        if not builder_name or not rest.isdigit():
            if self.required or text:
                raise ValidationError(f"{self.label}: {text!r} does not name a build as builder/number")
            return
        build = await master.data.get(("builders", builder_name, "builds", int(rest)))
        if build is None:
            raise ValidationError(f"{self.label}: unknown build: {builder_name}/{rest}")
        found = await master.data.get(("builds", build["buildid"], "properties"))
        own = {
            name: value for name, (value, source) in (found or {}).items() if source in ("Force Build Form", "Change")
        }
        properties.update(own)
        for change in await master.data.get(("builds", build["buildid"], "changes")):
            changes.append(change["changeid"])


class WorkerChoiceParameter(ChoiceStringParameter):
    """Which worker builds; builders heed it by ``canStartBuild=util.enforceChosenWorker``."""

    anySentinel = "-any-"
    label = "Worker"
    required = False
    strict = False

    def __init__(self, name: str = "workername", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)

    def updateFromKwargs(self, properties: Any = None, kwargs: Any = None, collector: Any = None, **unused: Any) -> Any:
        """Set the property, unless any worker will do."""
        worker = self.getFromKwargs(kwargs)
        if worker and worker != self.anySentinel:
            properties[self.name] = worker

    async def getChoices(self, master: Any, scheduler: Any, buildername: str | None) -> list[str]:
        """The workers of a builder, or all."""
        if buildername is None:
            workers = await master.data.get(("workers",))
        else:
            builder = await master.data.get(("builders", buildername))
            workers = await master.data.get(("builders", builder["builderid"], "workers")) if builder else []
        return [self.anySentinel, *sorted(worker["name"] for worker in workers)]


class NestedParameter(BaseParameter):
    """A group of fields, whose values become one property, a dictionary; with the name ``""`` each becomes its own.

    ``layout`` is ``vertical``, ``simple`` or ``tabs``; ``columns`` is by default 2 for more than two visible fields.
    """

    spec_attributes = ["layout", "columns"]
    type = "nested"
    layout = "vertical"
    fields: Any = None
    columns: Any = None

    def __init__(self, name: str, fields: Sequence[BaseParameter], **kwargs: Any) -> None:
        super().__init__(fields=list(fields), name=name, **kwargs)
        if self.columns is None:
            self.columns = 1 if len([field for field in self.fields if not field.hide]) < 3 else 2
        self.setParent(None)

    def setParent(self, parent: BaseParameter | None) -> None:
        """Make this, with its fields, part of another parameter."""
        super().setParent(parent)
        for field in self.fields:
            field.setParent(self)

    async def collectChildProperties(
        self, kwargs: Mapping[str, Any], properties: Any, collector: ValidationErrorCollector, **kw: Any
    ) -> dict[str, Any]:
        """The values of the fields by name."""
        values: dict[str, Any] = {}
        for field in self.fields:
            await collector.collectValidationErrors(
                field.fullName or "",
                field.updateFromKwargs,
                kwargs=kwargs,
                properties=values,
                collector=collector,
                **kw,
            )
        return values

    async def updateFromKwargs(  # type: ignore[override]
        self, kwargs: Mapping[str, Any], properties: Any, collector: ValidationErrorCollector, **kw: Any
    ) -> None:
        """Put the values of the fields into ``properties``."""
        values = await self.collectChildProperties(kwargs=kwargs, properties=properties, collector=collector, **kw)
        if self.name:
            properties.setdefault(self.name, {}).update(values)
        else:
            properties.update(values)

    def getSpec(self) -> dict[str, Any]:
        """The group, for the web front."""
        return {**super().getSpec(), "fields": [field.getSpec() for field in self.fields]}


ParameterGroup = NestedParameter


class AnyPropertyParameter(NestedParameter):
    """A property whose name, too, is filled in."""

    type = "nested"

    def __init__(self, name: str, **kw: Any) -> None:
        fields = [StringParameter(name="name", label="Name:"), StringParameter(name="value", label="Value:")]
        super().__init__(name, label="", fields=fields, **kw)

    def getFromKwargs(self, kwargs: Mapping[str, Any]) -> Any:
        """Not a value by itself."""
        raise ValidationError(f"{self.name}: AnyPropertyParameter can only be used by a ForceScheduler")

    async def updateFromKwargs(  # type: ignore[override]
        self, master: Any, properties: Any, kwargs: Mapping[str, Any], collector: Any, **kw: Any
    ) -> None:
        """Set the property, if it was given a name."""
        values = await self.collectChildProperties(
            master=master, properties=properties, kwargs=kwargs, collector=collector, **kw
        )
        name, value = values.get("name"), values.get("value")
        if not name:
            return
        if not re.match(r"^[\w./~:-]*$", str(name)) or not re.match(r"^[\w./~:-]*$", str(value)):
            raise ValidationError(f"bad property name='{name}', value='{value}'")
        properties[name] = value


class PatchParameter(NestedParameter):
    """A difference to be applied to the source of a codebase."""

    columns = 1

    def __init__(self, **kwargs: Any) -> None:
        name = kwargs.pop("name", "patch")
        fields = kwargs.pop("fields", None) or [
            FileParameter("body"),
            IntParameter("level", default=1),
            StringParameter("author", default=""),
            StringParameter("comment", default=""),
            StringParameter("subdir", default="."),
        ]
        super().__init__(name, fields=fields, **kwargs)


DefaultField = object()
"""A field of a codebase that is not said anything about: a line of text."""


class CodebaseParameter(NestedParameter):
    """The source of one codebase.

    :param codebase: its name
    :param branch, revision, repository, project: a text for a fixed value, None for none, or a parameter; by default a
        field
    :param patch: a :class:`PatchParameter`
    """

    type = "nested"
    codebase = ""

    def __init__(
        self,
        codebase: str,
        name: str | None = None,
        label: str | None = None,
        branch: Any = DefaultField,
        revision: Any = DefaultField,
        repository: Any = DefaultField,
        project: Any = DefaultField,
        patch: PatchParameter | None = None,
        **kwargs: Any,
    ) -> None:
        name = codebase if name is None else name
        if label is None and codebase:
            label = f"Codebase: {codebase}"
        given = {"branch": branch, "project": project, "repository": repository, "revision": revision}
        fields = [field for key, value in given.items() if (field := _codebase_field(key, value)) is not None]
        if patch is not None:
            if patch.name != "patch":
                error(f"codebase {codebase!r}: the patch parameter must be called 'patch', not {patch.name!r}")
            fields.append(patch)
        self.codebase = codebase
        super().__init__(name, label=label, fields=kwargs.pop("fields", None) or fields, **kwargs)

    def createSourcestamp(self, properties: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Further attributes of the source stamp; for subclasses."""
        return {}

    async def updateFromKwargs(  # type: ignore[override]
        self, sourcestamps: Any, kwargs: Mapping[str, Any], properties: Any, collector: Any, **kw: Any
    ) -> None:
        """Put the source stamp into ``sourcestamps``."""
        stamp = sourcestamps.setdefault(self.codebase, {})
        stamp.update(self.createSourcestamp(properties, kwargs))
        values = await self.collectChildProperties(
            sourcestamps=sourcestamps, properties=properties, kwargs=kwargs, collector=collector, **kw
        )
        patch = values.pop("patch", None)
        stamp.update(values)
        if patch and patch.get("body"):
            stamp.update({f"patch_{name}": value for name, value in patch.items()})


def _codebase_field(name: str, value: Any) -> BaseParameter | None:
    if value is DefaultField:
        return StringParameter(name=name, label=name.capitalize() + ":")
    if isinstance(value, str):
        return FixedParameter(name=name, default=value)
    return value
