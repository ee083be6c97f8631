"""Forcing builds: the scheduler behind the button, with the fields that its user fills in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.strings import is_identifier
from buildmaster.properties import Properties
from buildmaster.schedulers.base import ReconfigurableBaseScheduler
from buildmaster.schedulers.machinery import Added
from buildmaster.schedulers.parameter_groups import (
    AnyPropertyParameter,
    CodebaseParameter,
    DefaultField,
    InheritBuildParameter,
    NestedParameter,
    ParameterGroup,
    PatchParameter,
    WorkerChoiceParameter,
)
from buildmaster.schedulers.parameters import (
    VALID_EMAIL_ADDR,
    BaseParameter,
    BooleanParameter,
    ChoiceStringParameter,
    CollectedValidationError,
    FileParameter,
    FixedParameter,
    IntParameter,
    StringParameter,
    TextParameter,
    UserNameParameter,
    ValidationError,
    ValidationErrorCollector,
)

__all__ = [
    "VALID_EMAIL_ADDR",
    "AnyPropertyParameter",
    "BaseParameter",
    "BooleanParameter",
    "ChoiceStringParameter",
    "CodebaseParameter",
    "CollectedValidationError",
    "DefaultField",
    "FileParameter",
    "FixedParameter",
    "ForceScheduler",
    "InheritBuildParameter",
    "IntParameter",
    "NestedParameter",
    "ParameterGroup",
    "PatchParameter",
    "StringParameter",
    "TextParameter",
    "UserNameParameter",
    "ValidationError",
    "ValidationErrorCollector",
    "WorkerChoiceParameter",
    "oneCodebase",
]

SOURCE = "Force Build Form"
REASON = "A build was forced by '%(owner)s': %(reason)s"


def oneCodebase(**kw: Any) -> list[CodebaseParameter]:
    """The ``codebases`` of a ForceScheduler with a single, unnamed codebase."""
    return [CodebaseParameter("", **kw)]


class ForceScheduler(ReconfigurableBaseScheduler):
    """Adds a buildset when a user says so.

    :param builderNames: the builders that can be forced
    :param username: the field for who forces (a :class:`UserNameParameter`); not used when users log in
    :param reason: the field for the reason
    :param reasonString: of the builds; ``%(owner)s`` and ``%(reason)s`` are filled in
    :param buttonName: on the button; the name by default
    :param codebases: names or :class:`CodebaseParameter` of the codebases
    :param label: the title of the form; the name by default
    :param properties: further fields, each of which becomes a property
    :param priority: the field for the requests' priority
    """

    compare_attrs: Sequence[str] = (
        "name",
        "builderNames",
        "reason",
        "username",
        "forcedProperties",
        "buttonName",
        "label",
    )
    all_fields: list[BaseParameter]
    forcedProperties: Sequence[BaseParameter]
    buttonName: str
    label: str

    def __init__(self, name: str, builderNames: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, builderNames=[] if builderNames is None else builderNames, **kwargs)

    def checkIfType(self, obj: Any, chkType: Any) -> bool:
        """Whether an object is of a type."""
        return isinstance(obj, chkType)

    def checkIfListOfType(self, obj: Any, chkType: Any) -> bool:
        """Whether an object is a list of objects of a type."""
        return isinstance(obj, list | tuple) and all(isinstance(item, chkType) for item in obj)

    def checkConfig(  # type: ignore[override]
        self,
        builderNames: Any,
        username: Any = None,
        reason: Any = None,
        reasonString: str = REASON,
        buttonName: str | None = None,
        codebases: Any = None,
        label: str | None = None,
        properties: Any = None,
        priority: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        where = f"ForceScheduler '{self.name}'"
        if not is_identifier(self.name or "", 256):
            error(f"ForceScheduler name must be an identifier: {self.name!r}")
        for what, value in (("buttonName", buttonName), ("label", label), ("reasonString", reasonString)):
            if value is not None and not isinstance(value, str):
                error(f"{where}: {what} must be a string: {value!r}")
        for what, value, kind in (
            ("username", username, StringParameter),
            ("reason", reason, StringParameter),
            ("priority", priority, IntParameter),
        ):
            fits = BaseParameter if kind is StringParameter else kind | FixedParameter
            if value is not None and not isinstance(value, fits):
                error(f"{where}: {what} must be a {kind.__name__}: {value!r}")
        if properties is not None and not self.checkIfListOfType(properties, BaseParameter):
            error(f"{where}: properties must be a list of BaseParameters: {properties!r}")
            properties = None
        if not self._codebases_are_right(where, codebases):
            codebases = None
        super().checkConfig(builderNames, codebases=_defaults(_codebase_parameters(codebases)), **kwargs)
        self._take_form(username, reason, reasonString, buttonName, codebases, label, properties, priority)

    def _codebases_are_right(self, where: str, codebases: Any) -> bool:
        if codebases is None:
            return True
        if not isinstance(codebases, list | tuple):
            error(
                f"{where}: 'codebases' should be a list of strings or CodebaseParameter, not {type(codebases).__name__}"
            )
            return False
        if not codebases:
            error(f"{where}: 'codebases' cannot be empty; use [CodebaseParameter(codebase='', hide=True)] if needed")
            return False
        if not self.checkIfListOfType(codebases, str | CodebaseParameter):
            error(f"{where}: 'codebases' must be a list of strings or CodebaseParameter objects: {codebases!r}")
            return False
        return True

    def _take_form(
        self,
        username: Any,
        reason: Any,
        reasonString: str,
        buttonName: str | None,
        codebases: Any,
        label: str | None,
        properties: Any,
        priority: Any,
    ) -> None:
        self.username = UserNameParameter() if username is None else username
        self.reason = StringParameter(name="reason", default="force build", size=20) if reason is None else reason
        self.priority_field = IntParameter(name="priority", default=0) if priority is None else priority
        self.reasonString = reasonString
        self.label = self.name if label is None else label
        self.buttonName = self.name if buttonName is None else buttonName
        self.forcedProperties = list(properties or [])
        self.codebase_fields = _codebase_parameters(codebases)
        self.all_fields = [
            NestedParameter(name="", fields=[self.username, self.reason, self.priority_field]),
            *self.codebase_fields,
            *self.forcedProperties,
        ]

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        builderNames: Any,
        username: Any = None,
        reason: Any = None,
        reasonString: str = REASON,
        buttonName: str | None = None,
        codebases: Any = None,
        label: str | None = None,
        properties: Any = None,
        priority: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take over these arguments."""
        defaults = _defaults(_codebase_parameters(codebases))
        await maybe(super().reconfigService, builderNames, codebases=defaults, **kwargs)
        self._take_form(username, reason, reasonString, buttonName, codebases, label, properties, priority)

    # -- forcing -------------------------------------------------------------------------------------------------------

    @deferred
    async def gatherPropertiesAndChanges(
        self, collector: ValidationErrorCollector, **kwargs: Any
    ) -> tuple[Properties, list[int], dict[str, dict[str, Any]]]:
        """A Deferred of what was filled in: the properties, changes to be built, and source stamps by codebase."""
        values: dict[str, Any] = {}
        changeids: list[Any] = []
        stamps: dict[str, dict[str, Any]] = {}
        for field in [*self.forcedProperties, *self.codebase_fields]:
            await collector.collectValidationErrors(
                field.fullName or "",
                field.updateFromKwargs,
                master=self.master,
                properties=values,
                changes=changeids,
                sourcestamps=stamps,
                collector=collector,
                kwargs=kwargs,
            )
        changeids = [one if isinstance(one, int) else one.number for one in changeids]
        properties = Properties()
        for name, value in values.items():
            properties.setProperty(name, value, SOURCE)
        return properties, changeids, stamps

    @deferred
    async def computeBuilderNames(
        self, builderNames: Sequence[str] | None = None, builderid: int | str | None = None
    ) -> Any:
        """A Deferred of the builders to force: those asked for, as far as this scheduler may."""
        if builderNames is None:
            if builderid is None:
                return self.builderNames
            builder = await self.master.data.get(("builders", str(builderid)))
            if builder is None:
                raise CollectedValidationError({"builderid": f"there is no builder {builderid}"})
            builderNames = [builder["name"]]
        return sorted(set(builderNames).intersection(self.builderNames))

    @deferred
    async def force(
        self,
        owner: str | None,
        builderNames: Sequence[str] | None = None,
        builderid: int | str | None = None,
        **kwargs: Any,
    ) -> Added:
        """Force builds, as ``owner``, with what was filled in: values by the full names of the fields.

        A Deferred of (buildset id, request id by builder id); fails with :class:`CollectedValidationError`.
        """
        names = await self.computeBuilderNames(builderNames, builderid)
        if not names:
            raise KeyError(f"builderNames not specified or not supported by scheduler {self.name!r}")
        if not self.enabled:
            raise ValueError(f"scheduler {self.name!r} is switched off")
        collector = ValidationErrorCollector()
        reason = await collector.collectValidationErrors(self.reason.fullName or "", self.reason.getFromKwargs, kwargs)
        priority = await collector.collectValidationErrors(
            self.priority_field.fullName or "", self.priority_field.getFromKwargs, kwargs
        )
        if not owner or owner == "anonymous":
            named = await collector.collectValidationErrors(
                self.username.fullName or "", self.username.getFromKwargs, kwargs
            )
            owner = named or owner or "user"
        properties, changeids, stamps = await self.gatherPropertiesAndChanges(collector, **kwargs)
        collector.maybeRaiseCollectedErrors()
        properties.setProperty("reason", reason, SOURCE)
        properties.setProperty("owner", owner, SOURCE)
        return await self.addBuildsetForSourceStampsWithDefaults(
            reason=self.reasonString % {"owner": owner, "reason": reason},
            sourcestamps=[{"codebase": codebase, **stamp} for codebase, stamp in stamps.items()],
            properties=properties,
            builderNames=names,
            priority=priority,
            changeids=changeids,
        )


def _codebase_parameters(codebases: Any) -> list[CodebaseParameter]:
    given = [CodebaseParameter(codebase="")] if codebases is None else codebases
    return [CodebaseParameter(codebase=one) if isinstance(one, str) else one for one in given]


def _defaults(fields: Sequence[CodebaseParameter]) -> dict[str, Mapping[str, Any]]:
    """What the fields' defaults say of each codebase."""
    wanted = ("branch", "repository", "revision")
    return {
        codebase.codebase: {field.name: field.default for field in codebase.fields if field.name in wanted}
        for codebase in fields
    }
