"""All that a test says about the end of its steps, and the message when it came otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from buildmaster.base.aio import maybe
from buildmaster.testing.bench import Bench
from buildmaster.testing.checks import Outcome

Check = Callable[[Outcome], Any]


class Verdict:
    """Collects what is expected; :meth:`run` lets the steps run and judges."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.outcomes: list[tuple[int, str | None]] = []
        """Result and text, step by step."""
        self.checks: list[Check] = []
        self.exceptions: list[type[BaseException]] = []
        self.test_sets: list[Any] | None = None
        self.test_results: list[Any] | None = None

    async def run(self, bench: Bench, errors: Sequence[BaseException]) -> None:
        """Run the steps; raises AssertionError with all that is not as expected.

        ``errors`` will hold the exceptions that are logged meanwhile.
        """
        await bench.run(self.steps)
        lines = [line for problem in bench.script.problems for line in problem]
        lines += [f"expected, but not run: {each}" for each in bench.script.left()]
        for kind in self.exceptions:
            if not any(isinstance(error, kind) for error in errors):
                lines.append(f"expected: {kind.__name__} is raised; got: {list(errors) or 'no exception'}")
        lines += await self._compare(Outcome(bench.master, bench.build, self.steps))
        if lines:
            ran = [f"    {number}. {what}" for number, what in enumerate(bench.script.run, 1)]
            raise AssertionError("\n".join([*lines, "commands that were run:", *(ran or ["    none"])]))

    async def _compare(self, outcome: Outcome) -> list[str]:
        lines: list[str] = []
        for index, (results, text) in enumerate(self.outcomes):
            lines += await outcome.step(index, results, text)
        for check in self.checks:
            lines += await maybe(check, outcome)
        return lines + await outcome.test_results(self.test_sets, self.test_results)
