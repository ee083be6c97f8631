"""Documented address: results of steps, builds and buildsets."""

from buildmaster.base.results import (
    ALL_RESULTS,
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
    MultipleResults,
    ResultComputingConfigMixin,
    Results,
    computeResultAndTermination,
    statusToString,
    worst_of,
    worst_status,
)

__all__ = [
    "ALL_RESULTS",
    "CANCELLED",
    "EXCEPTION",
    "FAILURE",
    "RETRY",
    "SKIPPED",
    "SUCCESS",
    "WARNINGS",
    "MultipleResults",
    "ResultComputingConfigMixin",
    "Results",
    "computeResultAndTermination",
    "statusToString",
    "worst_of",
    "worst_status",
]
