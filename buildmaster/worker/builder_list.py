"""Which builders a connected worker has been told that it serves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.logger import Logger

log = Logger()


class BuilderList:
    """The (builder, directory) pairs that one worker was told last on its present connection."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._told: list[tuple[str, str]] | None = None

    def forget(self) -> None:
        """The worker knows nothing: its connection is new, or gone."""
        self._told = None

    async def tell(self, builders: Iterable[Any]) -> None:
        """Tell it these builders, unless they are those that it was told last."""
        wanted = sorted((builder.name, builder.config.workerbuilddir) for builder in builders)
        if wanted == self._told:
            return
        self._told = wanted
        try:
            taken = await self._worker.conn.remoteSetBuilderList(wanted)
        except Exception:
            self._told = None
            raise
        refused = {name for name, _ in wanted} - set(taken)
        if refused:
            log.warn(
                "worker {name!r} refused builders {refused}", name=self._worker.workername, refused=sorted(refused)
            )
