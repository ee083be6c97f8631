"""A configuration generation: every documented setting as an attribute, checked whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.deadlines import Deadlines
from buildmaster.base.errors import ConfigErrors, capture_config_errors, error
from buildmaster.base.showing import show, words_of
from buildmaster.config import settings
from buildmaster.config.db import DBConfig, db_config
from buildmaster.config.deadlines import deadlines
from buildmaster.config.lists import Lists
from buildmaster.config.places import LocatedErrors
from buildmaster.config.references import References
from buildmaster.properties import Properties


class MasterConfig(ComparableMixin):
    """All settings of a master.  Made without a file it holds the defaults."""

    compare_attrs = tuple(sorted(settings.KEYS))

    title: str
    titleURL: str
    buildbotURL: str
    logCompressionLimit: int | bool
    logCompressionMethod: str
    logEncoding: str | Callable[[bytes], str]
    logMaxSize: int | None
    logMaxTailSize: int | None
    changeHorizon: int | None
    collapseRequests: bool | Callable[..., Any] | None
    prioritizeBuilders: Callable[..., Any] | None
    select_next_worker: Callable[..., Any] | None
    codebaseGenerator: Callable[[dict[str, Any]], str] | None
    revlink: Callable[[str, str], str | None]
    manhole: Any
    multiMaster: bool
    buildbotNetUsageData: Any

    def __init__(self) -> None:
        self.generation = 0
        """Which successful loading this is, from 1 on; 0: the defaults."""
        self.filename: str | None = None
        """The configuration file."""
        self.sources: list[str] = []
        """All files that it was made from."""
        self.db = DBConfig()
        self.mq: dict[str, Any] = {"type": "simple"}
        self.metrics: dict[str, Any] | None = None
        self.caches = dict(settings.DEFAULT_CACHES)
        self.validation: dict[str, Any] = dict(settings.DEFAULT_VALIDATION)
        self.deadlines = Deadlines()
        self.properties = Properties()
        self.protocols: dict[str, dict[str, Any]] = {}
        self.www: dict[str, Any] = {"port": None, "plugins": {}}
        self.builders: list[Any] = []
        self.workers: list[Any] = []
        self.schedulers: dict[str, Any] = {}
        self.change_sources: list[Any] = []
        self.services: dict[str, Any] = {}
        self.secretsProviders: list[Any] = []
        self.machines: list[Any] = []
        self.projects: list[Any] = []
        self.codebases: list[Any] = []
        self.user_managers: list[Any] = []
        self.__dict__.update(settings.plain_settings({}))

    @classmethod
    def loadFromDict(cls, config_dict: Mapping[str, Any], filename: str) -> MasterConfig:
        """The configuration that a dictionary describes; ``filename`` is named in errors.

        Raises :class:`~buildmaster.base.errors.ConfigErrors` with all mistakes.
        """
        errors = LocatedErrors(os.path.dirname(os.path.abspath(filename)), [os.path.abspath(filename)])
        config = cls.checked(config_dict, filename, errors, {})
        if errors:
            raise ConfigErrors(errors.errors)
        return config

    @classmethod
    def checked(
        cls,
        config_dict: Mapping[str, Any],
        filename: str,
        errors: LocatedErrors,
        section_checks: Mapping[str, Callable[[Any], Iterable[str]]],
    ) -> MasterConfig:
        """The configuration that a dictionary describes; all mistakes are added to ``errors``."""
        config = cls()
        config.filename = filename
        config.sources = list(errors.sources)
        with capture_config_errors(into=errors):
            config._load(dict(config_dict), filename, errors)
            for key, check in section_checks.items():
                for message in check(config_dict.get(key, {})) if not _is_mistaken(config_dict, key) else ():
                    errors.of_key(key, message)
            References(config, errors).check()
        return config

    def _load(self, config_dict: dict[str, Any], filename: str, errors: LocatedErrors) -> None:
        self._run_configurators(config_dict, errors)
        for key in config_dict:
            if key not in settings.KEYS:
                errors.of_key(str(key), settings.unknown_key(key))
        keyed = KeyedErrors(errors)
        self.__dict__.update(keyed("", settings.plain_settings, config_dict))
        self.db = keyed("db", db_config, config_dict)
        self.mq = keyed("mq", settings.mq, config_dict)
        self.metrics = keyed("metrics", settings.metrics, config_dict)
        self.caches = keyed("caches", settings.caches, config_dict)
        self.validation = keyed("validation", settings.validation, config_dict)
        self.deadlines = keyed("deadlines", deadlines, config_dict)
        self.properties = keyed("properties", settings.global_properties, config_dict, filename)
        self.protocols = keyed("protocols", protocols, config_dict)
        self.www.update(keyed("www", settings.dictionary, config_dict, "www"))
        self._load_lists(Lists(config_dict, errors))

    def _load_lists(self, lists: Lists) -> None:
        self.machines = lists.machines()
        self.workers = lists.workers()
        self.projects = lists.projects()
        self.codebases = lists.codebases()
        self.builders = lists.builders()
        self.schedulers = lists.schedulers()
        self.change_sources = lists.change_sources()
        self.services = lists.services()
        self.secretsProviders = lists.secrets_providers()
        self.user_managers = lists.user_managers()

    @staticmethod
    def _run_configurators(config_dict: dict[str, Any], errors: LocatedErrors) -> None:
        configurators = config_dict.get("configurators", [])
        if not isinstance(configurators, list | tuple):
            errors.of_key("configurators", f"c['configurators'] must be a list, not {show(configurators)}")
            return
        for configurator in configurators:
            if not callable(getattr(configurator, "configure", None)):
                errors.of_key(
                    "configurators", f"c['configurators'] holds {show(configurator)}, which is no configurator"
                )
                continue
            try:
                configurator.configure(config_dict)
            except ConfigErrors as wrong:
                errors.merge(wrong)
            except Exception as raised:  # policy: told as a mistake of the configuration, with all others
                errors.of_key(
                    "configurators",
                    f"configurator {type(configurator).__name__} raised {words_of(raised)}",
                )

    @staticmethod
    def get_dbconfig_from_config(config_dict: Mapping[str, Any], throwErrors: bool = True) -> DBConfig:
        """The database of a configuration of which nothing else is needed; mistakes are raised unless not wanted."""
        with capture_config_errors(raise_on_error=throwErrors):
            return db_config(config_dict)

    def preChangeGenerator(self, **kwargs: Any) -> dict[str, Any]:
        """The change that a ``codebaseGenerator`` is shown: the given fields, None for the others."""
        return {
            "changeid": None,
            "author": kwargs.get("author"),
            "committer": kwargs.get("committer"),
            "files": kwargs.get("files"),
            "comments": kwargs.get("comments"),
            "revision": kwargs.get("revision"),
            "when_timestamp": kwargs.get("when_timestamp"),
            "branch": kwargs.get("branch"),
            "category": kwargs.get("category"),
            "revlink": kwargs.get("revlink"),
            "properties": kwargs.get("properties"),
            "repository": kwargs.get("repository"),
            "project": kwargs.get("project"),
            "codebase": None,
        }


class KeyedErrors:
    """Runs the readers of keys; what they report gets the line of the key."""

    def __init__(self, errors: LocatedErrors) -> None:
        self._errors = errors

    def __call__(self, key: str, reader: Callable[..., Any], *args: Any) -> Any:
        """What the reader returns; ``key`` is where its messages belong unless they name another."""
        with capture_config_errors() as found:
            result = reader(*args)
        for message in found.errors:
            self._errors.of_key(_key_named(message) or key, message)
        return result


def _key_named(message: str) -> str | None:
    """The key that a message is about: the first ``c['…']`` in it."""
    _, found, rest = message.partition("c['")
    return rest.partition("']")[0] if found else None


def _is_mistaken(config_dict: Mapping[str, Any], key: str) -> bool:
    return not isinstance(config_dict.get(key, {}), Mapping)


PROTOCOLS = ("pb", "msgpack_experimental_v7", "null")
"""Keys of ``c['protocols']``; the last is Buildbot's for workers in the master's own process, and has no port."""


def protocols(config_dict: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """``c['protocols']``: protocol → its options; workers need at least one unless they run here."""
    found: dict[str, dict[str, Any]] = {}
    for name, options in settings.dictionary(config_dict, "protocols").items():
        if not isinstance(name, str):
            error(f"c['protocols'] keys must be strings, not {show(name)}")
        elif name not in PROTOCOLS:
            error(f"c['protocols']['{name}']: there is no such protocol; there are {', '.join(PROTOCOLS[:2])}")
        elif not isinstance(options, Mapping):
            error(f"c['protocols']['{name}'] must be a dict, say {{'port': 9989}}, not {show(options)}")
        elif not isinstance(options.get("port", 0), int | str):
            error(f"c['protocols']['{name}']['port'] must be a port or an endpoint's description as a string")
        else:
            found[name] = dict(options)
    workers = config_dict.get("workers")
    if isinstance(workers, list | tuple) and not found and any(map(comes_from_outside, workers)):
        error("workers are configured, but c['protocols'] not; write c['protocols'] = {'pb': {'port': 9989}}")
    return found


def comes_from_outside(worker: Any) -> bool:
    """Whether a worker connects to a port of the master."""
    return getattr(worker, "pb_port", None) is None
