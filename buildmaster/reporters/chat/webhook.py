"""A page below the master's web site to which a chat service posts what is said to a bot."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger
from twisted.web import resource, server

from buildmaster.base.aio import as_deferred, deferred
from buildmaster.service import AsyncService

log = Logger()


class WebhookResource(resource.Resource, AsyncService):
    """Hangs below the web site at ``path`` while it runs; subclasses define ``process_webhook(request)``."""

    isLeaf = True

    def __init__(self, path: str) -> None:
        resource.Resource.__init__(self)
        self.path = path

    @deferred
    async def startService(self) -> None:
        """Appear."""
        await as_deferred(super().startService())
        self.master.www.hang(self.path, self)

    @deferred
    async def stopService(self) -> None:
        """Disappear."""
        self.master.www.take_down(self.path)
        await as_deferred(super().stopService())

    def render_GET(self, request: Any) -> Any:
        """The same as a POST."""
        return self.render_POST(request)

    def render_POST(self, request: Any) -> Any:
        """Have the bot deal with it; an error is logged and answered with 500."""

        def answer(body: Any) -> None:
            request.write(body if isinstance(body, bytes) else str(body or "").encode())
            request.finish()

        def failed(failure: Any) -> None:
            log.failure("a webhook request could not be dealt with", failure)
            request.setResponseCode(500)
            answer(b"error")

        as_deferred(self.process_webhook(request)).addCallbacks(answer, failed)  # type: ignore[attr-defined]
        return server.NOT_DONE_YET
