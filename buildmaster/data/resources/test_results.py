"""Results of single tests."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.data import base, types
from buildmaster.db import test_results, views


class TestResultsEndpoint(base.ViewEndpoint):
    """The results of a set."""

    kind = base.EndpointKind.COLLECTION
    pathPatterns = ["/test_result_sets/n:test_result_setid/results"]
    view = views.TEST_RESULTS


class TestResult(base.ResourceType):
    """What one test gave."""

    name = "test_result"
    plural = "test_results"
    endpoints = [TestResultsEndpoint]
    view = views.TEST_RESULTS

    class EntityType(types.Entity):
        test_resultid = types.Integer()
        builderid = types.Integer()
        test_result_setid = types.Integer()
        test_name = types.NoneOk(types.String())
        test_code_path = types.NoneOk(types.String())
        line = types.NoneOk(types.Integer())
        duration_ns = types.NoneOk(types.Integer())
        value = types.String()

    entityType = EntityType("test_result")

    @base.updateMethod
    @deferred
    async def addTestResults(self, builderid: int, test_result_setid: int, result_values: list[dict[str, Any]]) -> None:
        """Add results to a set.

        Each is a dictionary with ``value`` and at least one of ``test_name`` and ``test_code_path``, and perhaps
        ``line`` and ``duration_ns``.  Raises KeyError for one that lacks them.
        """
        for result in result_values:
            if "value" not in result:
                raise KeyError("each of result_values must have 'value'")
            if result.get("test_name") is None and result.get("test_code_path") is None:
                raise KeyError("each of result_values must have 'test_name' or 'test_code_path'")
        found = (builderid, test_result_setid, result_values)
        await self.write_about("test_result_set", test_result_setid, test_results.add_results, *found)
