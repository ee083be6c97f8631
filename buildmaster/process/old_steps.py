"""Steps written for releases before 0.9: ``start()`` begins the work, ``finished(results)`` ends it.

What they call is in :class:`OldStyleMixin`, which every step has; the hooks around a command are in
:mod:`.old_commands`.
"""

from __future__ import annotations

import warnings
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import maybe
from buildmaster.base.results import SKIPPED
from buildmaster.process.summary import join_words

log = Logger()

_told: set[str] = set()  # what the log has been told already


def begins_with_start(step_class: type) -> bool:
    """Whether steps of this class are begun by ``start()``.

    It is defined nearer to the class than ``run()``, which is not the user's, and is one beside which a ``start()``
    makes sense: that of BuildStep, which does nothing, or of a class that has a ``start()`` for ``super()`` to call.
    """
    owner = next(each for each in step_class.__mro__ if "run" in vars(each))
    nearer = step_class.__mro__[: step_class.__mro__.index(owner)]
    if not any(callable(vars(each).get("start")) for each in nearer):
        return False
    ours = owner.__module__.startswith("buildmaster.")
    return ours and (owner.__module__ == "buildmaster.process.buildstep" or hasattr(owner, "start"))


def deprecated(step: Any, name: str, release: str, instead: str) -> None:
    """Warn that a step has a method of releases before this one; the log is told once for each class."""
    kind = type(step)
    text = f"{kind.__name__}.{name}() is the way of releases before {release}; {instead}"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    if f"{kind.__module__}.{text}" not in _told:
        _told.add(f"{kind.__module__}.{text}")
        log.warn("{text}", text=text)


def work_of(step: Any) -> Any:
    """The step's own work, however it was written: its result, or a Deferred or coroutine of one."""
    if not begins_with_start(type(step)):
        return step.run()
    keep_old_things(step)
    step._old_style = OldStyle(step)
    return step._old_style.run()


def keep_old_things(step: Any) -> None:
    """Give the step what methods of older releases find on it: ``step_status``, and logs that can be read at once."""
    if step.step_status is None:
        step.step_status = BuildStepStatus(step)
        step.step_logs.keep_texts()


class BuildStepStatus:
    """``step_status``: what such steps call to change their text."""

    def __init__(self, step: Any) -> None:
        self._step = step
        self.text: str | None = None
        """The text that the step was given last."""

    def setText(self, text: Any) -> None:
        """The step's text, a list of words."""
        self._step.description = self._step.descriptionDone = text
        self.text = join_words(text)
        self._step.updateSummary()

    def setText2(self, text: Any) -> None:
        """The step's part of the build's text, a list of words."""
        self._step._old_build_text = join_words(text)

    def stepStarted(self) -> None:
        """Needs no telling any more."""

    def getName(self) -> str:
        """The step's name."""
        return self._step.name

    def getLogs(self) -> list[Any]:
        """The step's logs."""
        return list(self._step.logs.values())

    def addURL(self, name: str, url: str) -> None:
        """A link."""
        self._step.addURL(name, url)

    def setStatistic(self, name: str, value: Any) -> None:
        """The same as the step's."""
        self._step.setStatistic(name, value)

    def getStatistic(self, name: str, default: Any = None) -> Any:
        """The same as the step's."""
        return self._step.getStatistic(name, default)

    def hasStatistic(self, name: str) -> bool:
        """The same as the step's."""
        return self._step.hasStatistic(name)


class OldStyle:
    """One run of such a step."""

    def __init__(self, step: Any) -> None:
        self._step = step
        self._done: defer.Deferred[int] = defer.Deferred()

    async def run(self) -> int:
        """Begin, and wait until the step says that it is finished or failed."""
        step = self._step
        deprecated(step, "start", "0.9", "write run() instead, which returns the result")
        try:
            answer = await maybe(step.start)
        except Exception:
            self.failed(Failure())
        else:
            if answer == SKIPPED:
                self.finished(SKIPPED)
        return await self._done

    def finished(self, results: int) -> None:
        """The step's work is done."""
        if not self._done.called:
            self._done.callback(results)

    def failed(self, why: Failure) -> None:
        """The step's work has failed."""
        if not self._done.called:
            self._done.errback(why)


class OldStyleMixin:
    """What a step with a ``start()`` calls."""

    step_status: BuildStepStatus | None = None
    _old_build_text: str | None = None
    _old_style: OldStyle | None = None

    def finished(self, results: int) -> None:
        """Ends a step that has a ``start()``.  Raises RuntimeError in any other."""
        self._of_old("finished").finished(results)

    def failed(self, why: Failure) -> None:
        """Ends a step that has a ``start()`` with an error.  Raises RuntimeError in any other."""
        self._of_old("failed").failed(why)

    def _of_old(self, name: str) -> OldStyle:
        if self._old_style is None:
            raise RuntimeError(f"{type(self).__name__} has a run(), which returns the result: {name}() is for start()")
        return self._old_style
