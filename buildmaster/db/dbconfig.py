"""Documented address: values that a configuration keeps in the database."""

from buildmaster.config.dbconfig import DbConfig

__all__ = ["DbConfig"]
