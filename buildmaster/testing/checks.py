"""What a test says about the end of a step, compared with what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildmaster.base.aio import as_deferred
from buildmaster.base.results import statusToString
from buildmaster.db import logs
from buildmaster.testing.differences import text_differences

FIRST_SET = 1000
"""The number by which tests name the first set of test results, whatever its id is."""


class Outcome:
    """What became of a build and its steps; each check gives lines of text, none if all is as expected."""

    def __init__(self, master: Any, build: Any, steps: list[Any]) -> None:
        self._master = master
        self._build = build
        self._steps = steps

    async def _get(self, *path: Any) -> Any:
        return await as_deferred(self._master.data.get(path))

    def _name(self, index: int) -> str:
        return f"step {index} ({self._steps[index]!r})"

    async def step(self, index: int, results: int, text: str | None) -> list[str]:
        """The result and the final text."""
        if index >= len(self._steps):
            return [f"there is no step {index} to have an outcome: only {len(self._steps)} were set up"]
        step = self._steps[index]
        if step.results is None:
            return [f"{self._name(index)} was not run; expected: {_result(results)}"]
        lines = []
        if step.results != results:
            lines.append(f"{self._name(index)}: expected {_result(results)}, got {_result(step.results)}")
            lines += await self._why(step)
        state = (await self._get("steps", step.stepid))["state_string"]
        if text is not None and text != state:
            lines += [f"{self._name(index)}: the summary is not as expected", *_both(text, state)]
        return lines

    async def _why(self, step: Any) -> list[str]:
        content = await self._log(step, "err.text")
        return [f"    | {line[1:]}" for line in (content or "").splitlines()[-30:]]

    async def summaries(self, what: str, expected: list[Any]) -> list[str]:
        """What ``getResultSummary`` or ``getBuildResultSummary`` gives."""
        lines = []
        for index, wanted in enumerate(expected):
            got = await as_deferred(getattr(self._steps[index], what)())
            if got != wanted:
                lines += [f"{self._name(index)}: {what}() is not as expected", *_both(wanted, got)]
        return lines

    async def hidden(self, wanted: bool) -> list[str]:
        """Whether the last step is hidden."""
        step = self._steps[-1]
        hidden = (await self._get("steps", step.stepid))["hidden"]
        if hidden == wanted:
            return []
        return [f"{self._name(len(self._steps) - 1)}: expected {_hidden(wanted)}, got {_hidden(hidden)}"]

    async def log(self, index: int, name: str, channel: str, contents: str) -> list[str]:
        """The text of one channel of a log."""
        found = await self._log(self._steps[index], name)
        if found is None:
            names = sorted(self._steps[index].step_logs.by_name)
            return [f"{self._name(index)} has no log {name!r}; it has {names}"]
        typed = self._steps[index].step_logs.by_name[name].type == "s"
        got = "".join(line[1:] for line in found.splitlines(True) if line[0] == channel) if typed else found
        differences = text_differences(contents, got)
        if not differences:
            return []
        words = "stderr of the log" if channel == "e" else "the log"
        return [f"{self._name(index)}: {words} {name!r} is not as expected", *_indented(differences)]

    async def _log(self, step: Any, name: str) -> str | None:
        log = step.step_logs.by_name.get(name)
        if log is None:
            return None
        return await self._master.db.read(logs.read_lines, log.logid, 0, 10**9)

    def property(self, name: str, value: Any, source: Any = None) -> list[str]:
        """A property's value, and its source if one is given."""
        properties = self._build.getProperties()
        if not properties.hasProperty(name):
            return [f"the property {name!r} was not set; expected: {value!r}"]
        lines = []
        if properties.getProperty(name) != value:
            lines += [f"the property {name!r} is not as expected", *_both(value, properties.getProperty(name))]
        if source is not None and properties.getPropertySource(name) != source:
            got = properties.getPropertySource(name)
            lines += [f"the source of the property {name!r} is not as expected", *_both(source, got)]
        return lines

    def no_property(self, name: str) -> list[str]:
        """That a property is not set."""
        properties = self._build.getProperties()
        if not properties.hasProperty(name):
            return []
        return [f"the property {name!r} was not to be set; it is {properties.getProperty(name)!r}"]

    async def build_data(self, name: str, value: bytes, source: str) -> list[str]:
        """A piece of the build's data."""
        found = await self._get("builds", self._build.buildid, "data", name)
        if found is None:
            return [f"the build has no data {name!r}"]
        raw = (await self._get("builds", self._build.buildid, "data", name, "value"))["raw"]
        wanted, got = (value, source), (raw, found["source"])
        return [f"the build data {name!r} are not as expected", *_both(wanted, got)] if wanted != got else []

    async def test_results(self, sets: list[Any] | None, results: list[Any] | None) -> list[str]:
        """The sets, as (description, category, unit), and the results, as (set, value, name, path, line, duration)."""
        stored = sorted(
            await self._get("builds", self._build.buildid, "test_result_sets"), key=lambda s: s["test_result_setid"]
        )
        lines = []
        got_sets = [(s["description"], s["category"], s["value_unit"]) for s in stored]
        if sets is not None and got_sets != [tuple(each) for each in sets]:
            lines += ["the sets of test results are not as expected", *_both(sets, got_sets)]
        got = []
        for number, each in enumerate(stored, FIRST_SET):
            found = await self._get("test_result_sets", each["test_result_setid"], "results")
            got += [_test_result(number, one) for one in found]
        if results is not None and got != [tuple(each) for each in results]:
            lines += ["the test results are not as expected", *_both(results, got)]
        return lines


def _test_result(number: int, one: Mapping[str, Any]) -> tuple[Any, ...]:
    return (number, *(one[key] for key in ("value", "test_name", "test_code_path", "line", "duration_ns")))


def _result(results: int) -> str:
    return f"{results} ({statusToString(results)})"


def _hidden(hidden: bool) -> str:
    return "a hidden step" if hidden else "a step that is shown"


def _both(expected: Any, got: Any) -> list[str]:
    return _indented([f"expected: {expected!r}", f"got:      {got!r}"])


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
