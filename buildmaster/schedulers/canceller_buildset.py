"""The rest of a buildset of which one build has failed: the documented FailingBuildsetCanceller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from buildmaster.base.filters import SourceStampFilter
from buildmaster.base.records import SourceStamp
from buildmaster.base.results import EXCEPTION, FAILURE
from buildmaster.db import superseding
from buildmaster.db.superseding import OpenRequest
from buildmaster.schedulers.sweeping import TO_CANCEL, Sweeper, checked_filters, matched

FAILED = (FAILURE, EXCEPTION)
FORM = "(builders to watch, builders to cancel, SourceStampFilter)"

Filters = Sequence[tuple[Any, Any, SourceStampFilter]]


class FailingBuildsetCanceller(Sweeper):
    """Cancels the other requests of a buildset, and stops their builds, when one of its builds has failed.

    Failed means that it ended with FAILURE or EXCEPTION.

    :param name: the service's name
    :param filters: a list of tuples (builders whose failure counts, builders whose requests are cancelled,
        :class:`~buildmaster.util.ssfilter.SourceStampFilter`); None as the second cancels those of all builders.  The
        filter has to agree to one of the buildset's source stamps.
    """

    heard: ClassVar[Sequence[tuple[str, str]]] = (("buildrequest", "complete"),)

    def __init__(self, name: str, filters: Any) -> None:
        super().__init__(name=name, filters=filters)

    def checkConfig(self, name: str, filters: Any) -> None:
        """Check the arguments, reporting all mistakes."""
        self.filters = checked_filters(type(self), filters, FORM, "builders to watch", TO_CANCEL)

    def reconfigService(self, name: str, filters: Any) -> Any:  # type: ignore[override]
        """Take these arguments over."""
        self.filters = checked_filters(type(self), filters, FORM, "builders to watch", TO_CANCEL)

    def matters(self, fact: Any) -> bool:
        """Only failures do."""
        return fact.fields.get("results") in FAILED

    async def sweep(self) -> None:
        """Cancel what waits or runs beside a failure."""
        failures: dict[int, list[str]] = {}
        for buildsetid, builder in await self.master.db.read(superseding.with_failures, FAILED):
            failures.setdefault(buildsetid, []).append(builder)
        for buildsetid, builders in failures.items():
            stamps = await self.master.db.read(superseding.stamps_of, buildsetid)
            others = await self.master.db.read(superseding.of_buildset, buildsetid)
            for requestid, builder in pointless(builders, stamps, others, self.filters):
                await self.cancel(requestid, f"the build of the same buildset on builder {builder} has failed")


def pointless(
    failed: Iterable[str], stamps: Sequence[SourceStamp], others: Iterable[OpenRequest], filters: Filters
) -> list[tuple[int, str]]:
    """(request, failed builder) for each of the other requests of a buildset that is to be cancelled."""
    found: dict[int, str] = {}
    rest = list(others)
    for builder in failed:
        for watched, cancelled, stamp_filter in filters:
            if builder in (watched or ()) and matched(stamp_filter, stamps):
                for request in rest:
                    if cancelled is None or request.builder in cancelled:
                        found.setdefault(request.requestid, builder)
    return sorted(found.items())
