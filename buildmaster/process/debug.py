"""Services for looking into a running master: the manhole."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import as_deferred, deferred
from buildmaster.service import AsyncMultiService, ReconfigurableServiceMixin


class DebugServices(ReconfigurableServiceMixin, AsyncMultiService):
    """Keeps ``c['manhole']`` open; one that is the same as before goes on."""

    name: Any = "debug_services"

    def __init__(self) -> None:
        super().__init__()
        self.manhole: Any = None

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Close a manhole that went, open one that came."""
        if new_config.manhole == self.manhole:
            return
        old, self.manhole = self.manhole, None
        if old is not None:
            await as_deferred(old.disownServiceParent())
        if new_config.manhole is not None:
            try:
                await as_deferred(new_config.manhole.setServiceParent(self))
            except Exception:
                await as_deferred(new_config.manhole.disownServiceParent())  # the next configuration tries again
                raise
            self.manhole = new_config.manhole
