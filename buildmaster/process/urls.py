"""URLs of the pages that tell about a build, a request, a builder or a log.

They begin with the configured ``buildbotURL``.  Links of Buildbot's front end (``…/#/builders/1/builds/2``) reach the
same pages: the path behind ``#/`` is the same.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote


def _base(master: Any) -> str:
    url: str = master.config.buildbotURL
    return url if url.endswith("/") else url + "/"


def getURLForBuild(master: Any, builderid: int, build_number: int) -> str:
    """The page of the build with this number on this builder."""
    return f"{_base(master)}builders/{builderid}/builds/{build_number}"


def getURLForBuildrequest(master: Any, buildrequestid: int) -> str:
    """The page of a request, which leads to its build once there is one."""
    return f"{_base(master)}buildrequests/{buildrequestid}"


def getURLForBuilder(master: Any, builderid: int) -> str:
    """The page of a builder."""
    return f"{_base(master)}builders/{builderid}"


def getURLForStep(master: Any, builderid: int, build_number: int, step_number: int) -> str:
    """The place of a step on its build's page."""
    return f"{getURLForBuild(master, builderid, build_number)}#step-{step_number}"


def getURLForLog(master: Any, builderid: int, build_number: int, step_number: int, slug: str) -> str:
    """The page of a step's log."""
    build = getURLForBuild(master, builderid, build_number)
    return f"{build}/steps/{step_number}/logs/{quote(slug, safe='')}"
