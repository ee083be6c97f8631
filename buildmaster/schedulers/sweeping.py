"""Services that cancel requests: they look at what is true whenever something happened, one look at a time.

What they do is decided from rows alone, so that nothing is missed by a restart: the first look is at the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.filters import SourceStampFilter
from buildmaster.base.records import SourceStamp
from buildmaster.service import BuildbotService

log = Logger()

TO_CANCEL = "builders to cancel"
"""The parameter that may be None, for all builders."""


class Sweeper(BuildbotService):
    """Calls :meth:`sweep` at the start and after facts of the kinds in ``heard``.

    Facts that come during a sweep lead to one more.
    """

    heard: ClassVar[Sequence[tuple[str, str]]] = ()
    compare_attrs: Sequence[str] = ("filters",)
    filters: list[tuple[Any, ...]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listener: Any = None
        self._due = False
        self._run: defer.Deferred[None] | None = None
        self._asked: set[int] = set()  # cancelled before, and still there because their builds are being stopped
        self._wanted: set[int] = set()

    async def sweep(self) -> None:
        """Look at everything, and :meth:`cancel` what is to be cancelled.  Subclasses override it."""

    def matters(self, fact: Any) -> bool:
        """Whether a fact calls for a sweep."""
        return True

    @deferred
    async def startService(self) -> None:
        """Listen, and look for the first time."""
        await super().startService()
        self._listener = self.master.journal.listen(self.heard, self._heard)
        self._begin()

    @deferred
    async def stopService(self) -> None:
        """Stop after the look that is under way."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None
        await super().stopService()
        if self._run is not None:
            await self._run

    async def cancel(self, requestid: int, reason: str) -> None:
        """Cancel a request: a waiting one at once, one that is being built by stopping its build."""
        self._wanted.add(requestid)
        if requestid in self._asked:
            return
        log.info("{service}: build request {id} is cancelled: {reason}", service=self.name, id=requestid, reason=reason)
        await self.master.data.control("cancel", {"reason": reason}, ("buildrequests", requestid))

    def _heard(self, fact: Any) -> None:
        if self.matters(fact):
            self._begin()

    def _begin(self) -> None:
        self._due = True
        if self._run is None:
            self._run = defer.ensureDeferred(self._sweep_while_due())
            self._run.addBoth(self._ended)

    async def _sweep_while_due(self) -> None:
        while self._due and self._listener is not None:
            self._due, self._wanted = False, set()
            await self.sweep()
            self._asked = self._wanted

    def _ended(self, result: Any) -> None:
        self._run = None
        if result is not None:  # policy: skip, the next fact leads to another look
            log.failure("{service} could not look for builds to cancel", result, service=self.name)


def shown(stamp: SourceStamp) -> dict[str, Any]:
    """A source stamp as filters and callbacks are shown it."""
    names = ("ssid", "codebase", "project", "repository", "branch", "revision")
    return {name: getattr(stamp, name) for name in names}


def checked_filters(kind: type, filters: Any, form: str, *names: str) -> list[tuple[Any, ...]]:
    """Filters in their final form: tuples that end with a source stamp filter, lists of builder names before it.

    ``names`` are the parameters that hold builder names; mistakes are reported with ``form``, the tuple in words.
    """
    if not isinstance(filters, list | tuple):
        error(f"{kind.__name__}: filters must be a list of tuples {form}, not {filters!r}")
        return []
    return [one for given in filters if (one := _checked(kind, given, form, names)) is not None]


def _checked(kind: type, given: Any, form: str, names: Sequence[str]) -> tuple[Any, ...] | None:
    if not isinstance(given, list | tuple) or len(given) != len(names) + 1:
        error(f"{kind.__name__}: each filter must be a tuple {form}, not {given!r}")
        return None
    *builders, stamp_filter = given
    if not isinstance(stamp_filter, SourceStampFilter):
        error(f"{kind.__name__}: a filter ends with a util.SourceStampFilter, not {stamp_filter!r}")
        return None
    return (*(_names(kind, name, value) for name, value in zip(names, builders, strict=True)), stamp_filter)


def _names(kind: type, what: str, value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if value is None and what == TO_CANCEL:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        error(f"{kind.__name__}: {what} must be a list of builders' names, not {value!r}")
        return []
    return list(value)


def matched(stamp_filter: SourceStampFilter, stamps: Sequence[SourceStamp]) -> list[Mapping[str, Any]]:
    """Those of the source stamps, as dictionaries, that a filter agrees to."""
    return [stamp for stamp in map(shown, stamps) if stamp_filter.is_matched(stamp)]
