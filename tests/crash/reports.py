"""A story of reports: a line in a file for each build and each buildset, and a post that is shut now and then."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

from twisted.internet import error

from buildmaster.base.results import RETRY
from buildmaster.plugins import reporters
from buildmaster.reporters.base import ReporterBase
from tests.crash.parts import at_once, change, config, work
from tests.crash.story import Pause, Restart, Story


class Postcards(ReporterBase):
    """Writes a line for each report into a file; the post is shut now and then."""

    def checkConfig(self) -> None:
        super().checkConfig(generators())

    def reconfigService(self) -> Any:
        return super().reconfigService(generators())

    async def sendMessage(self, reports: Any) -> None:
        if self.master.reactor.seconds() % 20 < 5:
            raise error.ConnectionRefusedError("shut")
        with open(Path(self.master.basedir) / "postcards", "a", encoding="utf-8") as file:
            file.writelines(f"{report['body']}\n" for report in reports)


def generators() -> list[Any]:
    build = reporters.MessageFormatterFunction(
        lambda c: f"build of {_revision(c['build'])} {c['build']['results']}", "plain"
    )
    buildset = reporters.MessageFormatterFunction(
        lambda c: f"buildset of {_revision(c)} {c['buildset']['results']}", "plain"
    )
    return [
        reporters.BuildStatusGenerator(mode="all", message_formatter=build),
        reporters.BuildSetCombinedStatusGenerator(buildset),
    ]


def _revision(context: Any) -> str:
    return str(context["buildset"]["sourcestamps"][0]["revision"])


MAIL = Story(
    "mail",
    config(at_once("b"), services=lambda: [Postcards(name="postcards")], collapseRequests=False),
    [change("1"), Pause(3), change("2"), Restart(10), change("3"), Pause(60)],
    script=work,
    rest=40,
    outside=lambda basedir: sorted(postcards(basedir)),
)


def postcards(basedir: Path) -> collections.Counter[str]:
    lines = (basedir / "postcards").read_text(encoding="utf-8").splitlines()
    return collections.Counter(line for line in lines if not line.endswith(f" {RETRY}"))
