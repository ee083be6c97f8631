"""The results a step, build, request or buildset can have, and how several of them make one.

The numbers are the documented ones; they are stored and sent as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SUCCESS, WARNINGS, FAILURE, SKIPPED, EXCEPTION, RETRY, CANCELLED = range(7)

Results = ["success", "warnings", "failure", "skipped", "exception", "retry", "cancelled"]

MultipleResults = ["successes", "warnings", "failures", "skipped", "exceptions", "retries", "cancelled"]

ALL_RESULTS = list(range(len(Results)))

_FROM_BEST_TO_WORST = (SKIPPED, SUCCESS, WARNINGS, FAILURE, EXCEPTION, RETRY, CANCELLED)
_BADNESS = {result: rank for rank, result in enumerate(_FROM_BEST_TO_WORST)}


def statusToString(status: int | None, count: int = 1) -> str:
    """The word for a result; ``None`` is something that is not finished."""
    if status is None:
        return "not finished"
    if not isinstance(status, int) or not 0 <= status < len(Results):
        return "Invalid status"
    if count > 1:
        plural = {SUCCESS: "successes", WARNINGS: "warnings", FAILURE: "failures", EXCEPTION: "exceptions"}
        return plural.get(status, Results[status])
    return Results[status]


def worst_status(a: int, b: int) -> int:
    """The worse of two results; a skipped one never outweighs a success."""
    return a if _BADNESS[a] >= _BADNESS[b] else b


def worst_of(results: Iterable[int]) -> int:
    """The worst of several results; SUCCESS of none, and SKIPPED only if all are."""
    worst = None
    for result in results:
        worst = result if worst is None else worst_status(worst, result)
    return SUCCESS if worst is None else worst


def computeResultAndTermination(obj: Any, result: int, previousResult: int) -> tuple[int, bool]:
    """Fold one step's (or command's) result into the build's (or sequence's) so far.

    ``obj`` carries the flags ``flunkOnFailure``, ``flunkOnWarnings``, ``warnOnFailure``, ``warnOnWarnings`` and
    ``haltOnFailure``.  Returns the new overall result and whether what follows is not to be run.
    """
    possible = result
    halt = False
    if result == WARNINGS:
        possible = FAILURE if obj.flunkOnWarnings else WARNINGS if obj.warnOnWarnings else SUCCESS
    elif result == FAILURE:
        possible = FAILURE if obj.flunkOnFailure else WARNINGS if obj.warnOnFailure else SUCCESS
        halt = bool(obj.haltOnFailure)
    elif result in (EXCEPTION, RETRY, CANCELLED):
        halt = True
    return worst_status(previousResult, possible), halt


class ResultComputingConfigMixin:
    """The documented flags that say what a failure or warning of a part means for the whole."""

    haltOnFailure = False
    flunkOnWarnings = False
    flunkOnFailure = True
    warnOnWarnings = False
    warnOnFailure = False

    resultConfig = ["haltOnFailure", "flunkOnWarnings", "flunkOnFailure", "warnOnWarnings", "warnOnFailure"]
