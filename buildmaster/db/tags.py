"""Documented address: the connector for tags."""

from buildmaster.db.documented.kept import TagsConnectorComponent

__all__ = ["TagsConnectorComponent"]
