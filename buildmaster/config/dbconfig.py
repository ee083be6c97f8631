"""Values that a configuration keeps in the master's database: the documented DbConfig."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildmaster.base.errors import error
from buildmaster.config.db import db_config
from buildmaster.db import beside, migrate

CLASS_NAME = "DbConfig"
MISSING: Any = object()


class DbConfig:
    """Named values in the database, for a master.cfg to read (and write) while it is loaded.

    Other masters on the same database, and programs beside them, see the same values.  Each call has a connection of
    its own and waits for the answer, which is well for a few values in a configuration.

    :param BuildmasterConfig: the configuration, in which the database has been named already
    :param basedir: the directory that paths of SQLite databases refer to: the ``basedir`` that master.cfg finds
    :param name: sets of values with different names are different
    """

    def __init__(self, BuildmasterConfig: Mapping[str, Any], basedir: str, name: str = "config") -> None:
        self.db_config = db_config(BuildmasterConfig)
        self.basedir = str(basedir)
        self.name = name
        if not isinstance(self.db_config.db_url, str):
            error("DbConfig needs c['db']['db_url'] as text: secrets are not known yet while the configuration is read")

    def get(self, name: str, default: Any = MISSING) -> Any:
        """The value of this name; ``default`` if there is none or no database yet, without one KeyError."""
        try:
            return beside.read(*self._where(), name)
        except migrate.NotCreated as missing:
            why: Any = f"{name}: {missing}"
        except KeyError:
            why = name
        if default is not MISSING:
            return default
        raise KeyError(why)

    def set(self, name: str, value: Any) -> None:
        """Keep a value, anything that JSON can hold.

        Raises TypeError for others, and :class:`~buildmaster.db.migrate.SchemaError` while there is no database.
        """
        beside.write(*self._where(), name, value)

    def _where(self) -> tuple[str, str, dict[str, Any], tuple[str, str]]:
        return self.db_config.db_url, self.basedir, dict(self.db_config.engine_kwargs), (self.name, CLASS_NAME)
