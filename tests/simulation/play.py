"""Plays a history on a whole master in memory and says what was wrong with what came of it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred
from buildmaster.base.outcome import Outcome as ReconfigOutcome
from buildmaster.net.pbtry import TryPerspective
from buildmaster.process.remotecommand import RemoteCommand
from buildmaster.testing.master import START_OF_TIME
from buildmaster.testing.sync import NotFired
from tests.simulation import configuration
from tests.simulation import histories as h
from tests.simulation.expectations import Chronicle
from tests.simulation.faults import Crash, Directory, Faults, SimulatedKit, listening
from tests.simulation.invariants import Rows, is_caught_up, live_problems
from tests.simulation.people import SimulatedWorker
from tests.simulation.telling import untold
from tests.simulation.world import World

LONGEST_STOP = 300.0
LONGEST_REST = 6000.0
"""Seconds after which a master must have stopped, and after which everything must have come to rest."""


@attrs.define
class Outcome:
    """What a history came to."""

    problems: list[str]
    told: list[str]  # event by event, for whoever looks for the cause
    state: dict[str, list[tuple[Any, ...]]]  # every row
    signals: int


class Wrong(Exception):
    """Something that must never be."""


class Play:
    """One history on one directory; a new object for each."""

    def __init__(self, history: h.History, basedir: Path) -> None:
        self.setup = history.setup
        self.events = history.events
        self.basedir = basedir
        self.faults = Faults()
        self.rows = Rows(basedir / "state.sqlite")
        self.chronicle = Chronicle(history.setup, self.rows)
        self.world = World(history.setup, self.rows)
        self.kit: SimulatedKit | None = None
        self.now = START_OF_TIME
        self.workers: dict[str, SimulatedWorker] = {}
        self.missing: Collection[str] = ()
        self.timers = 1.0
        self.down = 5.0  # how long the master stays down after the next crash
        self.committed = self.reconfigurations = 0
        self.told: list[str] = []
        self.waiting: list[tuple[str, defer.Deferred[Any]]] = []

    # -- the master --------------------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """The present configuration; called by the master."""
        assert self.kit is not None
        return configuration.make(self.setup, self.kit.reactor, self.missing, self.timers, self.world)

    def start(self) -> None:
        """Start a master, again if it crashes meanwhile."""
        while True:
            self.kit = SimulatedKit(self.basedir, self.config, self.now, self.faults)
            try:
                self.kit.start()
            except Crash:
                self.crashed()
                continue
            self.chronicle.runs(self.kit.reactor.seconds())
            self.world.master_runs(self.kit.master)
            return

    def crashed(self) -> None:
        """The master is dead; its workers notice."""
        assert self.kit is not None
        died = self.kit.crash()
        self._gone(died, in_order=False)
        self.told.append(f"    {died:.2f} crash")

    def _gone(self, at: float, in_order: bool) -> None:
        self.chronicle.ends(at)
        self.world.master_is_gone(in_order)
        self.now = at + self.down
        self.faults.forget()
        self.kit = None
        self.workers = {}
        self.waiting = []

    def do(self, action: Callable[[SimulatedKit], Any]) -> bool:
        """Do something with the running master; False if it crashed, in which case another one runs now."""
        if self.kit is None:
            self.start()
        assert self.kit is not None
        try:
            action(self.kit)
            return True
        except Crash:
            manners = {name: worker.manner for name, worker in self.workers.items()}
            self.crashed()
            self.start()
            for name, manner in manners.items():
                self.attach(name, manner)
            return False

    def ask(self, what: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Ask the master for something; its answer may come later, or never."""
        assert self.kit is not None
        clock = self.kit.reactor
        answer = as_deferred(function(*args, **kwargs))
        answer.addBoth(lambda result: (clock.seconds(), result))
        self.waiting.append((what, answer))
        self.kit.pump()
        self.hear()

    def hear(self) -> None:
        """Take the answers that have come."""
        assert self.kit is not None
        still = []
        for what, answer in self.waiting:
            if not answer.called or answer.paused:
                still.append((what, answer))
                continue
            found: list[Any] = []
            answer.addBoth(found.append)
            at, result = found[0]
            failed = isinstance(result, Failure)
            text = result.getErrorMessage() if failed else "yes"
            if isinstance(result, ReconfigOutcome):
                failed, text = not result.ok, " ".join(result.lines)
            self.told.append(f"    {at:.2f} {what}: {text}")
            self.chronicle.answered(what, not failed, at)
        self.waiting = still
        self.world.senders.hear(self.kit)

    def attach(self, name: str, manner: str) -> None:
        """A worker connects, in place of an earlier process of the same name."""

        def connect(kit: SimulatedKit) -> None:
            worker = SimulatedWorker(kit.master, name, manner)
            self.workers[name] = worker
            worker.connect().addErrback(lambda _: None)
            kit.pump()

        self.do(connect)

    # -- playing -----------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Play it all; never raises but for mistakes of the simulation."""
        problems: list[str] = []
        try:
            self.start()
            for event in self.events:
                self.play(event)
            self.come_to_rest()
        except (Wrong, NotFired) as wrong:
            problems = str(wrong).split("\n")
        finally:
            if self.kit is not None:
                with contextlib.suppress(Exception):
                    self.kit.crash()
        state = self.rows.everything()
        self.rows.close()
        return Outcome(problems, self.told, state, self.faults.signals)

    def play(self, event: h.Event) -> None:
        """Let time pass, then one event happen, and look."""
        self.pass_time(event.after)
        self.post()
        assert self.kit is not None
        self.told.append(f"{self.kit.reactor.seconds():.2f} {event}")
        getattr(self, "_" + type(event).__name__.lower())(event)
        self.look()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, over crashes."""
        if self.kit is None:
            self.start()
        assert self.kit is not None
        until = self.kit.reactor.seconds() + seconds
        while not self.do(lambda kit: kit.advance(max(0.0, until - kit.reactor.seconds()))):
            pass
        self.hear()

    def look(self) -> None:
        """Check everything that must always be so."""
        assert self.kit is not None
        self.hear()
        failed = self.chronicle.writes_failed
        wrong = self.rows.problems(failed) + live_problems(self.kit.master, self.rows, failed)
        wrong += self.world.problems()
        if wrong:
            raise Wrong("\n".join(wrong))

    # -- events ------------------------------------------------------------------------------------------------------

    def _push(self, event: h.Push) -> None:
        values = {"author": "a", "branch": event.branch, "files": list(event.files), "comments": event.revision}
        self.chronicle.pushed(event)
        add = lambda kit: kit.master.data.updates.addChange  # noqa: E731
        self.do(lambda kit: self.ask(event.revision, add(kit), revision=event.revision, repository="r", **values))

    def _commit(self, event: h.Commit) -> None:
        with (self.basedir / "revisions").open("a") as file:
            for _ in range(event.count):
                self.committed += 1
                file.write(f"p{self.committed}\n")
        self.chronicle.committed(self.committed)

    def _hook(self, event: h.Hook) -> None:
        self.world.senders.add(event)
        self.post()

    def post(self) -> None:
        """Those who post to web hooks do so."""
        if self.world.senders.waits:
            self.do(self.world.senders.post)

    def _try(self, event: h.Try) -> None:
        def hand_in(kit: SimulatedKit) -> None:
            for scheduler in kit.master.scheduler_manager:
                if scheduler.name == event.scheduler:
                    client = TryPerspective(scheduler, "ann")
                    patch = (1, f"+{event.token}")
                    job = ("main", None, patch, "r", "", list(event.builders), event.token)
                    self.ask(event.token, client.perspective_try, *job)

        self.chronicle.tried(event)
        self.do(hand_in)

    def _gitpush(self, event: h.GitPush) -> None:
        self.world.repository.push(event.branch, event.count, event.how)

    def _remote(self, event: h.Remote) -> None:
        self.world.remote.manner = event.manner

    def control(self, what: str, action: str, args: dict[str, Any], *path: Any) -> None:
        """Ask through the data API."""
        self.do(lambda kit: self.ask(what, kit.master.data.control, action, args, path))

    def _force(self, event: h.Force) -> None:
        args = {"owner": "o@x", "reason": event.token, "branch": "main", "priority": event.priority}
        self.chronicle.forced(event)
        self.control(event.token, "force", args, "forceschedulers", event.scheduler)

    def _cancel(self, event: h.Cancel) -> None:
        ids = self.rows.column("SELECT id FROM buildrequests WHERE state != 3 ORDER BY id")
        if ids:
            which = ids[event.nth % len(ids)]
            self.control(f"cancel {which}", "cancel", {"reason": "not wanted"}, "buildrequests", which)

    def _stop(self, event: h.Stop) -> None:
        ids = self.rows.column("SELECT id FROM builds WHERE NOT complete ORDER BY id")
        if ids:
            which = ids[event.nth % len(ids)]
            self.control(f"stop {which}", "stop", {"reason": "not wanted"}, "builds", which)

    def _enable(self, event: h.Enable) -> None:
        self.switch(event.scheduler, event.on)

    def switch(self, name: str, on: bool) -> None:
        """Switch a scheduler on or off."""
        ids = self.rows.column("SELECT id FROM schedulers WHERE name = ?", name)
        if ids:
            what = f"enable {name} {on}"
            self.chronicle.asked(what, self.time)
            self.control(what, "enable", {"enabled": on}, "schedulers", ids[0])

    def _attach(self, event: h.Attach) -> None:
        if event.worker not in self.missing:
            self.attach(event.worker, event.manner)

    def _behave(self, event: h.Behave) -> None:
        if event.worker in self.workers:
            self.workers[event.worker].behave(event.manner)

    def _drop(self, event: h.Drop) -> None:
        worker = self.workers.get(event.worker)
        if worker is not None:
            self.do(lambda kit: (worker.drop(), kit.pump()))
        elif any(spec.name == event.worker for spec in self.setup.latent):
            self.do(lambda kit: (self.world.cloud.drop(event.worker), kit.pump()))

    def _order(self, event: h.Order) -> None:
        ids = self.rows.column("SELECT id FROM workers WHERE name = ?", event.worker)
        if ids:
            self.control(f"{event.order} {event.worker}", event.order, {"reason": "an order"}, "workers", ids[0])

    def _reconfigure(self, event: h.Reconfigure) -> None:
        self.reconfigure(event.missing, event.timers)

    def reconfigure(self, missing: Collection[str], timers: float) -> None:
        """Switch to another configuration."""
        self.choose(missing, timers)
        self.reconfigurations += 1
        what = f"reconfig {self.reconfigurations}"
        self.chronicle.asked(what, self.time)
        self.do(lambda kit: self.ask(what, kit.master.reconfig))

    def choose(self, missing: Collection[str], timers: float) -> None:
        """Write another configuration file, as it were."""
        self.missing, self.timers = missing, timers
        self.chronicle.configured(missing, timers)

    def _restart(self, event: h.Restart) -> None:
        self.down = event.down
        manners = {name: worker.manner for name, worker in self.workers.items()}
        self.chronicle.asked("stop", self.time)
        if not self.do(self.stop_in_order):
            return
        if event.missing is not None:
            self.choose(event.missing, self.timers)
        self.start()
        for name, manner in manners.items():
            if name not in self.missing:
                self.attach(name, manner)

    def stop_in_order(self, kit: SimulatedKit) -> None:
        """Stop the master as its command would."""
        stopping = as_deferred(kit.master.stopService())
        until = kit.reactor.seconds() + LONGEST_STOP
        kit.pump()
        while not stopping.called and kit.reactor.seconds() < until:
            kit.advance(1)
        if not stopping.called:
            raise Wrong(f"the master does not stop within {LONGEST_STOP:g} s")
        failed: list[Any] = []
        stopping.addErrback(failed.append)
        if failed:
            raise Wrong(f"stopping failed: {failed[0].getErrorMessage()}")
        self._gone(kit.reactor.seconds(), in_order=True)
        running = self.rows.column("SELECT id FROM builds WHERE NOT complete")
        if running:
            raise Wrong(f"the master has stopped in order; builds {running} are still running")

    def _kill(self, event: h.Kill) -> None:
        self.down = event.down
        if event.signal:
            self.faults.crash_in = event.signal
            return

        def die(kit: SimulatedKit) -> None:
            raise Crash

        self.do(die)

    def _trouble(self, event: h.Trouble) -> None:
        self.faults.refuse += [event.kind] * event.count
        self.chronicle.disturbed(self.time, event.kind == "broken")

    def _slow(self, event: h.Slow) -> None:
        self.faults.slow, self.faults.slow_seconds, self.faults.slow_late = event.count, event.seconds, event.late
        self.chronicle.disturbed(self.time, False)

    @property
    def time(self) -> float:
        """What the master's clock shows."""
        return self.kit.reactor.seconds() if self.kit is not None else self.now

    # -- the end -----------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Healthy workers, the whole configuration, no faults: everything must come to rest."""
        self.faults.forget()
        self.told.append(f"{self.time:.2f} -- rest")
        self.pass_time(20)
        self.faults.forget()
        self.reconfigure((), 1.0)
        self.pass_time(70)
        for spec in self.setup.schedulers:
            by_clock = spec.kind == "periodic" or (spec.kind == "nightly" and spec.important == "none")
            self.switch(spec.name, not by_clock)
        for name in [name for name, _ in self.setup.workers] + [spec.name for spec in self.setup.latent]:
            self._order(h.Order(0, name, "unpause"))
        for name, _ in self.setup.workers:
            self.heal(name)
        self.do(lambda kit: (self.world.heal(), kit.pump()))
        self.look()
        rested = 0.0
        while not (self.rows.at_rest() and self.is_caught_up() and not self.world.unrest()):
            if rested > LONGEST_REST:
                raise Wrong("\n".join(["it does not come to rest", *self.rows.unrest(), *self.world.unrest()]))
            self.post()
            self.pass_time(100)
            rested += 100
            self.look()
            for name, _ in self.setup.workers:
                self.heal(name)
        self.pass_time(100)
        while not self.rows.at_rest() and rested <= LONGEST_REST:  # a firing that was held up when it was switched off
            self.pass_time(100)
            rested += 100
        self.look()
        assert self.kit is not None
        wrong = self.rows.final_problems(self.chronicle.writes_failed) + self.chronicle.problems()
        wrong += [f"nobody answers: {what}" for what, _ in self.waiting]
        wrong += untold(self.basedir, self.rows) if self.setup.polls else []
        wrong += self.world.final_problems()
        if wrong:
            raise Wrong("\n".join(wrong))
        self.stop_in_order(self.kit)
        wrong = self.rows.problems(self.chronicle.writes_failed) + self.rows.final_problems(
            self.chronicle.writes_failed
        )
        wrong += self.world.cloud.final_problems()
        if wrong:
            raise Wrong("\n".join(["after the stop", *wrong]))

    def is_caught_up(self) -> bool:
        """Whether everything that was stored has been read."""
        assert self.kit is not None
        return is_caught_up(self.kit.master)

    def heal(self, name: str) -> None:
        """Have a worker that behaves well and is connected."""
        worker = self.attached(name)
        if worker is not None and worker.manner in ("well", "silent", "stalls", "deaf"):
            if worker.manner == "well":
                return
            if worker.manner != "silent":
                worker.behave("well")  # what it has begun the master must end
                return
        self.attach(name, "well")

    def attached(self, name: str) -> SimulatedWorker | None:
        """The process that the master holds for this worker; one that connected later may have been sent away."""
        assert self.kit is not None
        found = self.kit.master.workers.getWorkerByName(name)
        return None if found is None or found.conn is None else found.conn.scripted


def play(history: h.History, directory: Directory) -> Outcome:
    """Play a history from the beginning to the end."""
    state = random.getstate()
    random.seed(0)  # the master chooses workers by chance
    try:
        with directory.fresh() as basedir:
            made = Play(history, basedir)
            with listening(made.faults), made.world.there(), mock.patch.object(RemoteCommand, "_last_id", 0):
                return made.run()
    finally:
        random.setstate(state)
