"""Documented helpers of reporters: the details of builds, who is responsible, links, and putting reports together.

The details of all builds of a report are read together, see :mod:`buildmaster.db.details`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.results import RETRY
from buildmaster.db import details, query, views
from buildmaster.db.details import Wants
from buildmaster.process.urls import getURLForBuild, getURLForBuildrequest, getURLForLog
from buildmaster.properties import URLForBuild
from buildmaster.reporters.wants import today as wants_today

__all__ = [
    "RETRY",
    "URLForBuild",
    "getDetailsForBuild",
    "getDetailsForBuilds",
    "getDetailsForBuildset",
    "getPreviousBuild",
    "getResponsibleUsersForBuild",
    "getResponsibleUsersForSourceStamp",
    "getURLForBuild",
    "getURLForBuildrequest",
    "get_details_for_buildrequest",
    "get_responsible_users_for_buildset",
    "get_url_for_log",
    "get_url_for_log_raw",
    "merge_reports_prop",
    "merge_reports_prop_take_first",
    "should_attach_log",
]

LogNames = bool | Sequence[str] | None


# -- details -----------------------------------------------------------------------------------------------------------


@deferred
async def getPreviousBuild(master: Any, build: Mapping[str, Any]) -> Any:
    """The newest complete build before this one of the same builder, builds that were to be retried left out."""
    return (await master.db.read(details.previous_of, [build])).get(build["buildid"])


@deferred
async def getDetailsForBuildset(
    master: Any,
    bsid: int,
    want_properties: bool = False,
    want_steps: bool = False,
    want_previous_build: bool = False,
    want_logs: bool = False,
    add_logs: LogNames = None,
    want_logs_content: LogNames = False,
    **older: Any,
) -> dict[str, Any]:
    """``{"buildset": …, "builds": […]}`` of a buildset, the builds with the details that are asked for."""
    buildset = await master.data.get(("buildsets", bsid))
    builds = await master.db.read(details.builds_of_buildset, bsid)
    await getDetailsForBuilds(
        master, buildset, builds, want_properties, want_steps, want_previous_build, want_logs, add_logs,
        want_logs_content, **older,
    )  # fmt: skip
    return {"buildset": buildset, "builds": builds}


@deferred
async def getDetailsForBuild(
    master: Any,
    build: Any,
    want_properties: bool = False,
    want_steps: bool = False,
    want_previous_build: bool = False,
    want_logs: bool = False,
    add_logs: LogNames = None,
    want_logs_content: LogNames = False,
    **older: Any,
) -> None:
    """Add to a build's dictionary what a report tells of it.

    Always ``buildrequest``, ``buildset``, ``builder``, ``parentbuild``, ``parentbuilder`` and ``url``; ``properties``,
    ``steps`` (with ``logs`` and their ``content``) and ``prev_build`` as asked for.  ``want_logs_content`` and the
    older ``add_logs`` are True for all logs, or a list of names as ``"stdio"`` or ``"step.stdio"``.
    ``wantProperties``, ``wantSteps``, ``wantPreviousBuild`` and ``wantLogs`` are the spelling of Buildbot before 3.0.
    """
    asked = wants_today(
        "getDetailsForBuild", older, want_properties=want_properties, want_steps=want_steps, want_logs=want_logs,
        want_previous_build=want_previous_build, want_logs_content=add_logs or want_logs_content,
    )  # fmt: skip
    await _add_details(master, [build], _wants(True, asked))


@deferred
async def getDetailsForBuilds(
    master: Any,
    buildset: Any,
    builds: Sequence[Any],
    want_properties: bool = False,
    want_steps: bool = False,
    want_previous_build: bool = False,
    want_logs: bool = False,
    add_logs: LogNames = None,
    want_logs_content: LogNames = False,
    **older: Any,
) -> None:
    """Add to the dictionaries of a buildset's builds what a report tells of them; see :func:`getDetailsForBuild`."""
    asked = wants_today(
        "getDetailsForBuilds", older, want_properties=want_properties, want_steps=want_steps, want_logs=want_logs,
        want_previous_build=want_previous_build, want_logs_content=add_logs or want_logs_content,
    )  # fmt: skip
    await _add_details(master, builds, _wants(False, asked))
    for build in builds:
        build["buildset"] = buildset


def _wants(request: bool, asked: Mapping[str, Any]) -> Wants:
    chosen: Callable[[Mapping[str, Any]], bool] | None = None
    names: LogNames = asked["want_logs_content"]
    if names:

        def chosen(log: Mapping[str, Any]) -> bool:
            return should_attach_log(names, log)

    properties, steps, previous = (
        bool(asked[name]) for name in ("want_properties", "want_steps", "want_previous_build")
    )
    return Wants(request, properties, steps, bool(asked["want_logs"] or names), previous, chosen)


async def _add_details(master: Any, builds: Sequence[Any], wants: Wants) -> None:
    if not builds:
        return
    for build, found in zip(builds, await master.db.read(details.of_builds, builds, wants), strict=True):
        build.update(found)
        build["url"] = getURLForBuild(master, build["builderid"], build["number"])
        for step in found.get("steps", ()):
            for log in step.get("logs", ()):
                _add_urls(master, build, step, log)


def _add_urls(master: Any, build: Mapping[str, Any], step: Mapping[str, Any], log: Any) -> None:
    log["url"] = get_url_for_log(master, build["builderid"], build["number"], step["number"], log["slug"])
    log["url_raw"] = get_url_for_log_raw(master, log["logid"], "raw")
    log["url_raw_inline"] = get_url_for_log_raw(master, log["logid"], "raw_inline")


@deferred
async def get_details_for_buildrequest(master: Any, buildrequest: Any, build: Any) -> None:
    """Fill ``build`` with what is known of a request that has no build yet.

    ``buildrequest`` (which gets ``buildername``), ``buildset``, ``builder``, ``builderid``, ``properties``,
    ``parentbuild``, ``parentbuilder``, ``url``, ``complete`` and ``results``.
    """
    found = await master.db.read(details.of_request, buildrequest)
    buildrequest["buildername"] = None if found["builder"] is None else found["builder"]["name"]
    build.update(found)
    build["buildrequest"] = buildrequest
    build["builderid"] = buildrequest["builderid"]
    build["url"] = getURLForBuildrequest(master, buildrequest["buildrequestid"])
    build["complete"] = False
    build["results"] = None


def should_attach_log(logs_config: bool | Sequence[str], log: Mapping[str, Any]) -> bool:
    """Whether a log is wanted: by True, by its ``name``, or by ``"stepname.name"``."""
    if isinstance(logs_config, bool):
        return logs_config
    return log["name"] in logs_config or f"{log['stepname']}.{log['name']}" in logs_config


# -- people ------------------------------------------------------------------------------------------------------------


@deferred
async def getResponsibleUsersForSourceStamp(master: Any, sourcestampid: int) -> list[str]:
    """The authors of a source stamp's changes and patch, in alphabetical order."""
    return sorted(await master.db.read(details.authors_of_sourcestamp, sourcestampid))


@deferred
async def getResponsibleUsersForBuild(master: Any, buildid: int) -> list[str]:
    """The authors of a build's changes and patches and its ``owner`` and ``owners``, in alphabetical order.

    Changes of requests that the build took over count.
    """
    return sorted(await master.db.read(details.authors_of_build, buildid))


@deferred
async def get_responsible_users_for_buildset(master: Any, buildsetid: int) -> list[str]:
    """The authors of a buildset's changes and patches and its ``owner`` and ``owners``, in alphabetical order."""
    return sorted(await master.db.read(details.authors_of_buildset, buildsetid))


_builder_names: weakref.WeakKeyDictionary[Any, dict[int, str]] = weakref.WeakKeyDictionary()


async def builder_name(master: Any, builderid: int) -> str | None:
    """The name of a builder, which never changes; None if there is none of this id."""
    known = _builder_names.setdefault(master, {})
    if builderid not in known:
        found = (await master.db.read(query.fetch_by_ids, views.BUILDERS, [builderid])).get(builderid)
        if found is None:
            return None
        known[builderid] = found["name"]
    return known[builderid]


# -- links -------------------------------------------------------------------------------------------------------------


def get_url_for_log(master: Any, builderid: int, build_number: int, step_number: int, log_slug: str) -> str:
    """The page of a log."""
    return getURLForLog(master, builderid, build_number, step_number, log_slug)


def get_url_for_log_raw(master: Any, logid: int, suffix: str) -> str:
    """The text of a log: ``suffix`` is ``raw`` (to be saved) or ``raw_inline`` (to be shown)."""
    base: str = master.config.buildbotURL
    return f"{base if base.endswith('/') else base + '/'}api/v2/logs/{logid}/{suffix}"


# -- reports -----------------------------------------------------------------------------------------------------------


def merge_reports_prop(reports: Iterable[Mapping[str, Any]], prop: str) -> Any:
    """The sum (of lists and texts: the concatenation) of a property of all reports that have it; None if none has."""
    result: Any = None
    for report in reports:
        value = report.get(prop)
        if value is not None:
            result = value if result is None else result + value
    return result


def merge_reports_prop_take_first(reports: Iterable[Mapping[str, Any]], prop: str) -> Any:
    """The property of the first report that has it; None if none has."""
    return next((value for report in reports if (value := report.get(prop)) is not None), None)
