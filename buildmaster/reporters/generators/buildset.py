"""Reports on buildsets, when all their requests are complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.interfaces import IReportGenerator
from buildmaster.reporters import utils
from buildmaster.reporters.generators.utils import ALL_MODES, BuildStatusGeneratorMixin, message_parts
from buildmaster.reporters.message import MessageFormatter

_COMPLETE: list[tuple[str | None, ...]] = [("buildsets", None, "complete")]


@implementer(IReportGenerator)
class BuildSetStatusGenerator(BuildStatusGeneratorMixin):
    """One report on a buildset: the messages on those of its builds that are wanted, one after the other.

    :param message_formatter: makes the text on each build, by default a
        :class:`~buildmaster.reporters.message.MessageFormatter`

    For the other parameters see :class:`~buildmaster.reporters.generators.utils.BuildStatusGeneratorMixin`.
    """

    wanted_event_keys = _COMPLETE
    compare_attrs: ClassVar[Sequence[str]] = ["formatter"]

    def __init__(
        self,
        mode: Any = ("failing", "passing", "warnings"),
        tags: Sequence[str] | None = None,
        builders: Sequence[str] | None = None,
        schedulers: Sequence[str] | None = None,
        branches: Sequence[str] | None = None,
        subject: str | None = None,
        add_logs: Any = None,
        add_patch: bool = False,
        message_formatter: Any = None,
    ) -> None:
        super().__init__(mode, tags, builders, schedulers, branches, subject, add_logs, add_patch)
        self.formatter = MessageFormatter() if message_formatter is None else message_formatter

    @deferred
    async def generate(self, master: Any, reporter: Any, key: Sequence[str], message: Any) -> Any:
        """The report on a buildset, or None if none of its builds is wanted."""
        found = await utils.getDetailsForBuildset(
            master,
            message["bsid"],
            want_previous_build=self._want_previous_build(),
            **self._details(self.formatter),
        )
        builds = [
            build
            for build in found["builds"]
            if self.is_message_needed_by_props(build) and self.is_message_needed_by_results(build)
        ]
        if not builds:
            return None
        return await maybe(self.buildset_message, self.formatter, master, reporter, builds, found["buildset"])

    @deferred
    async def buildset_message(
        self, formatter: Any, master: Any, reporter: Any, builds: Sequence[Any], buildset: Any
    ) -> dict[str, Any]:
        """The report that joins the messages on these builds.

        Its subject is that of the first build with the buildset's result, else the generator's.
        """
        messages, users = [], dict[str, None]()
        for build in builds:
            blamed = list(await maybe(reporter.getResponsibleUsersForBuild, master, build["buildid"]))
            users.update(dict.fromkeys(blamed))
            messages.append(
                await maybe(
                    formatter.format_message_for_build, master, build, is_buildset=True, mode=self.mode, users=blamed
                )
            )
        results = buildset["results"]
        leading = [m["subject"] for b, m in zip(builds, messages, strict=True) if b["results"] == results]
        subjects = [subject for subject in [*leading, *(m["subject"] for m in messages)] if subject is not None]
        return {
            "body": utils.merge_reports_prop(messages, "body"),
            "type": utils.merge_reports_prop_take_first(messages, "type"),
            "extra_info": _joined_info(messages),
            "subject": subjects[0] if subjects else self._subject(master, results, "whole buildset"),
            "results": results,
            "builds": list(builds),
            "buildset": buildset,
            "users": list(users),
            "patches": self._get_patches_for_build(builds[0]),
            "logs": [log for build in builds for log in self._get_logs_for_build(build)],
        }


def _joined_info(messages: Sequence[Any]) -> dict[str, Any] | None:
    """The further information of all messages in one dictionary; of equal keys the inner dictionaries are joined."""
    joined: dict[str, Any] = {}
    for message in messages:
        for name, values in (message.get("extra_info") or {}).items():
            joined[name] = {**joined.get(name, {}), **values}
    return joined or None


@implementer(IReportGenerator)
class BuildSetCombinedStatusGenerator(ComparableMixin):
    """One report on a buildset and all its builds, whatever their results.

    :param message_formatter: makes one text for all of it, by its ``format_message_for_buildset``
    """

    wanted_event_keys = _COMPLETE
    compare_attrs: ClassVar[Sequence[str]] = ["formatter"]

    def __init__(self, message_formatter: Any) -> None:
        self.formatter = message_formatter

    def check(self) -> None:
        """There is nothing that could be wrong."""

    def generate_name(self) -> str:
        """A text that tells this generator from others, for the names of reporters that were given none."""
        return f"{type(self).__name__}_{type(self.formatter).__name__}"

    @deferred
    async def generate(self, master: Any, reporter: Any, key: Sequence[str], message: Any) -> Any:
        """The report on a buildset; None if there was no build."""
        formatter = self.formatter
        found = await utils.getDetailsForBuildset(
            master,
            message["bsid"],
            want_properties=formatter.want_properties,
            want_steps=formatter.want_steps,
            want_logs=formatter.want_logs,
            want_logs_content=formatter.want_logs_content,
        )
        if not found["builds"]:
            return None
        return await maybe(self.buildset_message, formatter, master, reporter, found["buildset"], found["builds"])

    @deferred
    async def buildset_message(
        self, formatter: Any, master: Any, reporter: Any, buildset: Any, builds: Sequence[Any]
    ) -> dict[str, Any]:
        """The report."""
        users = await utils.get_responsible_users_for_buildset(master, buildset["bsid"])
        message = await maybe(
            formatter.format_message_for_buildset, master, buildset, builds, mode=ALL_MODES, users=users
        )
        return {
            **message_parts(message),
            "subject": message["subject"],
            "results": buildset["results"],
            "builds": list(builds),
            "buildset": buildset,
            "users": users,
            "patches": [],
            "logs": [],
        }
