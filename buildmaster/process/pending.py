"""The queue: all pending requests of a database, in memory, rebuilt from rows at the start.

A request costs a few hundred bytes here; what a build needs beyond that is read when one is about to start.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from buildmaster.base.records import Request

Rank = tuple[int, float, int]


def rank(request: Request) -> Rank:
    """The order in which requests are served: higher priority first, then the older."""
    return (-request.priority, request.submitted_at, request.requestid)


class BuilderQueue:
    """The pending requests of one builder."""

    def __init__(self) -> None:
        self._requests: dict[int, Request] = {}
        self._heap: list[Rank] = []
        self._by_age: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._requests)

    def __contains__(self, requestid: int) -> bool:
        return requestid in self._requests

    def get(self, requestid: int) -> Request | None:
        """The pending request with this id."""
        return self._requests.get(requestid)

    def put(self, request: Request) -> None:
        """A request is pending, or is pending with another priority."""
        known = self._requests.get(request.requestid)
        self._requests[request.requestid] = request
        if known is None or rank(known) != rank(request):
            heapq.heappush(self._heap, rank(request))
        if known is None:
            heapq.heappush(self._by_age, (request.submitted_at, request.requestid))

    def drop(self, requestid: int) -> bool:
        """A request is not pending any more; whether it was."""
        return self._requests.pop(requestid, None) is not None

    def first(self) -> Request | None:
        """The request that is to be served next."""
        while self._heap:
            found = self._requests.get(self._heap[0][2])
            if found is not None and rank(found) == self._heap[0]:
                return found
            heapq.heappop(self._heap)
        return None

    def in_order(self) -> list[Request]:
        """All of them, in the order in which they are served."""
        return sorted(self._requests.values(), key=rank)

    def oldest(self) -> float | None:
        """When the oldest was submitted, in epoch seconds."""
        while self._by_age:
            submitted_at, requestid = self._by_age[0]
            found = self._requests.get(requestid)
            if found is not None and found.submitted_at == submitted_at:
                return submitted_at
            heapq.heappop(self._by_age)
        return None


class WaitedForOnly:
    """Those pending requests of a builder that a running build waits for."""

    def __init__(self, queue: BuilderQueue) -> None:
        self._queue = queue

    def __contains__(self, requestid: int) -> bool:
        return self.get(requestid) is not None

    def get(self, requestid: int) -> Request | None:
        """The pending request with this id."""
        found = self._queue.get(requestid)
        return found if found is not None and found.waited_for else None

    def first(self) -> Request | None:
        """The request that is to be served next."""
        return next(iter(self.in_order()), None)

    def in_order(self) -> list[Request]:
        """All of them, in the order in which they are served."""
        return [request for request in self._queue.in_order() if request.waited_for]


class Pending:
    """The pending requests of all builders."""

    def __init__(self) -> None:
        self._builders: dict[int, BuilderQueue] = {}
        self._builder_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._builder_of)

    def of(self, builderid: int | None) -> BuilderQueue:
        """The queue of a builder, perhaps empty."""
        found = self._builders.get(builderid) if builderid is not None else None
        return found if found is not None else BuilderQueue()

    def put(self, request: Request) -> None:
        """A request is pending."""
        self._builder_of[request.requestid] = request.builderid
        self._builders.setdefault(request.builderid, BuilderQueue()).put(request)

    def drop(self, requestid: int) -> bool:
        """A request is not pending any more; whether it was."""
        builderid = self._builder_of.pop(requestid, None)
        if builderid is None:
            return False
        queue = self._builders[builderid]
        queue.drop(requestid)
        if not len(queue):
            del self._builders[builderid]
        return True

    def get(self, requestid: int) -> Request | None:
        """The pending request with this id."""
        builderid = self._builder_of.get(requestid)
        return None if builderid is None else self._builders[builderid].get(requestid)

    def builderids(self) -> Iterable[int]:
        """The builders for which requests are pending."""
        return list(self._builders)

    def clear(self) -> None:
        """Forget all."""
        self._builders.clear()
        self._builder_of.clear()
