"""Arguments that reporters had before Buildbot 3.0 gave them generators, turned into today's.

Configurations of Buildbot 0.9 to 2.10 go on working.  A subclass that overrode ``isMessageNeeded`` or ``buildMessage``
of such a reporter has nothing to override any more: it gives the generator those methods instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.reporters.generators.build import BuildStatusGenerator
from buildmaster.reporters.generators.buildset import BuildSetStatusGenerator
from buildmaster.reporters.generators.worker import WorkerMissingGenerator
from buildmaster.reporters.message import MessageFormatter, MessageFormatterFunction, MessageFormatterMissingWorker

CHOICE = {
    "mode": "mode",
    "tags": "tags",
    "builders": "builders",
    "schedulers": "schedulers",
    "branches": "branches",
    "subject": "subject",
    "addLogs": "add_logs",
    "addPatch": "add_patch",
    "messageFormatter": "message_formatter",
}
"""Argument of the reporter → argument of :class:`.BuildStatusGenerator`."""

OF_REPORTERS = frozenset([*CHOICE, "buildSetSummary", "watchedWorkers", "messageFormatterMissingWorker"])


def generators_of(reporter: str, generators: Any, given: Mapping[str, Any], html: bool = False) -> Any:
    """The generators for the older arguments of a reporter, or ``generators`` when there are none.

    ``html``: whether formatters that are not given make HTML.  Raises TypeError for an argument that no Buildbot had.
    """
    unknown = sorted(set(given) - OF_REPORTERS)
    if unknown:
        raise TypeError(f"{reporter}.checkConfig() got an unexpected keyword argument {unknown[0]!r}")
    if not given:
        return generators
    if generators is not None:
        error(
            f"{reporter}: {', '.join(sorted(given))} can't be used together with generators; give them to a generator"
        )
        return generators
    chosen = {CHOICE[name]: value for name, value in given.items() if name in CHOICE}
    chosen = {"add_patch": True, **chosen} if html else chosen
    if chosen.get("message_formatter") is None and html:
        chosen["message_formatter"] = MessageFormatter(template_type="html")
    kind: Any = BuildSetStatusGenerator if given.get("buildSetSummary") else BuildStatusGenerator
    made: list[Any] = [kind(**chosen)]
    watched = given.get("watchedWorkers", "all")
    if watched is not None:
        formatter = given.get("messageFormatterMissingWorker")
        if formatter is None:
            formatter = MessageFormatterMissingWorker(template_type="html" if html else None)
        made.append(WorkerMissingGenerator(watched, formatter))
    return made


class OfBuild(ComparableMixin):
    """A function of a build, ``format_fn``, as one of what a message formatter knows."""

    compare_attrs: ClassVar[Sequence[str]] = ["function"]

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, context: Mapping[str, Any]) -> Any:
        return self.function(context["build"])


OF_POSTS = ("builders", "format_fn", "wantLogs", "wantProperties", "wantSteps")
"""Arguments that ``HttpStatusPush`` had."""


def posting_generators(place: str, older: Mapping[str, Any]) -> list[Any]:
    """The generators that do what these older arguments said: all builds, when they start and when they end."""
    function = older.get("format_fn")
    if function is not None and not callable(function):
        error(f"{place}: format_fn must be a function that takes a build, not {function!r}")
        function = None
    names = {"wantLogs": "want_logs", "wantProperties": "want_properties", "wantSteps": "want_steps"}
    wants = {new: older[old] for old, new in names.items() if old in older}
    formatter = MessageFormatterFunction(OfBuild(function or _itself), "json", **wants)
    return [BuildStatusGenerator("all", builders=older.get("builders"), report_new=True, message_formatter=formatter)]


def _itself(build: Any) -> Any:
    return build
