"""The dialect ``poller``: pollers look at once."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import maybe
from buildmaster.www.hooks.base import BaseHookHandler
from buildmaster.www.hooks.reading import Refused, text

log = Logger()


class PollingHandler(BaseHookHandler):
    """``/change_hook/poller``: every field ``poller`` names a poller; without any, all look.

    With the option ``allowed``, a list of names, only these can be told to.  The answer comes at once; what they find
    comes later.
    """

    known_options = frozenset({"allowed"})

    def getChanges(self, req: Any) -> Any:
        """A Deferred of no changes; the pollers have begun to look."""
        pollers = self._pollers()
        wanted = [text(value) for value in req.args.get(b"poller", [])]
        missing = [name for name in wanted if name not in pollers]
        if missing:
            raise Refused(f"Could not find pollers: {','.join(missing)[:500]}")
        for name in wanted or pollers:
            polled = defer.Deferred.fromCoroutine(maybe(pollers[name].force))
            polled.addErrback(_failed, name)
        return defer.succeed(([], None))

    def _pollers(self) -> dict[str, Any]:
        allowed = self.options.get("allowed")
        return {
            source.name: source
            for source in self.master.change_svc
            if hasattr(source, "force") and (allowed is None or source.name in allowed)
        }


def _failed(failure: Failure, name: str) -> None:
    log.failure("poller {name}, told to look by its hook", failure, name=name)


poller = PollingHandler
