"""What was built: builds with their steps, logs, data and results of tests."""

from __future__ import annotations

from buildmaster.db import schema as s
from buildmaster.db.fields import Json, Nested, Number, Text
from buildmaster.db.view import View
from buildmaster.db.views.making import fields_of, scopes_of, sourced

_r = s.buildrequests.c
_b = s.builds.c
_BUILD = {"build": (s.builds, _b.id == s.steps.c.buildid, False)}
_BUILDER = {"builder": (s.builders, s.builders.c.id == _b.builderid, False)}

_triggering = s.buildsets.alias("triggering")
BUILDS = View(
    "builds",
    s.builds,
    "buildid",
    {
        **fields_of(s.builds, "number", "builderid", "buildrequestid", "workerid", "masterid", buildid="id"),
        **fields_of(s.builds, "started_at", "complete", "complete_at", "locks_duration_s", "results", "state_string"),
        "properties": Json(s.build_properties.c.properties, ("properties",), make=sourced),
    },
    scopes_of(
        buildid=_b.id,
        build_number=_b.number,
        builderid=_b.builderid,
        buildername=(s.builders.c.name, "builder"),
        buildrequestid=_b.buildrequestid,
        workerid=_b.workerid,
        parent_buildid=(_triggering.c.parent_buildid, "request", "triggering"),
    ),
    {
        **_BUILDER,
        "properties": (s.build_properties, s.build_properties.c.buildid == _b.id, True),
        "request": (s.buildrequests, _r.id == _b.buildrequestid, False),
        "triggering": (_triggering, _triggering.c.id == _r.buildsetid, False),
    },
    on_request={"properties": dict},
)

STEPS = View(
    "steps",
    s.steps,
    "stepid",
    {
        **fields_of(s.steps, "number", "name", "buildid", "started_at", "locks_acquired_at", stepid="id"),
        **fields_of(s.steps, "complete", "complete_at", "results", "state_string"),
        "urls": Json(s.steps.c.urls, nullable=False),
        **fields_of(s.steps, "hidden"),
    },
    scopes_of(
        stepid=s.steps.c.id,
        step_number=s.steps.c.number,
        step_name=s.steps.c.name,
        buildid=s.steps.c.buildid,
        build_number=(_b.number, "build"),
        builderid=(_b.builderid, "build"),
        buildername=(s.builders.c.name, "build", "builder"),
    ),
    {**_BUILD, **_BUILDER},
)

_STEP = {"step": (s.steps, s.steps.c.id == s.logs.c.stepid, False)}
LOGS = View(
    "logs",
    s.logs,
    "logid",
    fields_of(s.logs, "name", "slug", "stepid", "complete", "num_lines", "type", logid="id"),
    scopes_of(
        logid=s.logs.c.id,
        log_slug=s.logs.c.slug,
        stepid=s.logs.c.stepid,
        step_number=(s.steps.c.number, "step"),
        step_name=(s.steps.c.name, "step"),
        buildid=(s.steps.c.buildid, "step"),
        build_number=(_b.number, "step", "build"),
        builderid=(_b.builderid, "step", "build"),
        buildername=(s.builders.c.name, "step", "build", "builder"),
    ),
    {**_STEP, **_BUILD, **_BUILDER},
)

LOG_PLACES = View(
    "logs",
    s.logs,
    "logid",
    {
        **fields_of(s.logs, "slug", "type", logid="id"),
        "step": Text(s.steps.c.name, ("step",)),
        "build": Number(_b.number, ("step", "build")),
        "builder": Text(s.builders.c.name, ("step", "build", "builder")),
    },
    LOGS.scopes,
    LOGS.joins,
)
"""What a log's file is called after."""

_data_build = {"build": (s.builds, _b.id == s.build_data.c.buildid, False), **_BUILDER}
BUILD_DATA = View(
    "build_data",
    s.build_data,
    "build_dataid",
    {
        **fields_of(s.build_data, "buildid", "name", "length", build_dataid="id"),
        "value": Nested((), lambda raw: None),  # read as /value only
        **fields_of(s.build_data, "source"),
    },
    scopes_of(
        buildid=s.build_data.c.buildid,
        name=s.build_data.c.name,
        build_number=(_b.number, "build"),
        builderid=(_b.builderid, "build"),
        buildername=(s.builders.c.name, "build", "builder"),
    ),
    _data_build,
    hidden=frozenset({"build_dataid"}),
)

TEST_RESULT_SETS = View(
    "test_result_sets",
    s.test_result_sets,
    "test_result_setid",
    fields_of(
        s.test_result_sets,
        "builderid",
        "buildid",
        "stepid",
        "description",
        "category",
        "value_unit",
        "tests_passed",
        "tests_failed",
        "complete",
        test_result_setid="id",
    ),
    scopes_of(
        test_result_setid=s.test_result_sets.c.id,
        builderid=s.test_result_sets.c.builderid,
        buildername=(s.builders.c.name, "builder"),
        buildid=s.test_result_sets.c.buildid,
        stepid=s.test_result_sets.c.stepid,
    ),
    {"builder": (s.builders, s.builders.c.id == s.test_result_sets.c.builderid, False)},
)

TEST_RESULTS = View(
    "test_results",
    s.test_results,
    "test_resultid",
    fields_of(
        s.test_results,
        "builderid",
        "test_result_setid",
        "test_name",
        "test_code_path",
        "line",
        "duration_ns",
        "value",
        test_resultid="id",
    ),
    scopes_of(test_result_setid=s.test_results.c.test_result_setid),
)
