"""The documented base class of reporters.

A reporter has *generators*, which turn events into reports, and delivers these by :meth:`ReporterBase.sendMessage`.
What was not delivered when the master ended is delivered after its next start, see :mod:`buildmaster.mq.outbox`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IReportGenerator
from buildmaster.base.records import Fact
from buildmaster.mq.connector import matches
from buildmaster.mq.failing import NOTICE_AGE, TryLater, is_unreachable
from buildmaster.mq.outbox import Outbox, told
from buildmaster.reporters import utils
from buildmaster.reporters.generators.utils import short_name
from buildmaster.service import BuildbotService

__all__ = ["ENCODING", "ReporterBase", "TryLater"]

log = Logger()

ENCODING = "utf-8"


class ReporterBase(BuildbotService):
    """Tells somebody of events.

    :param generators: a list of report generators

    A reporter without a ``name`` is named after its class and its generators.  Subclasses define :meth:`sendMessage`,
    and pass ``generators`` on in their ``checkConfig`` and ``reconfigService``.
    """

    name: Any = None
    compare_attrs: Sequence[str] = ["generators"]

    notice_age = NOTICE_AGE
    """Seconds after an event from which it is not reported any more; an older one is skipped with a line in the log."""

    generators: Sequence[Any] = ()
    _outbox: Outbox | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def checkConfig(self, generators: Any) -> None:
        """Check the generators, and give a reporter that has no name one."""
        super().checkConfig()
        kind = type(self).__name__
        if not isinstance(generators, list | tuple):
            error(f"{kind}: generators must be a list of report generators, not {generators!r}")
            generators = []
        for generator in generators:
            if isinstance(generator, type):
                error(f"{kind}: {generator.__name__} in generators is the class: call it, {generator.__name__}(…)")
            elif not _is_generator(generator):
                error(f"{kind}: {generator!r} in generators is not a report generator, say BuildStatusGenerator(…)")
            else:
                generator.check()
        if self.name is None:
            names = [g.generate_name() for g in generators if not isinstance(g, type) and hasattr(g, "generate_name")]
            self.name = short_name("_".join([kind, *names]))

    @deferred
    async def reconfigService(self, generators: Any) -> None:  # type: ignore[override]
        """Report by these generators from now on; a subclass calls this first and then takes its own arguments."""
        await maybe(super().reconfigService)
        self.generators = list(generators)
        if self._outbox is not None and self._wanted_keys() != self._outbox.wanted:
            await self._outbox.stop()
            await self._begin()

    @deferred
    async def startService(self) -> None:
        """Start, and begin to deliver."""
        await super().startService()
        await self._begin()

    @deferred
    async def stopService(self) -> None:
        """Cease to deliver and stop; what is left is delivered after the next start."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            await outbox.stop()
        await super().stopService()

    def _wanted_keys(self) -> list[tuple[str | None, ...]]:
        return list(dict.fromkeys(tuple(key) for g in self.generators for key in g.wanted_event_keys))

    async def _begin(self) -> None:
        outbox = Outbox(
            self.master, self.name, self._wanted_keys(), self.make_reports, self.sendMessage, self.notice_age
        )
        await outbox.start()
        self._outbox = outbox

    # -- reports -------------------------------------------------------------------------------------------------------

    async def make_reports(self, keys: Sequence[tuple[str, ...]], fact: Fact) -> list[dict[str, Any]]:
        """The reports of all generators that want an event, which is announced under these keys."""
        reports = []
        for generator in self.generators:
            key = next((k for k in keys for wanted in generator.wanted_event_keys if matches(tuple(wanted), k)), None)
            if key is None:
                continue
            try:
                body = fact.fields["body"] if fact.kind == "message" else (await self.master.data.bodies([fact]))[0]
                report = await maybe(generator.generate, self.master, self, key, body)
            except Exception as e:  # policy: skip this generator's report, the others' are delivered
                if is_unreachable(e):
                    raise
                log.failure(
                    "reporter {name}: {generator} failed on {what}: {why}",
                    name=self.name,
                    generator=type(generator).__name__,
                    what=told(fact),
                    why=e,
                )
                continue
            if report is not None:
                reports.append(report)
        return reports

    def sendMessage(self, reports: list[dict[str, Any]]) -> Any:
        """Deliver reports: what the generators made of one event, usually one report.

        May return a Deferred, and may be called again with the same reports after a crash.  Raising
        :class:`~buildmaster.mq.failing.TryLater`, or an error of the network, has the reports delivered again
        later; anything else is logged and the reports are given up.

        Each report is a dictionary: ``body``, ``type`` (``plain``, ``html``, ``json``), ``subject``, ``results``,
        ``builds``, ``buildset``, ``users``, ``patches``, ``logs``, ``extra_info``, of a missing worker ``worker``, and
        ``notice``, a text that is the same whenever the same report is delivered again.
        """
        raise TypeError(f"{type(self).__name__} is a reporter and must define sendMessage(reports)")

    @deferred
    async def getResponsibleUsersForBuild(self, master: Any, buildid: int) -> list[str]:
        """Who is to be told of a build; a subclass may know better."""
        return await utils.getResponsibleUsersForBuild(master, buildid)


def _is_generator(candidate: Any) -> bool:
    return IReportGenerator.providedBy(candidate) or all(
        hasattr(candidate, name) for name in ("generate", "wanted_event_keys", "check")
    )
