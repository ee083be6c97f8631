"""Steps that run a tool and count what it complains of, kind by kind."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, ClassVar

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS, statusToString
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin


class CountingStep(ShellMixin, BuildStep):
    """Runs a command; each line that :meth:`kind_of` knows counts.

    The lines of each kind go to a log of their own, their number into the property and statistic ``PREFIX-KIND``, all
    together into ``PREFIX-total``.  The result is FAILURE if there was one of the :attr:`flunkingIssues`, WARNINGS if
    there was any other, else the command's.
    """

    prefix: ClassVar[str] = ""
    kinds: ClassVar[Sequence[str]] = ()
    flunkingIssues: Sequence[str] = ()
    counts_total: ClassVar[bool] = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.found: dict[str, list[str]] = {kind: [] for kind in self.kinds}
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self._consume))

    def kind_of(self, stream: str, line: str) -> str | None:
        """The kind of complaint that a line of output (``o``) or error output (``e``) is; None if it is none."""
        return None

    def _consume(self) -> Generator[None, tuple[str, str], None]:
        while True:
            stream, line = yield
            if stream != "h" and (kind := self.kind_of(stream, line)) is not None:
                self.found[kind].append(line)

    @deferred
    async def run(self) -> int:
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        for kind in self.kinds:
            if self.found[kind]:
                await self.addCompleteLog(kind, "\n".join(self.found[kind]) + "\n")
            self._count(kind, len(self.found[kind]))
        if self.counts_total:
            self._count("total", self.total)
        return await maybe(self.evaluateCommand, command)

    @property
    def total(self) -> int:
        """How many complaints there were."""
        return sum(len(lines) for lines in self.found.values())

    def _count(self, name: str, number: int) -> None:
        self.setProperty(f"{self.prefix}-{name}", number, type(self).__name__)
        self.setStatistic(f"{self.prefix}-{name}", number)

    def evaluateCommand(self, cmd: Any) -> int:
        """The result."""
        if any(self.found[kind] for kind in self.flunkingIssues):
            return FAILURE
        if self.total:
            return WARNINGS
        return SUCCESS if not cmd.didFail() else FAILURE

    def getResultSummary(self) -> dict[str, str]:
        """The description, and how many of which kind there were."""
        done = self.descriptionDone or self.description or self.name
        words = [done if isinstance(done, str) else " ".join(done)]
        words += [f"{kind}={len(lines)}" for kind, lines in self.found.items() if lines]
        text = " ".join(words)
        return {"step": text if self.results == SUCCESS else f"{text} ({statusToString(self.results)})"}
