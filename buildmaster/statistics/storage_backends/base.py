"""The documented base class of storages.

A storage of your own overrides :meth:`StatsStorageBase.thd_postStatsValue`, which may block: it is called in a thread.
One that sends the values of an event together, without a thread, overrides :meth:`StatsStorageBase.post_values`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.base.aio import DeadlineExceeded, with_deadline
from buildmaster.mq.failing import TryLater
from buildmaster.statistics.collecting import Value
from buildmaster.statistics.described import Described

__all__ = ["StatsStorageBase", "TryLater"]

WAIT_SECONDS = 60.0
"""How long the thread of one value is waited for at a time."""


class StatsStorageBase(Described):
    """Keeps values somewhere.

    ``captures`` is the list of what it keeps; ``name``, by default the class's, tells it from other storages of the
    same service.  Both are attributes that a subclass sets.
    """

    live_attrs: ClassVar[frozenset[str]] = frozenset({"_service", "_threaded"})
    captures: Sequence[Any] = ()
    name: str = ""
    _service: Any = None
    _threaded: _InThread | None = None

    def thd_postStatsValue(
        self, post_data: Mapping[str, Any], series_name: str, context: Mapping[str, Any] | None = None
    ) -> None:
        """Keep one value.  Called in a thread; the next call comes when this one has returned.

        ``post_data`` are the fields (name → value) of a point in the series ``series_name``; ``context`` tells it from
        others: ``builder_name`` and ``build_number``.  Raising ``OSError`` (errors of the network are some) says that
        the storage is away: the value is given again until it is too old.  After any other exception it is given again
        a few times, and then left out with an error in the log.  After a crash of the master a value may come twice.
        """
        raise TypeError(f"{type(self).__name__} is a storage and must define thd_postStatsValue(post_data, …)")

    async def start(self, service: Any) -> None:
        """The service starts; called before the first value."""
        self._service = service
        self._threaded = _InThread(self, service.master)

    async def stop(self) -> None:
        """No more values will come."""

    async def post_values(self, notice: str, values: Sequence[Value]) -> None:
        """Keep the values of one event.

        ``notice`` is the same when they are given again.  Raises :class:`TryLater` for that.
        """
        assert self._threaded is not None, "start() comes first"
        await self._threaded.post(notice, values)


class _InThread:
    """Posts values in threads, one at a time; what was posted is not posted again when the rest is."""

    def __init__(self, storage: StatsStorageBase, master: Any) -> None:
        self._storage, self._master = storage, master
        self._notice = ""
        self._posted = 0  # of that notice
        self._running: defer.Deferred[None] | None = None

    async def post(self, notice: str, values: Sequence[Value]) -> None:
        """Post those that have not been posted; raises :class:`TryLater` if it has to be tried again."""
        if self._running is not None:
            await self._wait(self._running)
        if notice != self._notice:
            self._notice, self._posted = notice, 0
        while self._posted < len(values):
            try:
                await self._wait(self._start(values[self._posted]))
            except TryLater:
                raise
            except OSError as e:
                raise TryLater(f"{type(e).__name__}: {e}", unreachable=True) from e
            except Exception as e:  # policy: retry a few times
                raise TryLater(f"{type(e).__name__}: {e}") from e

    def _start(self, value: Value) -> defer.Deferred[None]:
        self._running = running = self._master.in_thread(
            self._storage.thd_postStatsValue, value.post_data, value.series_name, value.context
        )
        running.addBoth(self._ended)
        return running

    def _ended(self, result: Any) -> Any:
        self._running = None
        if not isinstance(result, Failure):
            self._posted += 1
        return result

    async def _wait(self, running: defer.Deferred[None]) -> None:
        """A thread can't be cancelled: the same one is waited for again when the value is given again."""
        fires: defer.Deferred[None] = defer.Deferred()

        def tell(result: Any) -> None:
            if not fires.called:
                fires.callback(result)

        running.addBoth(tell)
        try:
            await with_deadline(fires, WAIT_SECONDS, self._master.reactor, "thd_postStatsValue")
        except DeadlineExceeded as e:
            raise TryLater(str(e), unreachable=True) from e
