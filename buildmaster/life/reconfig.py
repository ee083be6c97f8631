"""Reading the configuration again and switching to it, in a running master.

One run at a time: a wish that comes during a run leads to one more run afterwards, so that whoever changed the file
and asked is sure that a run began after that.  Until the switch begins, any error leaves everything as it is.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from twisted.internet import defer
from twisted.logger import Logger

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.outcome import DONE, LOADING, SWITCHING, Outcome, write_outcome
from buildmaster.life.words import changed_names, explain
from buildmaster.service import ReconfigFailed

log = Logger()

FIXED_AT_START = (
    (("db", "db_url"), "c['db']['db_url']"),
    (("mq", "type"), "c['mq']['type']"),
    (("multiMaster",), "c['multiMaster']"),
)
"""What only a start can change: attributes of the configuration, and how the user writes them."""


class Reconfigurer:
    """Runs reconfigurations.

    ``load`` gives a checked new configuration or raises :class:`~buildmaster.base.errors.ConfigErrors`; ``switch``
    puts one in force; ``current`` gives the one that is; ``now`` is the time in seconds since the epoch.
    """

    def __init__(
        self,
        basedir: str,
        load: Callable[[], Awaitable[Any]],
        switch: Callable[[Any], Awaitable[None]],
        current: Callable[[], Any],
        now: Callable[[], float],
    ) -> None:
        self._basedir = basedir
        self._load = load
        self._switch = switch
        self._current = current
        self._now = now
        self._running = False
        self._waiting: list[defer.Deferred[Outcome]] = []
        self.last: Outcome | None = None

    def request(self) -> defer.Deferred[Outcome]:
        """Have a run begin now, or when the one that is running has ended; fires with its outcome."""
        waiter: defer.Deferred[Outcome] = defer.Deferred()
        self._waiting.append(waiter)
        if not self._running:
            self._running = True
            defer.ensureDeferred(self._run_all()).addErrback(lambda f: log.failure("reconfiguring broke", f))
        return waiter

    async def _run_all(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                outcome = await self.run()
                for waiter in waiting:
                    waiter.callback(outcome)
        finally:
            self._running = False

    async def ended(self) -> None:
        """Wait for the run that is under way, if there is one."""
        if self._running:
            await self.request()

    async def run(self) -> Outcome:
        """One run, from reading the file to the outcome; never raises."""
        outcome = Outcome(os.getpid(), self._now(), LOADING, generation=self._current().generation)
        self._tell(outcome)
        try:
            new = await self._load()
            check_fixed(self._current(), new)
        except Exception as e:  # policy: keep the old configuration, tell why
            if not isinstance(e, ConfigErrors):
                log.failure("the configuration could not be read")
            return self._done(outcome, False, ["The old configuration stays in force.", *explain(e)])
        old = self._current()
        self._tell(attrs.evolve(outcome, state=SWITCHING))
        try:
            await self._switch(new)
        except ReconfigFailed as e:
            lines = [f"Configuration {new.generation} is in force, except for:", *(f"  {f}" for f in e.failures)]
            return self._done(outcome, False, lines)
        except Exception as e:  # policy: what was switched stays, tell what was not
            log.failure("switching to the new configuration failed")
            return self._done(outcome, False, ["Switching to the new configuration failed:", *explain(e)])
        return self._done(outcome, True, [f"Configuration {new.generation} is in force", *changed_names(old, new)])

    def _done(self, outcome: Outcome, ok: bool, lines: list[str]) -> Outcome:
        generation = self._current().generation
        done = attrs.evolve(outcome, state=DONE, ok=ok, generation=generation, lines=tuple(lines))
        for line in lines:
            (log.info if ok else log.error)("{line}", line=line)
        log.info("configuration update complete" if ok else "configuration update failed")
        self._tell(done)
        return done

    def _tell(self, outcome: Outcome) -> None:
        self.last = outcome
        try:
            write_outcome(self._basedir, outcome)
        except OSError as e:
            log.error("the outcome of the reconfiguration could not be stored in {dir}: {e}", dir=self._basedir, e=e)


def check_fixed(old: Any, new: Any) -> None:
    """Raise :class:`~buildmaster.base.errors.ConfigErrors` if a setting changed that only a start can change."""
    errors = []
    for path, written in FIXED_AT_START:
        before, after = _at(old, path), _at(new, path)
        if before != after:
            errors.append(f"{written} was changed, which takes a restart: run 'buildmaster restart', or change it back")
    if errors:
        raise ConfigErrors(errors)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value
