"""mysql-test-run: what the test suites of MariaDB, MySQL and their engines say, and a database of what failed.

The report has a line for each test, ``main.alias 'innodb' w2 [ pass ] 12``, whose result is pass, fail, skipped or
disabled (``retry-…`` when it was run again); what is wrong with a failed test follows its line.  Described in the
manual of the test framework, https://mariadb.com/kb/en/mariadb-test/.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.enterprise import adbapi

from buildmaster.base.aio import as_deferred, deferred
from buildmaster.base.results import SUCCESS, WARNINGS, statusToString, worst_status
from buildmaster.process import logobserver
from buildmaster.steps.mtrdatabase import TestFailure, TestRun, create_tables, insert_run
from buildmaster.steps.shell import Test

SERVERS = 4
"""Server error logs that are looked for in each of the directories that tests run in."""
ATTEMPTS = 5
"""How often a statement is tried when the database has closed the connection or broken a deadlock."""


class EqConnectionPool(adbapi.ConnectionPool):
    """A pool of connections to a database, equal to every other that was made with the same arguments.

    The arguments are those of :class:`twisted.enterprise.adbapi.ConnectionPool`.  A configuration makes a new pool
    each time it is read; steps go on with the first of those that are equal, so that reloading opens nothing.
    """

    min = 0  # a pool that nobody uses has no threads

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._made_with = (args, tuple(sorted(kwargs.items())))
        super().__init__(*args, **{"cp_reconnect": True, **kwargs})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EqConnectionPool) and self._made_with == other._made_with

    def __hash__(self) -> int:
        return hash(str(self._made_with))


_pools: dict[EqConnectionPool, EqConnectionPool] = {}


def _first_of_equals(pool: Any) -> Any:
    return _pools.setdefault(pool, pool) if isinstance(pool, EqConnectionPool) else pool


class MtrLogObserver(logobserver.LogLineObserver):
    """Counts the tests and keeps those that failed, with what was printed about them.

    ``textLimit`` is the number of tests that are named in the step's words, ``testNameLimit`` the number of
    characters of each; ``testType`` stands before them.
    """

    resultRe = re.compile(
        r"^([-._\w]+)(?:\s+'([^']*)')?(?:\s+w\d+)?\s+\[ (retry-)?(pass|fail|skipped|disabled) \]\s*(.*)$"
    )
    shutdownRe = re.compile(r"^\*\*\*Warnings generated in error logs during shutdown after running tests: (.*)$")
    endRe = re.compile(r"^(?:-{20,}|Completed: |Retrying test |The servers were restarted |Too many failed: )")

    def __init__(self, textLimit: int = 5, testNameLimit: int = 16, testType: str | None = None) -> None:
        super().__init__()
        self.textLimit = textLimit
        self.testNameLimit = testNameLimit
        self.testType = testType
        self.numTests = 0
        self.failures: dict[tuple[str, str], TestFailure] = {}
        self.warnLists: list[list[str]] = []
        self._text: list[str] | None = None

    def outLineReceived(self, line: str) -> None:
        """One line of the report."""
        if match := self.resultRe.match(line):
            self._result(*match.groups())
        elif match := self.shutdownRe.match(line):
            self._text = None
            self.warnLists.append(match.group(1).split())
        elif self.endRe.match(line):
            self._text = None
        elif self._text is not None:
            self._text.append(line)

    def _result(self, name: str, variant: str | None, again: str | None, result: str, info: str) -> None:
        self._text = None
        if result in ("pass", "fail") and not again:
            self.numTests += 1
            self.step.setProgress("tests", self.numTests)
        if result == "fail":
            key = (name, variant or "")
            if key not in self.failures:  # what the retries print comes after what the first run did
                self.failures[key] = TestFailure(name=name, variant=variant or "", info=info)
            self._text = self.failures[key].text

    def words(self) -> list[str]:
        """The tests that failed and those whose servers warned at the end, short, and how many more there are."""
        names = [name for name, _ in self.failures]
        names += [f"{name}(warn)" for tests in self.warnLists for name in tests[-1:]]
        shown = [self.short(name) for name in names[: self.textLimit]]
        more = len(names) - len(shown)
        return shown + ([f"and {more} more"] if more else [])

    def short(self, name: str) -> str:
        """A test's name, cut to the limit: its suite goes first."""
        if len(name) > self.testNameLimit:
            name = name.rpartition(".")[2]
        return name if len(name) <= self.testNameLimit else name[: max(self.testNameLimit - 1, 1)] + "…"


class MTR(Test):
    """Runs mysql-test-run and reports which tests failed.

    The error logs of the servers are logs of the step: those below ``mtr_subdir`` (a directory in the workdir, may be
    rendered) of as many directories as ``parallel`` says, which is what ``--parallel`` is (may be rendered);
    ``addLogs=False`` leaves them out.  ``logfiles`` are further ones.  Logs that stay empty are not made, unless
    ``lazylogfiles`` is False.

    ``dbpool`` (an :class:`EqConnectionPool`, or Twisted's own) is the database to which the run and its failures
    go, as rows of ``test_run``, ``test_failure`` and ``test_warnings``; with ``autoCreateTables`` they are made if
    they are not there.  ``test_type`` (short, ``mtr`` if it isn't given) and ``test_info`` (a sentence) are kept with
    the run.  A database that does not answer makes a successful step one with WARNINGS, no more.

    A line that ``warningPattern`` matches is a warning; ``textLimit`` failed tests are named in the step's words, cut
    to ``testNameLimit`` characters.
    """

    renderables = ["mtr_subdir", "parallel", "test_type", "test_info"]
    test_type: Any = None

    def __init__(
        self,
        dbpool: Any = None,
        test_type: Any = None,
        test_info: Any = "",
        description: Any = None,
        descriptionDone: Any = None,
        autoCreateTables: bool = False,
        textLimit: int = 5,
        testNameLimit: int = 16,
        parallel: Any = 4,
        logfiles: Any = None,
        lazylogfiles: bool = True,
        warningPattern: Any = "MTR's internal check of the test case '.*' failed",
        mtr_subdir: Any = "mysql-test",
        addLogs: bool = True,
        **kwargs: Any,
    ) -> None:
        if test_type is not None:
            self.test_type = test_type
        kind = test_type if isinstance(test_type, str) else "mtr"
        super().__init__(
            description=["testing", kind] if description is None else description,
            descriptionDone=["test", kind] if descriptionDone is None else descriptionDone,
            logfiles=logfiles or {},
            lazylogfiles=lazylogfiles,
            warningPattern=warningPattern,
            **kwargs,
        )
        self.dbpool = dbpool
        self.test_info = test_info
        self.autoCreateTables = autoCreateTables
        self.parallel = parallel
        self.mtr_subdir = mtr_subdir
        self.addLogs = addLogs
        self.observer = MtrLogObserver(textLimit, testNameLimit, kind)
        self.progressMetrics = (*self.progressMetrics, "tests")
        self.addLogObserver("stdio", self.observer)

    @deferred
    async def run(self) -> int:
        if self.addLogs:
            self.logfiles = {**self._server_logs(), **self.logfiles}
        return await as_deferred(super().run())

    def _server_logs(self) -> dict[str, str]:
        """Log name → file, of every server of every directory; 0 is the one that is used without ``--parallel``."""
        found = {}
        for directory in range(int(self.parallel) + 1):
            below = f"{self.mtr_subdir}/var/{directory}/log" if directory else f"{self.mtr_subdir}/var/log"
            for server in range(1, SERVERS + 1):
                found[f"mysqld.{server}.err.{directory}"] = f"{below}/mysqld.{server}.err"
        return found

    @deferred
    async def createSummary(self, log: Any = None) -> None:
        """Keep the numbers; then write the run to the database."""
        await as_deferred(super().createSummary(log))
        failed = len(self.observer.failures)
        if self.observer.numTests:
            self.setTestResults(total=self.observer.numTests, failed=failed, passed=self.observer.numTests - failed)
        self.database_failed = False
        if self.dbpool is not None:
            await self._write_run()

    def evaluateCommand(self, cmd: Any) -> int:
        """What mysql-test-run says, which knows of tests that passed when they were run again."""
        result = super().evaluateCommand(cmd)
        return worst_status(result, WARNINGS) if self.database_failed else result

    def describe(self, done: bool = False) -> list[str]:
        """The step's words, and the tests that failed."""
        return [*super().describe(done), *self.observer.words()] if done else super().describe(done)

    def getResultSummary(self) -> dict[str, str]:
        """What :meth:`describe` says, with the result."""
        text = " ".join(self.describe(True))
        return {"step": text if self.results == SUCCESS else f"{text} ({statusToString(self.results)})"}

    # -- the database ----------------------------------------------------------------------------------------------

    async def _write_run(self) -> None:
        run = TestRun(
            branch=self.getProperty("branch"),
            revision=self.getProperty("got_revision", None) or self.getProperty("revision", None),
            platform=self.getProperty("buildername"),
            number=self.getProperty("buildnumber"),
            kind=self.test_type or "mtr",
            info=self.test_info,
            seconds=self.master.reactor.seconds(),
        )
        try:
            if self.autoCreateTables:
                await self.runInteractionWithRetry(create_tables, self.dbpool.dbapi)
            await self.runInteractionWithRetry(
                insert_run, self.dbpool.dbapi, run, list(self.observer.failures.values()), self.observer.warnLists
            )
        except Exception as raised:  # policy: go on without; the tests' result does not hang on the database
            self.database_failed = True
            await self.addCompleteLog(
                "database", f"The results are not in the database: {type(raised).__name__}: {raised}\n"
            )

    @deferred
    async def runInteractionWithRetry(self, actionFn: Any, *args: Any, **kw: Any) -> Any:
        """Run ``actionFn(txn, *args)`` in a transaction of ``dbpool``, again if the connection was lost meanwhile."""
        pool = _first_of_equals(self.dbpool)
        for _ in range(ATTEMPTS - 1):
            try:
                return await as_deferred(pool.runInteraction(actionFn, *args, **kw))
            except (adbapi.ConnectionLost, pool.dbapi.OperationalError):
                pass  # policy: again; the last attempt tells
        return await as_deferred(pool.runInteraction(actionFn, *args, **kw))

    @deferred
    async def runQueryWithRetry(self, *args: Any, **kw: Any) -> Any:
        """The rows of a query, whose arguments are those of a cursor's ``execute``."""

        def query(txn: Any) -> Any:
            txn.execute(*args, **kw)
            return txn.fetchall()

        return await self.runInteractionWithRetry(query)
