"""What is stored of a latent worker's instance, so that a crash of the master does not make it be forgotten.

There is a record from before the call of ``start_instance`` until the end of ``stop_instance``.
"""

from __future__ import annotations

from typing import Any

from twisted.python.reflect import qual

from buildmaster.db import state
from buildmaster.db.txn import Txn

KIND = "latent worker instance"
"""Stands for the class: a record is found again also when the worker's class has another name."""


def load(txn: Txn, name: str, key: str) -> dict[str, Any] | None:
    """The stored record."""
    try:
        return state.get_in(txn, state.object_id(txn, name, KIND), key)
    except KeyError:
        return None


def store(txn: Txn, name: str, key: str, record: dict[str, Any] | None) -> None:
    """Store a record, or that there is none."""
    state.put_for(txn, name, KIND, {key: record})


class InstanceRecord:
    """The record of one worker's instance on this master: a dictionary, or None.

    ``worker`` and ``class`` name the worker, ``started_at`` is in epoch seconds, ``builder`` and ``buildid`` say for
    which build it was started, ``saved`` is what the class gave to ``save_instance``.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self.present: dict[str, Any] | None = None
        self.last: dict[str, Any] | None = None
        """The last record that there was."""

    async def load(self) -> dict[str, Any] | None:
        """What an earlier process has left."""
        worker = self._worker
        self.present = self.last = await worker.master.db.write(load, worker.workername, self._key)
        return self.present

    async def begin(self, build: Any) -> None:
        """An instance is about to be started for this build, or for none."""
        await self._put(
            {
                "worker": self._worker.workername,
                "class": qual(type(self._worker)),
                "started_at": self._worker.master.reactor.seconds(),
                "builder": getattr(getattr(build, "builder", None), "name", None),
                "buildid": getattr(build, "buildid", None),
                "saved": None,
            }
        )

    async def save(self, saved: Any) -> None:
        """Add what the class needs for finding its instance again; TypeError if JSON can't express it."""
        if self.present is not None:
            await self._put({**self.present, "saved": saved})

    async def forget(self) -> None:
        """There is no instance any more."""
        await self._put(None)

    @property
    def _key(self) -> str:
        return f"instance of master {self._worker.master.masterid}"

    async def _put(self, record: dict[str, Any] | None) -> None:
        await self._worker.master.db.write(store, self._worker.workername, self._key, record)
        self.present = record
        self.last = record or self.last
