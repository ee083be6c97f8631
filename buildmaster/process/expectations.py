"""What the master has learnt about its builders' times, kept by builder name and stored now and then."""

from __future__ import annotations

import weakref
from typing import Any

from twisted.logger import Logger

from buildmaster.db import expectations
from buildmaster.process.progress import BuildProgress, Expectations

log = Logger()

SAVE_SECONDS = 60.0


class ExpectationStore:
    """The expectations of all builders of one master."""

    _of_master: weakref.WeakKeyDictionary[Any, ExpectationStore] = weakref.WeakKeyDictionary()

    def __init__(self, db: Any, reactor: Any) -> None:
        self._db, self._reactor = db, reactor
        self._known: dict[str, Expectations] = {}
        self._saved_at: dict[str, float] = {}

    @classmethod
    def of(cls, master: Any) -> ExpectationStore:
        """The store of this master."""
        store = cls._of_master.get(master)
        if store is None:
            store = cls._of_master[master] = cls(master.db, master.reactor)
        return store

    def progress_for(self, builder_name: str) -> BuildProgress:
        """The progress of a new build; what is stored is being read the first time, and helps the builds after it."""
        known = self._known.get(builder_name)
        if known is None:
            known = self._known[builder_name] = Expectations()
            self._db.read(expectations.load, builder_name).addCallbacks(
                self._loaded, lambda f: log.failure("reading expected times", f), callbackArgs=(known,)
            )
        return BuildProgress(known, self._reactor)

    def _loaded(self, stored: Any, known: Expectations) -> None:
        for name, expected in Expectations(stored).steps.items():
            known.steps.setdefault(name, expected)

    def learn(self, builder_name: str, progress: BuildProgress) -> None:
        """A build was successful."""
        known = self._known[builder_name]
        known.learn(progress)
        now = self._reactor.seconds()
        if now - self._saved_at.get(builder_name, float("-inf")) >= SAVE_SECONDS:
            self._saved_at[builder_name] = now
            self._db.bulk(expectations.save, builder_name, known.to_json()).addErrback(
                lambda f: log.failure("storing expected times", f)
            )
