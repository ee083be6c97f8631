"""Documented address: the base class of the connectors of ``master.db``."""

from buildmaster.db.documented.base import DBConnectorComponent

__all__ = ["DBConnectorComponent"]
