"""Steps written for releases before 0.9: ``start()`` begins the work, ``finished(results)`` ends it."""

from __future__ import annotations

import warnings
from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure

from buildmaster.base.aio import maybe
from buildmaster.base.results import SKIPPED
from buildmaster.process.summary import join_words


class BuildStepStatus:
    """What such steps call to change their text."""

    def __init__(self, step: Any) -> None:
        self._step = step

    def setText(self, text: Any) -> None:
        """The step's text, a list of words."""
        self._step.description = self._step.descriptionDone = text
        self._step.updateSummary()

    def setText2(self, text: Any) -> None:
        """The step's part of the build's text, a list of words."""
        self._step._old_build_text = join_words(text)

    def stepStarted(self) -> None:
        """Needs no telling any more."""

    def addURL(self, name: str, url: str) -> None:
        """A link."""
        self._step.addURL(name, url)


class OldStyle:
    """One run of such a step."""

    def __init__(self, step: Any) -> None:
        self._step = step
        self._done: defer.Deferred[int] = defer.Deferred()

    async def run(self) -> int:
        """Begin, and wait until the step says that it is finished or failed."""
        step = self._step
        warnings.warn(
            f"{type(step).__name__}.start() is the way of releases before 0.9; write run() instead, which returns "
            "the result",
            DeprecationWarning,
            stacklevel=2,
        )
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
