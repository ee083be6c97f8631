"""Holding back a worker that writes faster than its output can be stored.

Each connection has a count of output bytes that were received and are not committed yet.  Above the high mark nothing
more is read from its transport; below the low mark reading goes on.
"""

from __future__ import annotations

import weakref
from typing import Any

HIGH_MARK = 1024 * 1024
LOW_MARK = 256 * 1024


class UnwrittenOutput:
    """The count of one connection, which offers ``throttle(key)`` and ``unthrottle(key)``."""

    _of_connection: weakref.WeakKeyDictionary[Any, UnwrittenOutput] = weakref.WeakKeyDictionary()

    def __init__(self, conn: Any) -> None:
        self._conn = weakref.ref(conn)
        self.bytes = 0
        self.throttled = False

    @classmethod
    def of(cls, conn: Any) -> UnwrittenOutput | None:
        """The count of this connection; None for one that cannot be held back."""
        if not hasattr(conn, "throttle"):
            return None
        counter = cls._of_connection.get(conn)
        if counter is None:
            counter = cls._of_connection[conn] = cls(conn)
        return counter

    def add(self, size: int) -> None:
        """So many bytes wait to be stored."""
        self.bytes += size
        if self.bytes > HIGH_MARK and not self.throttled:
            self.throttled = True
            conn = self._conn()
            if conn is not None:
                conn.throttle(self)

    def done(self, size: int) -> None:
        """So many bytes were stored, or given up."""
        self.bytes -= size
        if self.bytes < LOW_MARK and self.throttled:
            self.throttled = False
            conn = self._conn()
            if conn is not None:
                conn.unthrottle(self)
