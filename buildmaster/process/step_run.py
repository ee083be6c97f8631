"""One run of a step, from its start to its last word in the database.

Locks, rendering, the step's own ``run()``, what its end means, and the deadline after which a step that was told to
stop is left behind.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildmaster.base.aio import as_deferred, maybe
from buildmaster.base.deadlines import deadlines_of
from buildmaster.base.results import ALL_RESULTS, CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.locks import LockSet
from buildmaster.net.pblost import LOST
from buildmaster.process.old_steps import work_of
from buildmaster.process.step_errors import BuildStepCancelled, BuildStepFailed
from buildmaster.process.step_locks import step_locks
from buildmaster.properties import rendering_of

log = Logger()


class StepRun:
    """The run of one step.  ``step`` has its build, worker and row."""

    def __init__(self, step: Any) -> None:
        self._step = step
        self._reactor = step.build.master.reactor
        self._locks: LockSet | None = None
        self._abandon: defer.Deferred[None] = defer.Deferred()
        self._deadline: Any = None
        self._started_at = self._reactor.seconds()
        self._lost = False

    @property
    def waits_for_locks(self) -> bool:
        """Whether it stands in a line for a lock."""
        return self._locks is not None and self._locks.waits_for is not None

    def stop(self, why: Any, extra_seconds: float = 0.0) -> None:
        """Stop waiting for locks; if the step does not end by itself in time, leave it behind."""
        self._lost = self._lost or (isinstance(why, Failure) and why.check(*LOST) is not None)
        if self._locks is not None:
            self._locks.stop_waiting()
        if self._deadline is None:
            seconds = deadlines_of(self._step.build.master).step_stop + extra_seconds
            self._deadline = self._reactor.callLater(seconds, self._leave_behind)

    def _leave_behind(self) -> None:
        if not self._abandon.called:
            log.warn("step {step!r} did not stop when it was told to; left behind", step=self._step)
            self._step.step_logs.leave_watchers()
            self._abandon.callback(None)

    async def execute(self) -> int:
        """Run the step to its end, whatever happens; returns the result."""
        step = self._step
        try:
            step.results = await self._guarded()
            step.results = await self._finish_logs(step.results)
            hidden, step.results = await self._hidden(step.results)
            text = await self._final_text()
        finally:
            if self._deadline is not None and self._deadline.active():
                self._deadline.cancel()
        if self._locks is not None:
            self._locks.release()
        step.step_logs.close()
        step.record.finished(self._started_at, step.results, text, hidden)
        return step.results

    async def _guarded(self) -> int:
        step = self._step
        try:
            ended = await self._unless_abandoned(self._run())
            results = CANCELLED if ended is None else ended
        except BuildStepCancelled:
            results = CANCELLED
        except BuildStepFailed:
            results = FAILURE
        except (Exception, defer.CancelledError):
            failure = Failure()
            if failure.check(*LOST) and _worker_is_lost(step):
                return RETRY
            results = EXCEPTION
            if not step.stopped:
                log.failure("in step {name!r} of {build!r}", failure, name=step.name, build=step.build)
            await self._log_failure(failure)
        if self._lost or (step.stopped and _worker_is_lost(step)):
            return RETRY
        return CANCELLED if step.stopped and results != RETRY else results

    def _unless_abandoned(self, work: Any) -> defer.Deferred[Any]:
        """The outcome of some work that may take user code; None if the step is left behind before."""
        return _either(as_deferred(work), self._abandon)

    async def _log_failure(self, failure: Failure) -> None:
        try:
            await self._step.addLogWithFailure(failure)
        except Exception:
            log.failure("storing the traceback of step {name!r}", name=self._step.name)

    # -- before ----------------------------------------------------------------------------------------------------

    async def _run(self) -> int:
        if not await self._take_locks():
            return CANCELLED
        if not await self._wanted():
            return SKIPPED
        await self._render()
        await self._tell_started()
        if self._step.stopped:
            return CANCELLED
        await as_deferred(self._step.addTestResultSets())
        return await self._body()

    async def _take_locks(self) -> bool:
        step = self._step
        wanted = await as_deferred(rendering_of(step.locks, step.build.properties))
        if not wanted:
            return True
        self._locks = step_locks(step, wanted)
        if step.stopped:
            return False
        taking = as_deferred(self._locks.acquire())
        if not taking.called:
            step.record.started(self._started_at, None, "waiting for locks")
        if not await taking:
            return False
        step.build.add_locks_duration(self._reactor.seconds() - self._started_at)
        return True

    async def _wanted(self) -> bool:
        step = self._step
        wanted = rendering_of(step.doStepIf, step.build.properties)
        if isinstance(wanted, defer.Deferred):
            wanted = await wanted
        if callable(wanted):
            wanted = await maybe(wanted, step)
        step.doStepIf = wanted
        return bool(wanted)

    async def _render(self) -> None:
        step = self._step
        props = step.build.properties
        waiting = []
        for name in type(step).all_renderables():
            value = rendering_of(getattr(step, name, None), props)
            if isinstance(value, defer.Deferred):
                waiting.append((name, value))
            elif hasattr(step, name):
                setattr(step, name, value)
        for name, pending in waiting:
            setattr(step, name, await pending)
        step.rendered = True

    async def _tell_started(self) -> None:
        step = self._step
        text = await self._current_text()
        now = self._reactor.seconds()
        if step.record.row.started_at is None:
            step.record.started(self._started_at, now, text)
        else:
            step.record.locks_acquired(now, text)

    async def _current_text(self) -> str:
        return _step_text(await maybe(self._step.getCurrentSummary), "getCurrentSummary")

    # -- the step's own work ---------------------------------------------------------------------------------------

    async def _body(self) -> int:
        results = await as_deferred(work_of(self._step))
        if isinstance(results, bool) or results not in ALL_RESULTS:
            name = type(self._step).__name__
            raise RuntimeError(f"{name}.run() must return a result like SUCCESS, not {results!r}")
        return int(results)

    # -- after -----------------------------------------------------------------------------------------------------

    async def _finish_logs(self, results: int) -> int:
        try:
            await self._step.finish_tests()
            errors = await self._step.step_logs.finish()
        except Exception:
            log.failure("finishing the logs of step {name!r}", name=self._step.name)
            errors = True
        return EXCEPTION if errors and results in (SUCCESS, WARNINGS, FAILURE, SKIPPED) else results

    async def _hidden(self, results: int) -> tuple[bool, int]:
        step = self._step
        try:
            return bool(await self._unless_abandoned(self._hide(results))), results
        except Exception:
            failure = Failure()
            log.failure("in hideStepIf of step {name!r}", failure, name=step.name)
            await self._log_failure(failure)
            await step.step_logs.finish()
            return False, EXCEPTION

    async def _hide(self, results: int) -> Any:
        step = self._step
        hide = rendering_of(step.hideStepIf, step.build.properties)
        if isinstance(hide, defer.Deferred):
            hide = await hide
        return await maybe(hide, results, step) if callable(hide) else hide

    async def _final_text(self) -> str:
        try:
            summary = await self._unless_abandoned(maybe(self._step.getResultSummary))
            if summary is None and self._abandon.called:
                return "left behind"
            return _step_text(summary, "getResultSummary")
        except Exception:
            log.failure("in getResultSummary of step {name!r}", name=self._step.name)
            return "finished (its summary raised an error)"


def _worker_is_lost(step: Any) -> bool:
    conn = step.build.conn
    return conn is None or not getattr(conn, "connected", True)


def _step_text(summary: Any, method: str) -> str:
    if not isinstance(summary, dict):
        raise TypeError(f"{method} must return a dictionary, not {summary!r}")
    text = summary.get("step", "")
    if not isinstance(text, str):
        raise TypeError(f"the 'step' of {method} must be a str, not {text!r}")
    return text


def _either(first: defer.Deferred, second: defer.Deferred) -> defer.Deferred:
    """The outcome of ``first``, or None when ``second`` fires before; ``first`` is cancelled then."""
    both: defer.Deferred = defer.Deferred()

    def finish(result: Any) -> None:
        if not both.called:
            both.callback(result)
        elif isinstance(result, Failure) and not result.check(defer.CancelledError):
            log.failure("in a step that was left behind", result)

    def give_up(_: Any) -> None:
        if not both.called:
            both.callback(None)
            first.cancel()

    first.addBoth(finish)
    second.addCallback(give_up)
    return both
