"""The services of a configuration, of which some keep a place in the journal: one that has left forgets it."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.db import journal as rows
from buildmaster.db import turns
from buildmaster.mq.outbox import KINDS, cursor_name
from buildmaster.service import BuildbotServiceManager, ReconfigFailed


class ServicesManager(BuildbotServiceManager):
    """Follows the configuration's ``services``.

    A place that nobody reads from any more would keep the journal from being pruned.  So after each reconfiguration
    the places of reporters are dropped that neither run nor stand in the configuration (one that stands in it may have
    failed to start, and keeps its place), unless another master has the turn to report.  A service that keeps several,
    or another one than a reporter of its name, names them in ``places()``.
    """

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Follow a new configuration."""
        failed: ReconfigFailed | None = None
        try:
            await super().reconfigServiceWithBuildbotConfig(new_config)
        except ReconfigFailed as e:
            failed = e
        configured: set[str] = set()
        for name, service in self.get_service_config(new_config).items():
            configured.update(service.places() if hasattr(service, "places") else [cursor_name(name)])
        await self._forget_all_but(configured)
        if failed is not None:
            raise failed

    async def _forget_all_but(self, configured: set[str]) -> None:
        master = self.master
        if getattr(master, "journal", None) is None:
            return
        running = {consumer.name for consumer in master.journal.consumers()}
        known: set[str] = set()
        for kind in KINDS:
            known.update(await master.db.read(rows.cursors, f"{kind}:"))
        gone = sorted(known - running - configured)
        if gone:
            await master.db.write(turns.forget, gone, master.masterid)
