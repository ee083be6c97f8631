"""The events of which a chat can be told, and which of them a finished build is."""

from __future__ import annotations

import re
from collections.abc import Collection

from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS, Results

SEVERITY = (SKIPPED, SUCCESS, WARNINGS, FAILURE, CANCELLED, EXCEPTION)
"""Results from good to bad, for the events ``better`` and ``worse``."""

PROBLEMS = (FAILURE, EXCEPTION)

NAMES = (
    "started",
    "finished",
    *(word for word in Results if word != "retry"),
    "problem",
    "recovery",
    "better",
    "worse",
    "worker",
)

USUAL = ("started", "finished")
"""Those that ``notify on`` without a name means."""

_STEP = re.compile("^(" + "|".join(Results) + ")To(" + "|".join(word.capitalize() for word in Results) + ")$")

DESCRIPTIONS = {
    SKIPPED: "was skipped",
    SUCCESS: "completed successfully",
    WARNINGS: "completed with warnings",
    FAILURE: "failed",
    EXCEPTION: "stopped with exception",
    RETRY: "has been retried",
    CANCELLED: "was cancelled",
}


def is_event(name: str) -> bool:
    """Whether there is an event of this name; ``failureToSuccess`` and the like are events, too."""
    return name in NAMES or _STEP.match(name) is not None


def wanted(events: Collection[str], results: int, before: int | None) -> bool:
    """Whether somebody who wants these events is to be told of a build; ``before`` is the result of the one before."""
    if "finished" in events or Results[results] in events:
        return True
    if "problem" in events and results in PROBLEMS:
        return True
    if before is None:
        return False
    if "recovery" in events and before in PROBLEMS and results in (SUCCESS, WARNINGS):
        return True
    if results in SEVERITY and before in SEVERITY:
        step = SEVERITY.index(results) - SEVERITY.index(before)
        if ("better" in events and step < 0) or ("worse" in events and step > 0):
            return True
    return f"{Results[before]}To{Results[results].capitalize()}" in events


def needs_previous(events: Collection[str]) -> bool:
    """Whether the result of the build before counts for any of these events."""
    return any(event in ("recovery", "better", "worse") or _STEP.match(event) for event in events)
