"""``c['db']``: where the master keeps its data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable

DEFAULT_DB_URL = "sqlite:///state.sqlite"

_IN_MEMORY = re.compile(r"sqlite(\+\w+)?:///?(:memory:)?(\?.*)?")


@implementer(IRenderable)
class DBConfig:
    """The database: an SQLAlchemy address, and arguments for its engine.  Both may contain secrets."""

    def __init__(self, db_url: Any = DEFAULT_DB_URL, engine_kwargs: Mapping[str, Any] | None = None) -> None:
        self.db_url = db_url
        self.engine_kwargs = dict(engine_kwargs or {})

    @deferred
    async def getRenderingFor(self, iprops: Any) -> DBConfig:
        """The same with its secrets filled in."""
        return DBConfig(await iprops.render(self.db_url), await iprops.render(self.engine_kwargs))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DBConfig):
            return NotImplemented
        return (self.db_url, self.engine_kwargs) == (other.db_url, other.engine_kwargs)

    def __hash__(self) -> int:
        return hash(str(self.db_url))

    def __repr__(self) -> str:
        return "<DBConfig>"  # the address may hold a password


def db_config(config_dict: Mapping[str, Any]) -> DBConfig:
    """The database that a configuration names, checked."""
    given, place = config_dict.get("db", {}), "c['db']['db_url']"
    if "db_url" in config_dict:
        if "db" in config_dict:
            error("c['db_url'] and c['db'] are both set; keep c['db'] = {'db_url': …}")
        given, place = {"db_url": config_dict["db_url"]}, "c['db_url']"
    if isinstance(given, DBConfig):
        return given
    if not isinstance(given, Mapping):
        kind = type(given).__name__  # the value itself may hold a password
        error(f"c['db'] must be a dictionary, not of {kind}; write c['db'] = {{'db_url': 'sqlite:///state.sqlite'}}")
        return DBConfig()
    unknown = sorted(map(str, set(given) - {"db_url", "engine_kwargs"}))
    if unknown:
        error(f"unrecognized keys in c['db']: {', '.join(unknown)}; it takes db_url and engine_kwargs")
    url, engine_kwargs = _checked_url(given.get("db_url", DEFAULT_DB_URL), place), given.get("engine_kwargs", {})
    if not isinstance(engine_kwargs, Mapping):
        error(f"c['db']['engine_kwargs'] must be a dictionary, not of {type(engine_kwargs).__name__}")
        engine_kwargs = {}
    return DBConfig(url, engine_kwargs)


def _checked_url(url: Any, place: str) -> Any:
    if IRenderable.providedBy(url):
        return url
    if not isinstance(url, str):
        error(f"{place} must be a string, not of {type(url).__name__}")
        return DEFAULT_DB_URL
    if _IN_MEMORY.fullmatch(url):
        error(
            f"{place}: {url!r} is a database in memory, where a master would keep nothing; write "
            f"{DEFAULT_DB_URL!r}, and try a configuration without files with buildmaster.testing.MemoryMaster"
        )
    return url
