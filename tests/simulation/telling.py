"""A reporter that writes down of which builds it was told; its receiver is not always there, and slow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import error

from buildmaster.base.aio import sleep
from buildmaster.base.results import RETRY
from buildmaster.reporters.base import ReporterBase
from buildmaster.reporters.generators.build import BuildStatusGenerator
from buildmaster.reporters.message import MessageFormatterEmpty

SHUT, EVERY = 50.0, 300.0
"""For how long the receiver is away, and how often, in seconds."""


class Teller(ReporterBase):
    """Tells of every build that ends."""

    notice_age = float("inf")

    def checkConfig(self) -> None:
        super().checkConfig(_generators())

    def reconfigService(self) -> Any:
        return super().reconfigService(_generators())

    async def sendMessage(self, reports: Any) -> None:
        clock = self.master.reactor
        if clock.seconds() % EVERY < SHUT:
            raise error.ConnectionRefusedError("shut")
        if int(clock.seconds()) % 3 == 0:
            await sleep(clock, 2.0)
        with open(_file(Path(self.master.basedir)), "a", encoding="utf-8") as file:
            file.writelines(f"{build['buildid']}\n" for report in reports for build in report["builds"])


class _Every(BuildStatusGenerator):
    """Whatever the result."""

    def is_message_needed_by_results(self, build: Any) -> bool:
        return True


def _generators() -> list[Any]:
    return [_Every(message_formatter=MessageFormatterEmpty())]


def _file(basedir: Path) -> Path:
    return basedir / "told"


def untold(basedir: Path, rows: Any) -> list[str]:
    """The finished builds of which the receiver does not know."""
    file = _file(basedir)
    told = {int(line) for line in file.read_text(encoding="utf-8").split()} if file.exists() else set()
    ended = rows.column(f"SELECT id FROM builds WHERE complete AND results != {RETRY} ORDER BY id")
    return [f"nobody was told of build {buildid}" for buildid in ended if buildid not in told]
