"""Configurators: objects in ``c['configurators']`` that add to a configuration while it is loaded.

They write builders, schedulers and workers as a user would, which is why this room lies above those of the plugins.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from buildmaster.base.interfaces import IConfigurator

__all__ = ["ConfiguratorBase", "IConfigurator"]


@implementer(IConfigurator)
class ConfiguratorBase:
    """The documented base class: gives easy access to what a configuration consists of.

    After ``configure`` of this class, ``self.builders``, ``schedulers``, ``workers``, ``projects``,
    ``secretsProviders`` (lists), ``protocols`` and ``www`` (dictionaries) are those of the configuration, made empty
    if the user has none; ``self.config_dict`` is the whole.  Subclasses add to them.
    """

    def configure(self, config_dict: dict[str, Any]) -> None:
        """Take hold of the dictionary that master.cfg made."""
        self.config_dict = config_dict
        self.schedulers: list[Any] = config_dict.setdefault("schedulers", [])
        self.protocols: dict[str, Any] = config_dict.setdefault("protocols", {})
        self.builders: list[Any] = config_dict.setdefault("builders", [])
        self.workers: list[Any] = config_dict.setdefault("workers", [])
        self.projects: list[Any] = config_dict.setdefault("projects", [])
        self.secretsProviders: list[Any] = config_dict.setdefault("secretsProviders", [])
        self.www: dict[str, Any] = config_dict.setdefault("www", {})
