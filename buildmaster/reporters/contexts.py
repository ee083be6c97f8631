"""What message templates can refer to: the documented variables of a build's, a buildset's and a worker's message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from buildmaster.base.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
    Results,
    statusToString,
)

RESULTS_STYLE = {
    SUCCESS: "",
    WARNINGS: "color: #f80;",
    FAILURE: "color: #f00; font-weight: bold;",
    SKIPPED: "color: #4af;",
    EXCEPTION: "color: #f0f; font-weight: bold;",
    RETRY: "color: #4af;",
    CANCELLED: "color: #4af;",
}
"""How a step of this result looks in a message in HTML."""


def get_detected_status_text(mode: Iterable[str], results: int | None, previous_results: int | None) -> str:
    """What has come about, in two or three words; with the modes ``change`` and ``problem`` what is new about it."""
    if results == FAILURE:
        compared = "change" in mode or "problem" in mode
        new = compared and previous_results is not None and previous_results != results
        return "new failure" if new else "failed build"
    if results == WARNINGS:
        return "problem in the build"
    if results == SUCCESS:
        restored = "change" in mode and previous_results is not None and previous_results != results
        return "restored build" if restored else "passing build"
    if results == EXCEPTION:
        return "build exception"
    return f"{statusToString(results)} build"


def get_message_summary_text(build: Mapping[str, Any], results: int | None) -> str:
    """How a build went, in one line; with its state unless it succeeded or was cancelled."""
    state = f": {build['state_string']}" if build["state_string"] else ""
    if results == SUCCESS:
        return "Build succeeded!"
    if results == WARNINGS:
        return f"Build Had Warnings{state}"
    if results == CANCELLED:
        return "Build was cancelled"
    return f"BUILD FAILED{state}"


def get_message_source_stamp_text(source_stamps: Iterable[Mapping[str, Any]]) -> str:
    """One line for each source stamp: codebase, branch, revision, and whether there is a patch."""
    text = ""
    for stamp in source_stamps:
        codebase = f" '{stamp['codebase']}'" if stamp["codebase"] else ""
        branch = f"[branch {stamp['branch']}] " if stamp["branch"] else ""
        patch = " (plus patch)" if stamp["patch"] is not None else ""
        text += f"Build Source Stamp{codebase}: {branch}{stamp['revision'] or 'HEAD'}{patch}\n"
    return text


def get_projects_text(source_stamps: Iterable[Mapping[str, Any]], master: Any) -> str:
    """The projects of the source stamps, or the title of the site if they name none."""
    projects = sorted({stamp["project"] for stamp in source_stamps if stamp["project"]})
    return ", ".join(projects or [master.config.title])


def create_context_for_build(
    mode: Sequence[str], build: Mapping[str, Any], is_buildset: bool, master: Any, blamelist: Sequence[str]
) -> dict[str, Any]:
    """The variables of a message on one build (``is_buildset``: as a part of its buildset's message)."""
    buildset = build["buildset"]
    stamps = buildset["sourcestamps"] if buildset is not None else []
    results = build["results"]
    previous = (build.get("prev_build") or {}).get("results")
    return {
        "results": results,
        "result_names": Results,
        "results_style": RESULTS_STYLE,
        "mode": mode,
        "buildername": build["builder"]["name"],
        "workername": (build.get("properties") or {}).get("workername", ["<unknown>"])[0],
        "buildset": buildset,
        "build": build,
        "is_buildset": is_buildset,
        "projects": get_projects_text(stamps, master),
        "previous_results": previous,
        "status_detected": get_detected_status_text(mode, results, previous),
        "build_url": build["url"],
        "buildbot_title": master.config.title,
        "buildbot_url": master.config.buildbotURL,
        "blamelist": blamelist,
        "summary": get_message_summary_text({"state_string": "", **build}, results),
        "sourcestamps": get_message_source_stamp_text(stamps),
    }


def create_context_for_buildset(
    mode: Sequence[str],
    buildset: Mapping[str, Any],
    builds: Sequence[Mapping[str, Any]],
    master: Any,
    blamelist: Sequence[str],
) -> dict[str, Any]:
    """The variables of a message on a buildset and all its builds."""
    return {
        "results": buildset["results"],
        "result_names": Results,
        "mode": mode,
        "buildset": buildset,
        "builds": builds,
        "is_buildset": True,
        "projects": get_projects_text(buildset["sourcestamps"], master),
        "status_detected": get_detected_status_text(mode, buildset["results"], None),
        "buildbot_title": master.config.title,
        "buildbot_url": master.config.buildbotURL,
        "blamelist": blamelist,
        "sourcestamps": get_message_source_stamp_text(buildset["sourcestamps"]),
    }


def create_context_for_worker(master: Any, worker: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a message on a missing worker."""
    return {
        "buildbot_title": master.config.title,
        "buildbot_url": master.config.buildbotURL,
        "worker": worker,
    }
