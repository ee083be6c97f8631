"""Sets of test results of one kind."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import blame, test_results, views


class TestResultSetsEndpoint(base.ViewEndpoint):
    """Sets: all, or those of a builder, build, step or range of commits."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = [
        "/test_result_sets",
        "/builders/n:builderid/test_result_sets",
        "/builders/s:buildername/test_result_sets",
        "/builds/n:buildid/test_result_sets",
        "/steps/n:stepid/test_result_sets",
        "/codebases/n:codebaseid/commit_range/n:commitid1/n:commitid2/test_result_sets",
    ]
    rootLinkName = "test_result_sets"
    view = views.TEST_RESULT_SETS

    async def get(self, resultSpec: Any, kwargs: dict[str, Any]) -> Any:
        if "commitid1" not in kwargs:
            return await self.read(kwargs, resultSpec)
        ids = (kwargs["codebaseid"], kwargs["commitid1"], kwargs["commitid2"])
        return await self.page(resultSpec, blame.result_sets_of_commits, *ids, resultSpec)


class TestResultSetEndpoint(base.ViewEndpoint):
    """One set."""

    kind = base.EndpointKind.SINGLE
    pathPatterns = ["/test_result_sets/n:test_result_setid"]
    view = views.TEST_RESULT_SETS


class TestResultSet(base.ResourceType):
    """Results of a step in one category, with one unit."""

    name = "test_result_set"
    plural = "test_result_sets"
    endpoints = [TestResultSetsEndpoint, TestResultSetEndpoint]
    eventPathPatterns = ["/test_result_sets/:test_result_setid"]
    events = ("new", "completed")
    view = views.TEST_RESULT_SETS

    class EntityType(types.Entity):
        test_result_setid = types.Integer()
        builderid = types.Integer()
        buildid = types.Integer()
        stepid = types.Integer()
        description = types.NoneOk(types.String())
        category = types.String()
        value_unit = types.String()
        tests_passed = types.NoneOk(types.Integer())
        tests_failed = types.NoneOk(types.Integer())
        complete = types.Boolean()

    entityType = EntityType("test_result_set")

    @base.updateMethod
    @deferred
    async def addTestResultSet(
        self, builderid: int, buildid: int, stepid: int, description: str | None, category: str, value_unit: str
    ) -> int:
        """Begin a set of results; returns its id."""
        ids = (builderid, buildid, stepid)
        return await self.master.db.write(test_results.add_set, *ids, description, category, value_unit)

    @base.updateMethod
    @deferred
    async def completeTestResultSet(
        self, test_result_setid: int, tests_passed: int | None = None, tests_failed: int | None = None
    ) -> None:
        """All results of a set have been added."""
        await self.master.db.write(test_results.complete_set, test_result_setid, tests_passed, tests_failed)
