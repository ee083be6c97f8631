"""The schedulers of a master."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.db import journal as journal_rows
from buildmaster.db import schedulers as rows
from buildmaster.schedulers.consuming import ChangeCache
from buildmaster.service import BuildbotServiceManager


class SchedulerManager(BuildbotServiceManager):
    """Follows the configuration's ``schedulers``.

    ``changes`` are the newest changes as objects, made once for all schedulers.
    """

    name: Any = "SchedulerManager"
    managed_services_name = "schedulers"
    config_attr = "schedulers"

    def __init__(self) -> None:
        super().__init__()
        self.changes = ChangeCache()
        self._begun = False

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow a new configuration; a scheduler that is in it no more forgets how far it has read."""
        self.changes.set_max_size(new_config.caches["Changes"])
        before = {child.name for child in self}
        if not self._begun:
            self._begun = True  # the configuration may have changed while the master was down
            await self.master.db.write(rows.forget_places_but, sorted(self.get_service_config(new_config)))
        try:
            await super().reconfigServiceWithBuildbotConfig(new_config)
        finally:
            gone = before - set(self.get_service_config(new_config))
            if gone:
                names = [f"scheduler:{name}" for name in sorted(gone)]
                await self.master.db.write(journal_rows.drop_cursors, names)
