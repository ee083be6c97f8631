"""Fields that are made of others, or that put what was filled in elsewhere than into one property."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.aio import maybe
from buildmaster.base.errors import error
from buildmaster.process.validation import refusal
from buildmaster.schedulers.parameters import (
    BaseParameter,
    ChoiceStringParameter,
    FileParameter,
    FixedParameter,
    IntParameter,
    StringParameter,
    ValidationError,
    ValidationErrorCollector,
)


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
        wrong = [
            refusal(getattr(master, "config", None), *one)
            for one in (("property_name", name), ("property_value", value))
        ]
        if any(wrong):
            raise ValidationError(f"bad property name='{name}', value='{value}': {'; '.join(filter(None, wrong))}")
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
        """The attributes of the source stamp: those of the fields, ``kwargs[self.fullName]``; for subclasses."""
        name: Any = self.fullName
        return dict(kwargs.get(name, {}))

    async def updateFromKwargs(  # type: ignore[override]
        self, sourcestamps: Any, kwargs: Mapping[str, Any], properties: Any, collector: Any, **kw: Any
    ) -> None:
        """Put the source stamp into ``sourcestamps``."""
        values = await self.collectChildProperties(
            sourcestamps=sourcestamps, properties=properties, kwargs=kwargs, collector=collector, **kw
        )
        self._check_free_text(values, collector, kw.get("master"))
        patch = values.pop("patch", None)
        if patch and patch.get("body"):
            values.update({f"patch_{name}": value for name, value in patch.items()})
        name: Any = self.fullName
        stamp = self.createSourcestamp(properties, {**kwargs, name: values})
        sourcestamps.setdefault(self.codebase, {}).update(stamp)

    def _check_free_text(self, values: Mapping[str, Any], collector: ValidationErrorCollector, master: Any) -> None:
        """What was entered as branch and revision, by the patterns of the configuration unless the field has one."""
        for field in self.fields:
            if field.name not in ("branch", "revision") or not isinstance(field, StringParameter):
                continue
            value = values.get(field.name)
            if field.regex is None and value != field.default:
                wrong = refusal(getattr(master, "config", None), field.name, value)
                if wrong is not None:
                    collector.errors[field.fullName or field.name] = f"{field.label} {wrong}"


def _codebase_field(name: str, value: Any) -> BaseParameter | None:
    if value is DefaultField:
        return StringParameter(name=name, label=name.capitalize() + ":")
    if isinstance(value, str):
        return FixedParameter(name=name, default=value)
    return value
