"""Reporters of tests: one that remembers what it was given, on a whole master in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from buildmaster.plugins import reporters, schedulers, steps, util
from buildmaster.reporters.base import ReporterBase
from tests.support.path import BuildPath, configuration

URL = "http://ci.example/"


class Recorder(ReporterBase):
    """Remembers reports in ``sent``; before that it does what ``receive`` does (raise, wait …)."""

    receive: Callable[[list[Any]], Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[list[dict[str, Any]]] = []
        super().__init__(*args, **kwargs)

    def checkConfig(self, generators: Any = None) -> None:
        super().checkConfig(generators or [reporters.BuildStatusGenerator(mode="all", message_formatter=words())])

    def reconfigService(self, generators: Any = None) -> Any:
        return super().reconfigService(
            generators or [reporters.BuildStatusGenerator(mode="all", message_formatter=words())]
        )

    def sendMessage(self, reports: list[dict[str, Any]]) -> Any:
        if self.receive is not None:
            self.receive(reports)
        self.sent.append(reports)

    def bodies(self) -> list[Any]:
        """The body of each report."""
        return [report["body"] for reports in self.sent for report in reports]


def words() -> Any:
    """A formatter in few words: builder, number, results."""
    return reporters.MessageFormatterFunction(
        lambda context: (
            f"{context['build']['builder']['name']} {context['build']['number']} "
            f"{util.Results[context['build']['results']]}"
        ),
        "plain",
    )


def forced(*names: str) -> Any:
    """A scheduler for these builders."""
    return schedulers.ForceScheduler(
        name="force", builderNames=list(names), username=util.FixedParameter("username", "alice <a@x.org>")
    )


def path_with(
    tmp_path: Path,
    services: Callable[[], Sequence[Any]],
    builders: Any = None,
    now: float | None = None,
    script: Any = None,
    **more: Any,
) -> BuildPath:
    """A master with these services, a worker, and a scheduler ``force`` for all builders (by default ``b``)."""
    builders = builders or {"b": [steps.ShellCommand(command=["make"], name="compile")]}
    settings = {"title": "The Site", "titleURL": URL, "buildbotURL": URL, **more}
    made = configuration(lambda: [forced(*builders)], builders=builders, **settings)
    path = BuildPath(tmp_path, lambda: {**made(), "services": list(services())}, now=now)
    path.attach(script=script)
    return path


def service(path: BuildPath, name: str) -> Any:
    """The running service of this name."""
    return path.master.service_manager.namedServices[name]


def build(path: BuildPath, **args: Any) -> None:
    """A build is forced and runs to its end, and what is reported of it is delivered."""
    path.force(**args)
    path.kit.pump()
