"""The logs of one step, and who watches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from buildmaster.base.strings import bytes2unicode, force_identifier, increment_identifier
from buildmaster.db import logs
from buildmaster.db.logs import LogRow
from buildmaster.process.log import Log


class StepLogs:
    """Makes a step's logs, attaches observers to them, and finishes them."""

    def __init__(self) -> None:
        self.by_name: dict[str, Log] = {}
        self._slugs: set[str] = set()
        self._observers: list[tuple[str, Any]] = []  # those whose log is not there yet
        self._closed = False
        self._kept = False

    def keep_texts(self) -> None:
        """Have the logs, those to come too, keep their texts: for steps of older releases."""
        self._kept = True
        for log in self.by_name.values():
            log.keep_text()

    def add(self, step: Any, name: str, type: str, encoding: str | Callable[[bytes], str] | None) -> Any:
        """A new log of a step that runs; raises RuntimeError when it has ended (a step that was left behind)."""
        if self._closed:
            raise RuntimeError(f"step {step.name!r} has ended, it can't have the log {name!r} any more")
        master = step.build.master
        shown = step.build.properties.cleanupTextFromSecrets(name)
        slug = force_identifier(shown)
        while slug in self._slugs:
            slug = increment_identifier(slug)
        self._slugs.add(slug)
        row = LogRow(master.db.new_id("logs"), step.stepid, shown, slug, type)
        master.db.progress(logs.add, row)
        encoding = encoding or step.logEncoding or getattr(master.config, "logEncoding", None) or "utf-8"
        log = Log.new(master, name, type, row.logid, encoding, row)
        log.step = step
        log.hide(step.build.properties.used_secrets)
        self.by_name[name] = log
        if self._kept:
            log.keep_text()
        progress = getattr(step, "progress", None)
        if progress is not None and name == "stdio":
            log.subscribe(progress.count_output)
        self._attach(log)
        return log

    def observe(self, name: str, observer: Any, step: Any) -> None:
        """Attach an observer to the log of this name, now or when it is made."""
        observer.setStep(step)
        self._observers.append((name, observer))
        log = self.by_name.get(name)
        if log is not None:
            self._attach(log)

    def _attach(self, log: Log) -> None:
        mine = [observer for name, observer in self._observers if name == log.name]
        self._observers = [pair for pair in self._observers if pair[0] != log.name]
        for observer in mine:
            observer.setLog(log)

    def close(self) -> None:
        """The step has ended."""
        self._closed = True

    def leave_watchers(self) -> None:
        """Do not wait for those who watch the logs."""
        for log in self.by_name.values():
            log.leave_watchers()

    async def finish(self) -> bool:
        """Finish all logs; returns whether one of their watchers had raised."""
        errors = False
        for log in list(self.by_name.values()):
            await log.finish()
            errors = errors or log.had_errors()
        return errors


def failure_text(why: Any) -> str:
    """The text of a log about an exception: its traceback."""
    if isinstance(why, Failure):
        return bytes2unicode(why.getTraceback(), errors="replace")
    return "".join(f"{line}\n" for line in str(why).split("\n"))
