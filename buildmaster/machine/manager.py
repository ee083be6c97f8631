"""All machines of a master, as ``c['machines']`` lists them."""

from __future__ import annotations

from typing import Any

from buildmaster.service import BuildbotServiceManager


class MachineManager(BuildbotServiceManager):
    """Starts, stops and reconfigures the machines by name."""

    name: Any = "MachineManager"
    managed_services_name = "machines"
    config_attr = "machines"
    reconfig_priority = 200  # before the workers, which look for theirs

    @property
    def machines(self) -> dict[str, Any]:
        """The machines by name."""
        return {machine.name: machine for machine in self}

    def getMachineByName(self, name: str) -> Any:
        """The machine of this name; None if there is none."""
        return self.machines.get(name)
