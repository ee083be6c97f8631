"""Reports on requests: when they are made, and when they are cancelled before they were built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.interfaces import IReportGenerator
from buildmaster.base.results import CANCELLED
from buildmaster.process.build_properties import of_request
from buildmaster.properties import Interpolate
from buildmaster.reporters import utils
from buildmaster.reporters.generators.utils import BuildStatusGeneratorMixin, message_parts
from buildmaster.reporters.message import MessageFormatterRenderable


@implementer(IReportGenerator)
class BuildRequestGenerator(BuildStatusGeneratorMixin):
    """Reports each request that is made, and each that is cancelled while it waits.

    :param formatter: makes the text, by default "Build pending."

    For the other parameters see :class:`~buildmaster.reporters.generators.utils.BuildStatusGeneratorMixin`.  The build
    of the report is what can be known before there is one: ``buildrequest``, ``buildset``, ``builder``, ``properties``,
    ``url`` (the request's), ``complete`` and ``results``; the last two say if the request was cancelled.
    """

    wanted_event_keys: Sequence[tuple[str | None, ...]] = [
        ("buildrequests", None, "new"),
        ("buildrequests", None, "cancel"),
    ]
    compare_attrs: ClassVar[Sequence[str]] = ["formatter"]

    def __init__(
        self,
        tags: Sequence[str] | None = None,
        builders: Sequence[str] | None = None,
        schedulers: Sequence[str] | None = None,
        branches: Sequence[str] | None = None,
        add_patch: bool = False,
        formatter: Any = None,
    ) -> None:
        super().__init__("all", tags, builders, schedulers, branches, None, None, add_patch)
        self.formatter = formatter
        if formatter is None:
            self.formatter = MessageFormatterRenderable(Interpolate("Build pending."))

    @deferred
    async def generate(self, master: Any, reporter: Any, key: Sequence[str], buildrequest: Any) -> Any:
        """The report on an event of a request, or None if it is not wanted."""
        build = await self.partial_build_dict(master, buildrequest)
        if not self.is_message_needed_by_props(build):
            return None
        if key[-1] == "cancel":
            build["complete"] = True
            build["results"] = CANCELLED
        report = await maybe(self.buildrequest_message, master, build)
        users = await utils.get_responsible_users_for_buildset(master, buildrequest["buildsetid"])
        return {**report, "users": users}

    @deferred
    async def partial_build_dict(self, master: Any, buildrequest: Any) -> dict[str, Any]:
        """What is known of the build that the request asks for."""
        build: dict[str, Any] = {}
        await utils.get_details_for_buildrequest(master, buildrequest, build)
        build["properties"] = of_request(build["properties"], build["builder"], build["buildset"])
        return build

    @deferred
    async def buildrequest_message(self, master: Any, build: Any) -> dict[str, Any]:
        """The report on a request."""
        message = await maybe(
            self.formatter.format_message_for_build, master, build, is_buildset=True, mode=self.mode, users=[]
        )
        return {
            **message_parts(message),
            "subject": message["subject"],
            "results": build["results"],
            "builds": [build],
            "buildset": build["buildset"],
            "users": [],
            "patches": self._get_patches_for_build(build),
            "logs": [],
        }
