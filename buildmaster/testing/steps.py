"""Test cases of build steps: what a step runs is expected, answered by the test, and compared.

A real build runs the steps on a whole master in memory; only the worker and the clock are the test's.
Documented as ``buildbot.test.steps``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from buildmaster.base.aio import as_deferred
from buildmaster.process.step_factory import create_step_from_step_or_factory
from buildmaster.testing.bench import Bench
from buildmaster.testing.expect import Expect, ExpectMasterShell, ExpectRemoteRef
from buildmaster.testing.expect_commands import (
    ExpectCpdir,
    ExpectGlob,
    ExpectListdir,
    ExpectMkdir,
    ExpectRmdir,
    ExpectRmfile,
    ExpectShell,
    ExpectStat,
)
from buildmaster.testing.expect_transfers import ExpectDownloadFile, ExpectUploadDirectory, ExpectUploadFile
from buildmaster.testing.verdict import Verdict

__all__ = [
    "Expect",
    "ExpectCpdir",
    "ExpectDownloadFile",
    "ExpectGlob",
    "ExpectListdir",
    "ExpectMasterShell",
    "ExpectMkdir",
    "ExpectRemoteRef",
    "ExpectRmdir",
    "ExpectRmfile",
    "ExpectShell",
    "ExpectStat",
    "ExpectUploadDirectory",
    "ExpectUploadFile",
    "TestBuildStepMixin",
]


class TestBuildStepMixin:
    """For test cases of steps; needs :class:`~buildmaster.testing.reactor.TestReactorMixin` beside it.

    Set up the step, say what it shall run and what shall come of it, and :meth:`run_step`.  ``self.master``,
    ``self.build`` and ``self.worker`` are there from the set-up on.
    """

    reactor: Any
    master: Any
    build: Any
    worker: Any
    _bench: Bench | None = None
    _error_observer: Any = None
    _verdict: Verdict

    # -- setting up ------------------------------------------------------------------------------------------------

    def setup_test_build_step(
        self,
        want_data: bool = True,
        want_db: bool = False,
        want_mq: bool = False,
        with_secrets: Mapping[str, str] | None = None,
    ) -> defer.Deferred[None]:
        """Make ``self.master``: a whole one, so that its data, database and messages are there, wanted or not.

        ``with_secrets`` are secrets by name.  Taken down at the end where the test case has ``addCleanup``; else call
        :meth:`tear_down_test_build_step`.
        """
        self._bench = Bench(self.reactor, with_secrets)
        self.master = self._bench.master
        self._verdict = Verdict()
        if hasattr(self, "addCleanup"):
            self.addCleanup(self.tear_down_test_build_step)
        return defer.succeed(None)

    def tear_down_test_build_step(self) -> defer.Deferred[None]:
        """Let go of everything.  May be called twice."""
        bench, self._bench = self._bench, None
        self._stop_observing_errors()
        if bench is not None:
            bench.close()
        return defer.succeed(None)

    def setup_build(
        self,
        worker_version: Mapping[str, str] | None = None,
        worker_env: Mapping[str, str] | None = None,
        build_files: Sequence[str] | None = None,
    ) -> None:
        """Make ``self.build`` and its worker.

        ``worker_version`` are the versions of the worker's commands by name, ``*`` for all others (without it the
        worker has all commands in the newest version); ``worker_env`` its environment variables; ``build_files`` the
        files that were changed.
        """
        bench = self._the_bench()
        self.build = bench.make_build(worker_version, worker_env, build_files)
        self.worker = bench.worker

    def setup_step(
        self,
        step: Any,
        worker_version: Mapping[str, str] | None = None,
        worker_env: Mapping[str, str] | None = None,
        build_files: Sequence[str] | None = None,
        want_default_work_dir: bool = True,
    ) -> Any:
        """Add a step, which is returned as it will be run; see :meth:`setup_build` for the arguments.

        A step without a workdir works in ``wkdir``, or in ``build`` without ``want_default_work_dir``.
        """
        if "build" not in self.__dict__:
            self.setup_build(worker_version, worker_env, build_files)
        elif worker_version is not None or worker_env is not None or build_files is not None:
            raise ValueError("the worker and the build are there already: give these to setup_build or the first step")
        made = create_step_from_step_or_factory(step)
        made.setBuild(self.build)
        made.setWorker(self.worker)
        made.setDefaultWorkdir("wkdir" if want_default_work_dir else self.build.workdir)
        self._verdict.steps.append(made)
        return made

    def change_worker_system(self, system: str) -> None:
        """The worker runs on ``posix`` or ``win32``."""
        info = {**self.worker.workerinfo, "system": "nt" if system == "win32" else system}
        self.worker.take_info(info)
        self.worker.worker_system = system

    def get_nth_step(self, index: int) -> Any:
        """The step that was set up as the ``index``-th, from 0."""
        return self._verdict.steps[index]

    def _the_bench(self) -> Bench:
        if self._bench is None:
            raise RuntimeError("call setup_test_build_step() first, after setup_test_reactor()")
        return self._bench

    # -- what shall happen -----------------------------------------------------------------------------------------

    def expect_commands(self, *exp: Expect | ExpectMasterShell) -> None:
        """All commands that are run, in their order, and what comes of them."""
        self._the_bench().script.expected.extend(exp)

    def interrupt_nth_remote_command(self, number: int) -> None:
        """Interrupt the step when it runs this command on the worker, counted from 0."""
        self._the_bench().script.interrupts.add(number)

    def add_run_process_expect_env(self, d: Mapping[str, str]) -> None:
        """Processes on the master have to have these variables in their environment."""
        self._the_bench().script.process_env.update(d)

    # -- what shall come of it -------------------------------------------------------------------------------------

    def expect_outcome(self, result: int, state_string: str | None = None) -> None:
        """The next step's result, and its final summary: the first call is about the first step, and so on."""
        self._verdict.outcomes.append((result, state_string))

    def expect_result_summary(self, *summaries: Mapping[str, str]) -> None:
        """What ``getResultSummary()`` gives, of each step."""
        self._verdict.checks.append(lambda outcome: outcome.summaries("getResultSummary", list(summaries)))

    def expect_build_result_summary(self, *summaries: Mapping[str, str]) -> None:
        """What ``getBuildResultSummary()`` gives, of each step."""
        self._verdict.checks.append(lambda outcome: outcome.summaries("getBuildResultSummary", list(summaries)))

    def expect_property(self, property: str, value: Any, source: Any = None) -> None:
        """A property of the build at the end, and where it came from."""
        self._verdict.checks.append(lambda outcome: outcome.property(property, value, source))

    def expect_properties(self, properties: Mapping[str, Any]) -> None:
        """Several properties at the end: name → value."""
        for name, value in properties.items():
            self.expect_property(name, value)

    def expect_no_property(self, property: str) -> None:
        """A property that is not set at the end."""
        self._verdict.checks.append(lambda outcome: outcome.no_property(property))

    def expect_log_file(self, logfile: str, contents: str, step_index: int = 0) -> None:
        """The stdout of a log, or all of a log without channels; a newline at the very end does not matter."""
        self._verdict.checks.append(lambda outcome: outcome.log(step_index, logfile, "o", contents))

    def expect_log_file_stderr(self, logfile: str, contents: str, step_index: int = 0) -> None:
        """The stderr of a log."""
        self._verdict.checks.append(lambda outcome: outcome.log(step_index, logfile, "e", contents))

    def expect_hidden(self, hidden: bool = True) -> None:
        """Whether the last step is hidden."""
        self._verdict.checks.append(lambda outcome: outcome.hidden(hidden))

    def expect_build_data(self, name: str, value: bytes, source: str) -> None:
        """A piece of the build's data."""
        self._verdict.checks.append(lambda outcome: outcome.build_data(name, value, source))

    def expect_test_result_sets(self, sets: Sequence[tuple[str, str, str]]) -> None:
        """All sets of test results: (description, category, unit of the values)."""
        self._verdict.test_sets = list(sets)

    def expect_test_results(self, results: Sequence[tuple[Any, ...]]) -> None:
        """All test results: (number of the set from 1000, value, name, path of the code, line, nanoseconds)."""
        self._verdict.test_results = list(results)

    def expect_exception(self, exception_class: type[BaseException]) -> None:
        """The step raises this, and ends with EXCEPTION unless an outcome says otherwise."""
        self._verdict.exceptions.append(exception_class)

    # -- running ---------------------------------------------------------------------------------------------------

    def run_step(self) -> defer.Deferred[None]:
        """Run the steps that were set up, and compare.

        Raises AssertionError with all that is not as expected; or the Deferred fails with it, if the steps need time
        to pass (``self.reactor.advance(seconds)``) before they end.
        """
        if not self._verdict.steps:
            raise RuntimeError("there is nothing to run: call setup_step() first")
        errors: list[BaseException] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event.get("log_failure") is not None:
                errors.append(event["log_failure"].value)

        def over(result: Any) -> Any:
            self._stop_observing_errors()
            flush = getattr(self, "flushLoggedErrors", None)
            if flush is not None and self._verdict.exceptions:
                flush(*self._verdict.exceptions)
            return result

        globalLogPublisher.addObserver(observe)
        self._error_observer = observe
        done = as_deferred(self._verdict.run(self._the_bench(), errors)).addBoth(over)
        self.reactor.settle()
        raised: list[Any] = []
        if done.called:
            done.addErrback(raised.append)
        if raised:
            raised[0].raiseException()
        return done

    def _stop_observing_errors(self) -> None:
        observer, self._error_observer = self._error_observer, None
        if observer is not None:
            globalLogPublisher.removeObserver(observer)
