"""A master's history that can be crashed at any commit and told to its end on the same files.

A :class:`Story` is a configuration, what workers do, and a list of inputs from outside.  :func:`tell` plays it on a
whole master in memory; with ``crash_at`` the master ends, as by ``kill -9``, at that signal of the database (before a
commit, after it, or between it and the delivery of its results), and a new one goes on.  An input whose transaction was
not committed is repeated, as a client does that got no answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa

from buildmaster.db.engine import Database
from buildmaster.testing.master import START_OF_TIME, MemoryMaster
from buildmaster.testing.worker import Command, ScriptedWorker
from tests.support import endstate


class Crash(BaseException):
    """The process ends here."""


@attrs.define
class Input:
    """Something that comes from outside: ``act(kit)``; ``done(conn)`` says whether the master has stored it."""

    act: Callable[[MemoryMaster], Any]
    done: Callable[[sa.Connection], bool]


@attrs.define
class Pause:
    """Time passes."""

    seconds: float


@attrs.define
class Reconfigure:
    """The configuration file is changed and the master told to read it; one that starts later reads it as well."""

    config: Callable[[], dict[str, Any]]


@attrs.define
class Restart:
    """The master is stopped in order, and started again after so many seconds."""

    seconds: float


@attrs.define
class Story:
    """See the module."""

    name: str
    config: Callable[[], dict[str, Any]]
    events: Sequence[Input | Pause | Reconfigure | Restart]
    workers: Sequence[str] = ("w1",)
    script: Callable[[Command], Any] | None = None
    prepare: Callable[[Path], None] | None = None
    around: Callable[[Path], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext  # open while it is told
    outside: Callable[[Path], Any] | None = None  # what came of it outside of the database
    may_differ: Sequence[str] = ()  # parts of the end state that depend on when a crash comes
    rest: float = 400.0  # seconds after which everything has come to rest


@attrs.define
class Ending:
    """What a story came to."""

    state: dict[str, Any]
    problems: list[str]
    signals: list[str]


class _Signals:
    """Counts the database's signals and crashes at one of them."""

    def __init__(self, crash_at: Sequence[int]) -> None:
        self.seen: list[str] = []
        self._crash_at = set(crash_at)

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        if len(self.seen) in self._crash_at:
            raise Crash


@contextlib.contextmanager
def _listening(signals: _Signals) -> Iterator[None]:
    Database.probe = staticmethod(signals)
    try:
        yield
    finally:
        Database.probe = None


class _Run:
    def __init__(self, story: Story, basedir: Path) -> None:
        self.story = story
        self.config = story.config
        self.basedir = basedir
        self.now = START_OF_TIME
        self.kit: MemoryMaster | None = None

    def start(self) -> None:
        while True:
            kit = MemoryMaster(self.basedir, self.config, now=self.now)
            try:
                kit.start()
                self.kit = kit
                for name in self.story.workers:
                    script = [self.story.script] if self.story.script is not None else []
                    kit.wait_for(ScriptedWorker(kit.master, name, *script).connect())
                return
            except Crash:
                self.crashed(kit)

    def crashed(self, kit: MemoryMaster) -> None:
        self.now = kit.crash() + 5
        self.kit = None

    def do(self, action: Callable[[MemoryMaster], Any]) -> bool:
        """Do something with the running master; False if it crashed, in which case another one runs now."""
        if self.kit is None:
            self.start()
        assert self.kit is not None
        try:
            action(self.kit)
            return True
        except Crash:
            self.crashed(self.kit)
            self.start()
            return False

    def look(self, question: Callable[[sa.Connection], Any]) -> Any:
        engine = sa.create_engine(f"sqlite:///{self.basedir}/state.sqlite")
        try:
            with engine.connect() as conn:
                return question(conn)
        finally:
            engine.dispose()

    def event(self, event: Input | Pause | Reconfigure | Restart) -> None:
        if isinstance(event, Pause):
            self.pause(event.seconds)
        elif isinstance(event, Reconfigure):
            self.config = event.config
            self.do(self.reconfigure)
        elif isinstance(event, Restart):
            if self.do(lambda kit: kit.stop()):
                self.now, self.kit = self.now_there() + event.seconds, None
            else:
                self.pause(event.seconds)
        else:
            self.input(event)

    def pause(self, seconds: float) -> None:
        until = self.now_there() + seconds
        while not self.do(lambda kit: kit.advance(max(0.0, until - kit.reactor.seconds()))):
            pass

    def reconfigure(self, kit: MemoryMaster) -> None:
        outcome = kit.reconfig(self.config)
        assert outcome.ok, outcome.lines

    def input(self, event: Input) -> None:
        while not self.do(lambda kit: (event.act(kit), kit.pump())):
            if self.look(event.done):
                return

    def now_there(self) -> float:
        return self.kit.reactor.seconds() if self.kit is not None else self.now


def tell(story: Story, basedir: Path, crash_at: Sequence[int] = ()) -> Ending:
    """Play a story, crashing at these signals (counted from 1 over all lives of the master), and see how it ends."""
    basedir.mkdir(parents=True, exist_ok=True)
    if story.prepare is not None:
        story.prepare(basedir)
    signals = _Signals(crash_at)
    run = _Run(story, basedir)
    with _listening(signals), story.around(basedir):
        for event in [*story.events, Pause(story.rest)]:
            run.event(event)
        told = list(signals.seen)
        run.do(lambda kit: kit.stop())
    state = run.look(endstate.capture)
    if story.outside is not None:
        state["outside"] = story.outside(basedir)
    for part in story.may_differ:
        del state[part]
    return Ending(state, run.look(endstate.problems), told)
