"""What a review at Gerrit says: the generators of :class:`~buildmaster.reporters.gerrit.GerritStatusPush`.

A *callback* makes it: it answers with ``{"message": text, "labels": {label: vote}}``, or a Deferred or coroutine of it.
Without a message nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IReportGenerator
from buildmaster.base.results import EXCEPTION, FAILURE, RETRY, SUCCESS, WARNINGS, Results
from buildmaster.reporters import utils

GERRIT_LABEL_VERIFIED = "Verified"
GERRIT_LABEL_REVIEWED = "Code-Review"

_IN_WORDS = {
    SUCCESS: "succeeded",
    FAILURE: "failed",
    WARNINGS: "completed with warnings",
    EXCEPTION: "encountered an exception",
}


class DEFAULT_REVIEW:
    """Stands for :func:`defaultReviewCB`."""


class DEFAULT_SUMMARY:
    """Stands for :func:`defaultSummaryCB`."""


def makeReviewResult(message: str | None, *labels: tuple[str, Any]) -> dict[str, Any]:
    """A review with this message and these votes, pairs (label, vote)."""
    return {"message": message, "labels": dict(labels)}


def defaultReviewCB(builderName: str, build: Mapping[str, Any], result: int, master: Any, arg: Any) -> dict[str, Any]:
    """The review of one build: verified if it succeeded."""
    if result == RETRY:
        return makeReviewResult(None)
    message = (
        "Buildbot finished compiling your patchset\n"
        f"on configuration: {builderName}\n"
        f"The result is: {Results[result].upper()}\n"
    )
    return makeReviewResult(message, (GERRIT_LABEL_VERIFIED, 1 if result == SUCCESS else -1))


def defaultSummaryCB(buildInfoList: Sequence[Mapping[str, Any]], results: int, master: Any, arg: Any) -> dict[str, Any]:
    """The review of a buildset: verified if there are builds that succeeded, and none that did not."""
    succeeded = [info["result"] == SUCCESS for info in buildInfoList]
    lines = []
    for info in buildInfoList:
        line = f"Builder {info['name']} {info['resultText']} ({info['text']})"
        link = info.get("url")
        lines.append(f"{line} - {link}" if link else f"{line}.")
    vote = 1 if succeeded and all(succeeded) else -1
    return makeReviewResult("\n\n".join(lines), (GERRIT_LABEL_VERIFIED, vote))


class GerritStatusGeneratorBase(ComparableMixin):
    """The base class of Gerrit's generators.

    :param callback: makes the review
    :param callback_arg: passed to the callback as its last argument
    :param builders: names of the builders that are reported; None: all
    :param want_steps: whether builds have their ``steps``
    :param want_logs: whether steps have their ``logs`` with their content
    """

    compare_attrs: Sequence[str] = ["callback", "callback_arg", "builders", "want_steps", "want_logs"]

    def __init__(
        self,
        callback: Callable[..., Any] | type,
        callback_arg: Any,
        builders: Sequence[str] | None,
        want_steps: bool,
        want_logs: bool,
    ) -> None:
        self.callback = callback
        self.callback_arg = callback_arg
        self.builders = builders
        self.want_steps = want_steps
        self.want_logs = want_logs

    def check(self) -> None:
        """Report mistakes in the arguments."""
        if not callable(self.callback):
            error(f"{type(self).__name__}: callback must be a function, not {self.callback!r}")

    def generate_name(self) -> str:
        """A part of the name of a reporter that has none."""
        return type(self).__name__

    def is_build_reported(self, build: Mapping[str, Any]) -> bool:
        """Whether a build's builder is one of those that are wanted."""
        return self.builders is None or build["builder"]["name"] in self.builders

    @deferred
    async def get_build_details(self, master: Any, build: Any) -> None:
        """Add to a build what callbacks may look at."""
        await utils.getDetailsForBuild(
            master,
            build,
            want_properties=True,
            want_steps=self.want_steps,
            want_logs=self.want_logs,
            want_logs_content=self.want_logs,
        )

    async def _report(self, review: Any, builds: list[Any]) -> Any:
        if isinstance(review, str):
            review = makeReviewResult(review)
        if not review or review.get("message") is None:
            return None
        return {
            "body": review["message"],
            "type": "plain",
            "subject": None,
            "extra_info": {"labels": dict(review.get("labels") or {})},
            "builds": builds,
            "results": builds[0]["results"],
            "buildset": builds[0]["buildset"],
            "users": [],
            "patches": [],
            "logs": [],
        }


@implementer(IReportGenerator)
class GerritBuildSetStatusGenerator(GerritStatusGeneratorBase):
    """One review of all builds of a buildset, by ``callback(buildInfoList, results, master, arg)``.

    Each item of the list has ``name``, ``result``, ``resultText``, ``text``, ``url`` and ``build``.
    """

    wanted_event_keys: Sequence[tuple[str | None, ...]] = [("buildsets", None, "complete")]

    @deferred
    async def generate(self, master: Any, reporter: Any, key: Sequence[str], message: Any) -> Any:
        """The report on a buildset that is complete; None if there is none."""
        found = await utils.getDetailsForBuildset(
            master,
            message["bsid"],
            want_properties=True,
            want_steps=self.want_steps,
            want_logs=self.want_logs,
            want_logs_content=self.want_logs,
        )
        builds = [build for build in found["builds"] if self.is_build_reported(build)]
        if not builds:
            return None
        callback: Any = defaultSummaryCB if self.callback is DEFAULT_SUMMARY else self.callback
        infos = [build_info(build) for build in sorted(builds, key=lambda build: build["builder"]["name"])]
        review = await maybe(callback, infos, found["buildset"]["results"], master, self.callback_arg)
        return await self._report(review, builds)


class _BuildReviews(GerritStatusGeneratorBase):
    """Reviews of one build each."""

    async def review(self, master: Any, build: Any) -> Any:
        """What the callback says of a build."""
        raise TypeError(f"{type(self).__name__} does not define review")

    @deferred
    async def generate(self, master: Any, reporter: Any, key: Sequence[str], message: Any) -> Any:
        """The report on a build; None if there is none."""
        build = message
        await self.get_build_details(master, build)
        if not self.is_build_reported(build):
            return None
        return await self._report(await self.review(master, build), [build])


@implementer(IReportGenerator)
class GerritBuildStartStatusGenerator(_BuildReviews):
    """A review of each build that starts, by ``callback(builderName, build, arg)``."""

    wanted_event_keys: Sequence[tuple[str | None, ...]] = [("builds", None, "new")]

    async def review(self, master: Any, build: Any) -> Any:
        """What the callback says of a build that starts."""
        callback: Any = self.callback
        return await maybe(callback, build["builder"]["name"], build, self.callback_arg)


@implementer(IReportGenerator)
class GerritBuildEndStatusGenerator(_BuildReviews):
    """A review of each build that has finished, by ``callback(builderName, build, result, master, arg)``."""

    wanted_event_keys: Sequence[tuple[str | None, ...]] = [("builds", None, "finished")]

    async def review(self, master: Any, build: Any) -> Any:
        """What the callback says of a build that has finished."""
        callback: Any = defaultReviewCB if self.callback is DEFAULT_REVIEW else self.callback
        return await maybe(callback, build["builder"]["name"], build, build["results"], master, self.callback_arg)


def build_info(build: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary's callback gets of a build."""
    result = build["results"]
    return {
        "name": build["builder"]["name"],
        "result": result,
        "resultText": _IN_WORDS.get(result, f"completed with unknown result {result}"),
        "text": build["state_string"],
        "url": build["url"],
        "build": build,
    }
