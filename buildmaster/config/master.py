"""Documented address; the objects live in the modules named here."""

from buildmaster.config.db import DEFAULT_DB_URL, DBConfig
from buildmaster.config.generation import MasterConfig
from buildmaster.config.loader import FileLoader, loadConfigDict

__all__ = ["DEFAULT_DB_URL", "DBConfig", "FileLoader", "MasterConfig", "loadConfigDict"]
