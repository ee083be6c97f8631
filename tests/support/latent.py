"""A latent worker whose instance does what a test tells it, and that notes every call."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.testing.worker import ScriptedWorker, succeed
from buildmaster.worker.latent import AbstractLatentWorker


class ScriptedLatentWorker(AbstractLatentWorker):
    """Its starts and stops end at once, or when :meth:`end_start` and :meth:`end_stop` say, with ``by_hand``.

    What happened stands in ``calls`` of the class, by worker name: it outlives the object, as an instance would.
    """

    CALLS: dict[str, list[str]] = {}

    by_hand = False
    connects = True
    script: Any = staticmethod(succeed)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.starting: defer.Deferred[Any] | None = None
        self.stopping: defer.Deferred[Any] | None = None
        self.scripted: ScriptedWorker | None = None
        self.builds: list[Any] = []
        self.fasts: list[bool] = []

    @property
    def calls(self) -> list[str]:
        return self.CALLS.setdefault(self.name, [])

    def start_instance(self, build: Any) -> Any:
        self.calls.append("start")
        self.builds.append(build)
        self.starting = started = defer.Deferred()
        started.addBoth(self._note, "started", "starting")
        if not self.by_hand:
            self.end_start()
        return started

    def end_start(self, result: Any = None) -> None:
        assert self.starting is not None
        starting = self.starting
        if self.connects and not isinstance(result, Failure) and result is not False:
            self.connect()
        starting.callback(result)

    def connect(self) -> None:
        self.scripted = ScriptedWorker(self.master, self.name, script=self.script)
        self.scripted.connect().addErrback(lambda f: self.calls.append("sent away"))

    def stop_instance(self, fast: bool = False) -> Any:
        self.calls.append("stop")
        self.fasts.append(fast)
        self.stopping = stopped = defer.Deferred()
        stopped.addBoth(self._note, "stopped", "stopping")
        if not self.by_hand:
            self.end_stop()
        return stopped

    def end_stop(self, result: Any = None) -> None:
        assert self.stopping is not None
        if self.scripted is not None:
            self.scripted.drop()
        self.stopping.callback(result)

    def _note(self, result: Any, word: str, which: str) -> Any:
        setattr(self, which, None)
        self.calls.append(f"{word} badly" if isinstance(result, Failure) else word)
        return result
