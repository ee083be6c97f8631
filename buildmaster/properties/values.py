"""Named values with their sources."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted.internet import defer
from zope.interface import implementer

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.interfaces import IProperties
from buildmaster.properties.masking import Secrets
from buildmaster.properties.rendering import render

_JSON = frozenset({str, int, float, bool, type(None)})


def _check_storable(name: str, value: Any) -> None:
    if type(value) in _JSON:
        return
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        warnings.warn(
            f"property {name!r} has a value of type {type(value).__name__} that JSON cannot express; "
            "it is stored as its text",
            DeprecationWarning,
            stacklevel=4,
        )


@implementer(IProperties)
class Properties(ComparableMixin):
    """Property names with a JSON-able value and a source each.

    ``runtime`` is the set of names set while a build ran; they are not passed on to rebuilds.  Keyword arguments set
    initial values, with the source ``TEST``.
    """

    compare_attrs = ("properties",)

    def __init__(self, **kwargs: Any) -> None:
        self.properties: dict[str, tuple[Any, str]] = {}
        self.runtime: set[str] = set()
        self.build: Any = None
        self._used_secrets = Secrets()
        self._before_secrets: dict[str, tuple[Any, str]] = {}  # what was there before the first of them was used
        self.on_first_secret: Callable[[], None] | None = None  # called when it was used
        self._master: Any = None
        self._sourcestamps: list[dict] | None = None
        self._changes: list[dict] | None = None
        for name, value in kwargs.items():
            self.setProperty(name, value, "TEST")

    @classmethod
    def fromDict(cls, propDict: Mapping[str, tuple[Any, str]]) -> Properties:
        """From name → (value, source), the form in which properties are stored."""
        properties = cls()
        for name, (value, source) in propDict.items():
            properties.properties[name] = (value, source)
        return properties

    def __getstate__(self) -> dict:
        return {**self.__dict__, "build": None, "_master": None}

    def __contains__(self, name: object) -> bool:
        return name in self.properties

    def __getitem__(self, name: str) -> Any:
        """The value; raises KeyError if there is no such property."""
        return self.properties[name][0]

    def __len__(self) -> int:
        return len(self.properties)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self.properties)

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or ``default``."""
        return self.getProperty(name, default)

    def __repr__(self) -> str:
        return f"Properties(**{ {name: value for name, (value, _) in self.properties.items()}!r})"

    def getProperty(self, name: str, default: Any = None) -> Any:
        """The value, or ``default`` if there is no such property."""
        found = self.properties.get(name)
        return default if found is None else found[0]

    def hasProperty(self, name: str) -> bool:
        """Whether there is a property of this name."""
        return name in self.properties

    has_key = hasProperty

    def getPropertySource(self, name: str) -> str:
        """Where the property came from; raises KeyError if there is none of this name."""
        return self.properties[name][1]

    def setProperty(self, name: str, value: Any, source: str, runtime: bool = False) -> None:
        """Set a value; ``runtime`` marks one that was found out while building."""
        _check_storable(name, value)
        self.properties[name] = (value, source)
        if runtime:
            self.runtime.add(name)

    def update(self, dict: Mapping[str, Any], source: str, runtime: bool = False) -> None:
        """Set several values from one source."""
        for name, value in dict.items():
            self.setProperty(name, value, source, runtime)

    def updateFromProperties(self, other: Properties) -> None:
        """Take over all of another one's properties, sources and runtime marks."""
        self.properties.update(other.properties)
        self.runtime.update(other.runtime)

    def updateFromPropertiesNoRuntime(self, other: Properties) -> None:
        """Take over another one's properties, except those that were found out while building."""
        for name, found in other.properties.items():
            if name not in other.runtime:
                self.properties[name] = found

    def asList(self) -> list[tuple[str, Any, str]]:
        """Sorted (name, value, source)."""
        return sorted(((name, value, source) for name, (value, source) in self.properties.items()), key=lambda p: p[0])

    def asDict(self) -> dict[str, tuple[Any, str]]:
        """Name → (value, source)."""
        return dict(self.properties)

    def getProperties(self) -> Properties:
        """Itself, as all that provide IProperties."""
        return self

    def getBuild(self) -> Any:
        """The build these properties belong to, or None."""
        return self.build

    def render(self, value: Any) -> defer.Deferred[Any]:
        """A Deferred of ``value`` with all its renderable parts rendered."""
        return render(value, self)

    # -- what belongs to a build or to a scheduler's decision ------------------------------------------------------

    @property
    def master(self) -> Any:
        """The master: of the build, or as it was set."""
        return self.build.master if self.build is not None else self._master

    @master.setter
    def master(self, value: Any) -> None:
        self._master = value

    @property
    def sourcestamps(self) -> list[dict]:
        """The source stamps as dictionaries; raises AttributeError if there can be none."""
        if self.build is not None:
            return [stamp.asDict() for stamp in self.build.getAllSourceStamps()]
        if self._sourcestamps is None:
            raise AttributeError("neither a build nor source stamps have been set for these properties")
        return self._sourcestamps

    @sourcestamps.setter
    def sourcestamps(self, value: list[dict]) -> None:
        self._sourcestamps = value

    def getSourceStamp(self, codebase: str = "") -> dict | None:
        """The source stamp of a codebase as a dictionary, or None."""
        if self.build is not None:
            stamp = self.build.getSourceStamp(codebase)
            return stamp.asDict() if stamp is not None else None
        return next((stamp for stamp in self.sourcestamps if stamp["codebase"] == codebase), None)

    @property
    def changes(self) -> list[dict]:
        """The changes as dictionaries; raises AttributeError if there can be none."""
        if self.build is not None:
            return [change.asChDict() for change in self.build.allChanges()]
        if self._changes is None:
            raise AttributeError("neither a build nor changes have been set for these properties")
        return self._changes

    @changes.setter
    def changes(self, value: list[dict]) -> None:
        self._changes = value

    @property
    def files(self) -> list[str]:
        """The files of all changes, each once."""
        if self.build is not None:
            return self.build.allFiles()
        return list(dict.fromkeys(name for change in self.changes for name in change["files"]))

    # -- secrets ---------------------------------------------------------------------------------------------------

    @property
    def used_secrets(self) -> Mapping[str, str]:
        """Secret values that were rendered with these properties → names.  Grows while a build runs."""
        return self._used_secrets

    def useSecret(self, secret_value: Any, secret_name: str) -> None:
        """Note that a secret was rendered, so that its value is hidden from now on.

        To be called by who makes something else that must not be shown, say of a secret, by itself.
        """
        first = not self._used_secrets
        if first:
            self._before_secrets = dict(self.properties)
        self._used_secrets.use(secret_value, secret_name)
        if first and self._used_secrets and self.on_first_secret is not None:
            self.on_first_secret()

    def cleanupTextFromSecrets(self, text: str) -> str:
        """``text`` with the values of used secrets replaced by their names in angle brackets."""
        return self._used_secrets.masks.text(text) if self._used_secrets else text

    def without_secrets(self, value: Any) -> Any:
        """The same for all text and bytes in a value, however it is nested."""
        return self._used_secrets.masks.value(value) if self._used_secrets else value

    def shown(self) -> dict[str, tuple[Any, str]]:
        """As :meth:`asDict`, without secrets: what may be stored, and shown to everybody.

        Values that were there before the first secret was rendered are left as they are, whatever they look like.
        """
        if not self._used_secrets:
            return self.asDict()
        before = self._before_secrets
        return {
            name: pair if before.get(name) == pair else self.without_secrets(pair)
            for name, pair in self.properties.items()
        }

    def names_of_secrets_in(self, value: Any) -> list[str]:
        """The names of the used secrets whose values are somewhere in this value.

        None for a value that a property had before the first secret was rendered.
        """
        if not self._used_secrets or any(known == value for known, _ in self._before_secrets.values()):
            return []
        return self._used_secrets.masks.names_in(value)


class PropertiesMixin:
    """The documented short cuts to the properties of what has ``getProperties()``."""

    set_runtime_properties = False

    def __conform__(self, interface: Any) -> Any:
        return self.getProperties() if interface is IProperties else None

    def getProperties(self) -> Properties:
        """The properties themselves."""
        return self.properties  # type: ignore[attr-defined]

    def getProperty(self, propname: str, default: Any = None) -> Any:
        """A property's value, or ``default``."""
        return self.getProperties().getProperty(propname, default)

    def hasProperty(self, propname: str) -> bool:
        """Whether there is a property of this name."""
        return self.getProperties().hasProperty(propname)

    has_key = hasProperty

    def setProperty(self, propname: str, value: Any, source: str = "Unknown", runtime: bool | None = None) -> None:
        """Set a property; ``runtime`` is by default what the class says (true for builds and steps)."""
        if runtime is None:
            runtime = self.set_runtime_properties
        self.getProperties().setProperty(propname, value, source, runtime=runtime)

    def render(self, value: Any) -> defer.Deferred[Any]:
        """A Deferred of ``value`` with all its renderable parts rendered."""
        return self.getProperties().render(value)
