"""What each resource of the data API is read from.

A view's fields have the names of the resource's fields; nearly all are a column as it stands.  The views are data: the
statements are made from them in :mod:`buildmaster.db.plans`.
"""

from __future__ import annotations

from buildmaster.db.views.built import BUILD_DATA, BUILDS, LOG_PLACES, LOGS, STEPS, TEST_RESULT_SETS, TEST_RESULTS
from buildmaster.db.views.configured import (
    BRANCHES,
    BUILDERS,
    CHANGESOURCES,
    CODEBASES,
    COMMITS,
    MASTERS,
    PROJECTS,
    SCHEDULERS,
    WORKERS,
)
from buildmaster.db.views.requested import BUILDREQUESTS, BUILDSETS, CHANGES, SOURCESTAMPS

__all__ = [
    "BRANCHES",
    "BUILDERS",
    "BUILDREQUESTS",
    "BUILDS",
    "BUILDSETS",
    "BUILD_DATA",
    "CHANGES",
    "CHANGESOURCES",
    "CODEBASES",
    "COMMITS",
    "LOGS",
    "LOG_PLACES",
    "MASTERS",
    "PROJECTS",
    "SCHEDULERS",
    "SOURCESTAMPS",
    "STEPS",
    "TEST_RESULTS",
    "TEST_RESULT_SETS",
    "WORKERS",
]
