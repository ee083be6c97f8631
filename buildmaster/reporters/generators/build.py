"""Reports on single builds, when they start and when they have finished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.interfaces import IReportGenerator
from buildmaster.properties import Interpolate
from buildmaster.reporters import utils
from buildmaster.reporters.generators.utils import ALL_MODES, BuildStatusGeneratorMixin
from buildmaster.reporters.message import MessageFormatter, MessageFormatterRenderable


class _BuildEvents(BuildStatusGeneratorMixin):
    """From an event of a build to its report."""

    async def _of_other_builder(self, master: Any, build: Any) -> bool:
        """Whether the builder alone says that no report is wanted: fifty reporters need not read all details then."""
        if type(self).is_message_needed_by_props is not BuildStatusGeneratorMixin.is_message_needed_by_props:
            return False
        return self.builders is not None and await utils.builder_name(master, build["builderid"]) not in self.builders

    async def _report(self, formatter: Any, master: Any, reporter: Any, key: Sequence[str], build: Any) -> Any:
        is_new = key[-1] == "new"
        if (not is_new and self._ruled_out(build)) or await self._of_other_builder(master, build):
            return None
        previous = not is_new and self._want_previous_build()
        await utils.getDetailsForBuild(master, build, want_previous_build=previous, **self._details(formatter))
        if not self.is_message_needed_by_props(build):
            return None
        if not is_new and not self.is_message_needed_by_results(build):
            return None
        return await maybe(self.build_message, formatter, master, reporter, build)


@implementer(IReportGenerator)
class BuildStatusGenerator(_BuildEvents):
    """Reports each build that has finished with a result that is wanted.

    :param report_new: whether builds are reported when they start, too
    :param message_formatter: makes the text, by default a :class:`~buildmaster.reporters.message.MessageFormatter`
    :param subject: the subject of reports whose formatter makes none; formatters have been the place for it since
        Buildbot 4.0

    For the other parameters see :class:`~buildmaster.reporters.generators.utils.BuildStatusGeneratorMixin`.
    """

    wanted_event_keys: Sequence[tuple[str | None, ...]] = [("builds", None, "finished")]
    compare_attrs: ClassVar[Sequence[str]] = ["formatter"]

    def __init__(
        self,
        mode: Any = ("failing", "passing", "warnings"),
        tags: Sequence[str] | None = None,
        builders: Sequence[str] | None = None,
        schedulers: Sequence[str] | None = None,
        branches: Sequence[str] | None = None,
        add_logs: Any = None,
        add_patch: bool = False,
        report_new: bool = False,
        message_formatter: Any = None,
        subject: str | None = None,
    ) -> None:
        super().__init__(mode, tags, builders, schedulers, branches, subject, add_logs, add_patch)
        self.formatter = MessageFormatter() if message_formatter is None else message_formatter
        if report_new:
            self.wanted_event_keys = [("builds", None, "finished"), ("builds", None, "new")]

    @deferred
    async def generate(self, master: Any, reporter: Any, key: Sequence[str], build: Any) -> Any:
        """The report on an event of a build, or None if it is not wanted."""
        return await self._report(self.formatter, master, reporter, key, build)


@implementer(IReportGenerator)
class BuildStartEndStatusGenerator(_BuildEvents):
    """Reports each build twice: when it starts and when it has finished.

    :param start_formatter: makes the text at the start, by default "Build started."
    :param end_formatter: makes the text at the end, by default "Build done."

    For the other parameters see :class:`~buildmaster.reporters.generators.utils.BuildStatusGeneratorMixin`.
    """

    wanted_event_keys: Sequence[tuple[str | None, ...]] = [("builds", None, "new"), ("builds", None, "finished")]
    compare_attrs: ClassVar[Sequence[str]] = ["start_formatter", "end_formatter"]

    def __init__(
        self,
        tags: Sequence[str] | None = None,
        builders: Sequence[str] | None = None,
        schedulers: Sequence[str] | None = None,
        branches: Sequence[str] | None = None,
        add_logs: Any = None,
        add_patch: bool = False,
        start_formatter: Any = None,
        end_formatter: Any = None,
    ) -> None:
        super().__init__(ALL_MODES, tags, builders, schedulers, branches, None, add_logs, add_patch)
        self.start_formatter = start_formatter
        if start_formatter is None:
            self.start_formatter = MessageFormatterRenderable(Interpolate("Build started."))
        self.end_formatter = end_formatter
        if end_formatter is None:
            self.end_formatter = MessageFormatterRenderable(Interpolate("Build done."))

    def is_message_needed_by_results(self, build: Any) -> bool:
        """Every result is wanted."""
        return True

    @deferred
    async def generate(self, master: Any, reporter: Any, key: Sequence[str], build: Any) -> Any:
        """The report on an event of a build, or None if it is not wanted."""
        formatter = self.start_formatter if build["complete_at"] is None else self.end_formatter
        return await self._report(formatter, master, reporter, key, build)
