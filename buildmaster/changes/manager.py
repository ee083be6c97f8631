"""All change sources of a master, as ``c['change_source']`` lists them."""

from __future__ import annotations

from typing import Any

from buildmaster.service import BuildbotServiceManager


class ChangeManager(BuildbotServiceManager):
    """Starts, stops and reconfigures the change sources by name."""

    name: Any = "ChangeManager"
    managed_services_name = "changesources"
    config_attr = "change_sources"
