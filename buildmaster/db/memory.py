"""What the writer remembers between transactions, so that it need not read again what it has just written.

Only what is certainly committed is remembered beyond a transaction; what a transaction itself adds is known to that
transaction alone, because it may be rolled back.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import sqlalchemy as sa

from buildmaster.db.txn import Txn

_SIZE = 20_000

_of_engine: weakref.WeakKeyDictionary[sa.Engine, Memory] = weakref.WeakKeyDictionary()


class Memory:
    """Facts about rows of one database; lives in its writer thread."""

    def __init__(self) -> None:
        self._sure: OrderedDict[Hashable, Any] = OrderedDict()
        self._staged: dict[Hashable, Any] = {}
        self._txn: weakref.ref[Txn] | None = None

    def enter(self, txn: Txn) -> Memory:
        """Forget what another transaction added, whose fate is not known here."""
        if self._txn is None or self._txn() is not txn:
            self._txn = weakref.ref(txn)
            self._staged = {}
        return self

    def get(self, key: Hashable) -> Any:
        """What is known about this key in this transaction, or None."""
        found = self._staged.get(key)
        return self._sure.get(key) if found is None else found

    def stage(self, key: Hashable, value: Any) -> None:
        """This transaction made it so."""
        self._staged[key] = value

    def confirm(self, key: Hashable, value: Any) -> None:
        """A committed row says so, and will say so for ever."""
        self._sure[key] = value
        if len(self._sure) > _SIZE:
            self._sure.popitem(last=False)

    def forget(self) -> None:
        """Drop everything, after rows were deleted."""
        self._sure.clear()
        self._staged = {}


def memory_of(txn: Txn) -> Memory:
    """The memory of the database that this transaction writes to."""
    engine = txn.conn.engine
    found = _of_engine.get(engine)
    if found is None:
        found = _of_engine[engine] = Memory()
    return found.enter(txn)
