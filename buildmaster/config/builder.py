"""What a configuration says of one builder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from buildmaster.base import where
from buildmaster.base.configured import ConfiguredMixin
from buildmaster.base.errors import error
from buildmaster.base.params import check_param_length
from buildmaster.base.showing import show
from buildmaster.base.strings import bytes2unicode, safeTranslate

RESERVED_UNDERSCORE_NAMES = ["__Janitor"]
"""Names of built-in builders: others may not start with an underscore."""

MAX_NAME = 512

UNKNOWN = "<unknown>"


class BuilderConfig(ConfiguredMixin):
    """A builder: which workers build what, and how.

    The arguments and the attributes are called alike; ``workername`` is added to ``workernames``, ``builddir`` is by
    default the name as a directory, ``workerbuilddir`` the ``builddir``.  Users may subclass it to add defaults.
    """

    config_place: where.Place | None = None
    """Where the configuration makes this builder."""

    def __init__(
        self,
        name: str | None = None,
        workername: str | None = None,
        workernames: Sequence[str] | str | None = None,
        builddir: str | None = None,
        workerbuilddir: str | None = None,
        factory: Any = None,
        tags: Sequence[str] | None = None,
        nextWorker: Callable[..., Any] | None = None,
        nextBuild: Callable[..., Any] | None = None,
        locks: Any = None,
        env: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        collapseRequests: bool | Callable[..., Any] | None = None,
        description: str | None = None,
        description_format: str | None = None,
        canStartBuild: Callable[..., Any] | None = None,
        defaultProperties: Mapping[str, Any] | None = None,
        project: str | None = None,
        do_build_if: Callable[..., Any] | bool | None = None,
    ) -> None:
        self.config_place = where.caller()
        self.name = self._check_name(name)
        self._what = f"builder {self.name!r}"
        self.factory = self._check_factory(factory)
        self.workernames = self._check_workernames(workername, workernames)
        self.builddir = self._check_directory("builddir", builddir, bytes2unicode(safeTranslate(self.name)))
        self.workerbuilddir = self._check_directory("workerbuilddir", workerbuilddir, self.builddir)
        self.tags = self._check_tags(tags)
        self.nextWorker = self._check_callable("nextWorker", nextWorker)
        self.nextBuild = self._check_callable("nextBuild", nextBuild)
        self.canStartBuild = self._check_callable("canStartBuild", canStartBuild)
        self.locks = locks or []
        self.env = self._check_dict("env", env)
        self.properties = self._check_dict("properties", properties)
        self.defaultProperties = self._check_dict("defaultProperties", defaultProperties)
        self._check_virtual({**self.defaultProperties, **self.properties})
        self.collapseRequests = self._check_switch("collapseRequests", collapseRequests)
        self.description = self._check_text("description", description)
        self.description_format = self._check_format(description_format)
        self.project = self._check_text("project", project)
        self.do_build_if = self._check_switch("do_build_if", do_build_if)

    def getConfigDict(self) -> dict[str, Any]:
        """The settings that differ from nothing, for showing."""
        shown = {
            "name": self.name,
            "workernames": self.workernames,
            "factory": self.factory,
            "builddir": self.builddir,
            "workerbuilddir": self.workerbuilddir,
        }
        optional = (
            "project tags nextWorker nextBuild locks env properties defaultProperties collapseRequests description "
            "description_format canStartBuild do_build_if"
        )
        return {**shown, **{name: getattr(self, name) for name in optional.split() if getattr(self, name)}}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def _check_name(self, name: Any) -> str:
        if not isinstance(name, str | bytes) or not name:
            error(f"builder's name is required: name must be a non-empty string, not {show(name)}")
            return UNKNOWN
        text: str = bytes2unicode(name)
        if text.startswith("_") and text not in RESERVED_UNDERSCORE_NAMES:
            error(f"builder names must not start with an underscore: {text!r}")
        check_param_length(text, "Builder name", MAX_NAME)
        return text

    def _check_factory(self, factory: Any) -> Any:
        if factory is None:
            error(f"{self._what}: has no factory; give it factory=util.BuildFactory([…])")
        elif not callable(getattr(factory, "newBuild", None)):
            error(f"{self._what}: factory is not a BuildFactory instance but {show(factory)}")
        return factory

    def _check_workernames(self, workername: Any, workernames: Any) -> list[str]:
        if workernames is None:
            given: list[Any] = []
        elif isinstance(workernames, str):
            given = [workernames]
        elif isinstance(workernames, Iterable):
            given = list(workernames)
        else:
            error(f"{self._what}: workernames must be a list or a string, not {show(workernames)}")
            return []
        if workername is not None:
            given.append(workername)
        wrong = [one for one in given if not isinstance(one, str)]
        for one in wrong:
            error(f"{self._what}: workername must be a string but it is {show(one)}")
        names = list(dict.fromkeys(one for one in given if isinstance(one, str) and one))
        if not names and not wrong:
            error(f"{self._what}: at least one workername is required; give it workernames=[…]")
        return names

    def _check_directory(self, what: str, given: Any, default: str) -> str:
        if given is None:
            return default
        if not isinstance(given, str) or not given:
            error(f"{self._what}: {what} must be a non-empty string, not {show(given)}")
            return default
        return given

    def _check_tags(self, tags: Any) -> list[str]:
        if tags is None:
            return []
        if not isinstance(tags, list | tuple):
            error(f"{self._what}: tags must be a list, not {show(tags)}")
            return []
        if any(not isinstance(tag, str) for tag in tags):
            error(f"{self._what}: tags list contains something that is not a string")
            return []
        duplicates = sorted({tag for tag in tags if tags.count(tag) > 1})
        if duplicates:
            error(f"{self._what}: tags list contains duplicate tags: {', '.join(duplicates)}")
        return list(dict.fromkeys(tags))

    def _check_callable(self, what: str, value: Any) -> Any:
        if value is not None and not callable(value):
            error(f"{self._what}: {what} must be a callable, not {show(value)}")
            return None
        return value

    def _check_switch(self, what: str, value: Any) -> Any:
        if value is not None and not isinstance(value, bool) and not callable(value):
            error(f"{self._what}: {what} must be a callable, True, or False, not {show(value)}")
            return None
        return value

    def _check_dict(self, what: str, value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            error(f"{self._what}: {what} must be a dictionary, not {show(value)}")
            return {}
        for key in value:
            if not isinstance(key, str):
                error(f"{self._what}: the keys of {what} must be strings, but one is {show(key)}")
        return dict(value)

    def _check_virtual(self, properties: Mapping[str, Any]) -> None:
        for name in ("virtual_builder_name", "virtual_builder_description", "virtual_builder_project"):
            if not isinstance(properties.get(name), str | None):
                shown = show(properties[name])
                error(f"{self._what}: the property {name} must be text, known before the build begins, not {shown}")

    def _check_text(self, what: str, value: Any) -> str | None:
        if value is not None and not isinstance(value, str):
            error(f"{self._what}: {what} must be a string or None, not {show(value)}")
            return None
        return value

    def _check_format(self, value: Any) -> str | None:
        if value not in (None, "markdown"):
            error(f'{self._what}: builder description format must be None or "markdown", not {show(value)}')
            return None
        return str(value) if value else None
