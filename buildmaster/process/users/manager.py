"""``c['user_managers']``: the ways to manage users, each a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import as_deferred, deferred
from buildmaster.service import AsyncMultiService, ReconfigurableServiceMixin


class UserManagerManager(ReconfigurableServiceMixin, AsyncMultiService):
    """Keeps its children what the configuration lists; one that is the same as before goes on."""

    name: Any = "user_manager_manager"
    config_attr = "user_managers"

    def __init__(self, master: Any = None) -> None:
        """``master`` is not needed; Buildbot's takes it."""
        super().__init__()

    @deferred
    async def reconfigServiceWithBuildbotConfig(self, new_config: Any) -> None:
        """Stop those that went, start those that came."""
        wanted: Sequence[Any] = list(new_config.user_managers)
        live = list(self)
        for gone in [one for one in live if one not in wanted]:
            await as_deferred(gone.disownServiceParent())
        for fresh in [one for one in wanted if one not in live]:
            try:
                await as_deferred(fresh.setServiceParent(self))
            except Exception:
                await as_deferred(fresh.disownServiceParent())  # the next configuration tries again
                raise
        await as_deferred(super().reconfigServiceWithBuildbotConfig(new_config))
