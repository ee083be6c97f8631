"""mysql-test-run: its report, its logs and its database."""

from __future__ import annotations

import sqlite3

from twisted.internet import defer
from twisted.internet.testing import MemoryReactorClock

from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS
from buildmaster.properties import Property
from buildmaster.steps import mtrlogobserver
from buildmaster.steps.mtrlogobserver import MTR, EqConnectionPool
from tests.support.one_step import run_steps

REPORT = """\
TEST                                      RESULT   TIME (ms) or COMMENT
--------------------------------------------------------------------------

worker[1] Using MTR_BUILD_THREAD 300, with reserved ports 16000..16019
main.1st                                 w2 [ pass ]      8
innodb.alter_table 'innodb,mix'          w1 [ fail ]
        Test ended at 2026-01-02 03:04:05

CURRENT_TEST: innodb.alter_table
mysqltest: At line 3: query 'SELECT' failed
Retrying test innodb.alter_table, attempt(2/3)...

innodb.alter_table 'innodb,mix'          w1 [ retry-fail ]
mysqltest: At line 4: again
main.needs_debug                         w2 [ skipped ]  Need debug binaries
main.a_rather_long_test_name             w2 [ fail ]  timeout after 900 seconds
the text of it
***Warnings generated in error logs during shutdown after running tests: main.1st main.2nd
2026-01-02  3:04:06 [Warning] oh
--------------------------------------------------------------------------
Completed: Failed 2/3 tests, 33.33% were successful.
"""


class Pool:
    """A database in memory, reached in the manner of Twisted's pools; ``lost`` calls fail first."""

    dbapi = sqlite3

    def __init__(self, lost=0):
        self.connection = sqlite3.connect(":memory:")
        self.lost = lost

    def runInteraction(self, interaction, *args, **kwargs):
        if self.lost:
            self.lost -= 1
            return defer.fail(sqlite3.OperationalError("gone away"))
        with self.connection:
            return defer.succeed(interaction(self.connection.cursor(), *args, **kwargs))

    def rows(self, query):
        return self.connection.execute(query).fetchall()


def says(text, rc):
    async def script(command):
        command.out(text)
        command.rc(rc)

    return script


def run_with(tmp_path, pool, rc=1, text=REPORT, **arguments):
    return run_steps(tmp_path, MTR(command=["mtr"], dbpool=pool, **arguments), script=says(text, rc))


def test_the_tests_that_failed_are_named_and_counted(tmp_path):
    step = MTR(command=["perl", "mysql-test-run.pl"], test_type="nm", textLimit=2)
    done = run_steps(tmp_path, step, script=says(REPORT, 1))
    assert done.results == FAILURE
    assert done.text == "test nm 3 tests 1 passed 2 failed alter_table a_rather_long_t… and 1 more (failure)"


def test_a_run_and_its_failures_are_rows(tmp_path):
    pool = Pool(lost=1)
    done = run_with(tmp_path, pool, autoCreateTables=True, test_type="ps", test_info="all suites")
    assert done.results == FAILURE
    assert pool.rows("SELECT id, branch, revision, platform, bbnum, typ, info FROM test_run") == [
        (1, "main", "r1", done.properties["buildername"][0], 1, "ps", "all suites")
    ]
    assert pool.rows("SELECT test_run_id, test_name, test_variant, info_text FROM test_failure") == [
        (1, "innodb.alter_table", "innodb,mix", ""),
        (1, "main.a_rather_long_test_name", "", "timeout after 900 seconds"),
    ]
    [(text,)] = pool.rows("SELECT failure_text FROM test_failure WHERE test_variant <> ''")
    assert text.splitlines()[-2:] == ["mysqltest: At line 3: query 'SELECT' failed", "mysqltest: At line 4: again"]
    assert pool.rows("SELECT list_id, list_idx, test_name FROM test_warnings") == [
        (0, 0, "main.1st"),
        (0, 1, "main.2nd"),
    ]


def test_a_database_that_fails_is_told_and_the_tests_result_stays(tmp_path):
    done = run_with(tmp_path, Pool(), rc=0, text="main.1st [ pass ] 8\n")
    assert done.results == WARNINGS
    assert done.logs["database"] == "The results are not in the database: OperationalError: no such table: test_run\n"
    assert done.text == "test mtr 1 tests 1 passed (warnings)"


def test_the_servers_error_logs_are_watched(tmp_path):
    step = MTR(command=["mtr"], parallel=Property("jobs"), mtr_subdir="mt", logfiles={"mysqld*": "x.html"})
    done = run_steps(tmp_path, step, properties={"jobs": 1})
    assert (done.results, done.text) == (SUCCESS, "test mtr")
    [(_, args)] = [command for command in done.commands if command[0] == "shell"]
    servers = {
        f"mysqld.{server}.err.{directory}": f"mt/var/{path}log/mysqld.{server}.err"
        for directory, path in ((0, ""), (1, "1/"))
        for server in (1, 2, 3, 4)
    }
    assert args["logfiles"] == {**servers, "mysqld*": "x.html"}
    assert set(done.logs) == {"stdio"}
    without = run_steps(tmp_path / "2", MTR(command=["mtr"], addLogs=False))
    assert [args["logfiles"] for name, args in without.commands if name == "shell"] == [{}]


def test_a_step_of_ones_own_asks_the_database(tmp_path):
    class LastFailures(MTR):
        def __init__(self, pool, test_type, **kwargs):
            self.test_type = test_type
            super().__init__(dbpool=pool, **kwargs)

        @defer.inlineCallbacks
        def run(self):
            rows = yield self.runQueryWithRetry(
                f"SELECT test_name FROM test_failure, test_run WHERE typ='{self.test_type}'"
            )
            self.setProperty("tests", [name for (name,) in rows])
            return SUCCESS

    pool = Pool()
    run_with(tmp_path, pool, autoCreateTables=True)
    done = run_steps(tmp_path / "2", LastFailures(pool, "mtr", name="last"))
    assert done.property("tests") == ["innodb.alter_table", "main.a_rather_long_test_name"]


def test_pools_made_alike_are_equal_and_the_first_of_them_is_used():
    reactor = MemoryReactorClock()
    one, two = (EqConnectionPool("sqlite3", "file", cp_reactor=reactor) for _ in range(2))
    other = EqConnectionPool("sqlite3", "elsewhere", cp_reactor=reactor)
    assert one == two and one != other and one is not two
    assert mtrlogobserver._first_of_equals(one) is mtrlogobserver._first_of_equals(two) is one
