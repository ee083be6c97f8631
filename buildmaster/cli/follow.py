"""Watches one build from outside and shows how it goes: live on a terminal, as lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS, statusToString
from buildmaster.cli.main import Failed
from buildmaster.cli.rest import Rest, RestError

POLL_SECONDS = 0.25
PATIENCE = 20.0  # seconds without an answer from a master that lives
TAIL_LINES = 40


class Follower:
    """Follows the first build of a new master.

    ``alive`` tells whether the master's process still is; ``show`` is where progress goes (:class:`Lines` or
    :class:`Live`).
    """

    def __init__(self, rest: Rest, alive: Callable[[], bool], show: Lines) -> None:
        self._rest = rest
        self._alive = alive
        self._show = show

    def first_build(self, timeout: float) -> dict[str, Any]:
        """Wait for the change to be noticed and its build to begin; returns the build.

        Raises :class:`~buildmaster.cli.main.Failed` after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        seen: set[str] = set()
        while time.monotonic() < deadline:
            builds = self._get("builds", limit=1, order="buildid")
            if builds:
                return builds[0]
            for change in self._get("changes", limit=1, order="-changeid"):
                self._once(seen, f"noticed commit {change['revision'][:12]} by {change['author']}: {_subject(change)}")
            if self._get("buildrequests", limit=1):
                self._once(seen, "a build was requested; waiting for the worker")
            time.sleep(POLL_SECONDS)
        raise Failed(f"No build began within {timeout:g} seconds")

    def follow(self, buildid: int) -> int:
        """Show a build until it ends; returns its result."""
        with self._show:
            while True:
                build = self._get("builds", buildid)[0]
                self._show.update(self._steps(buildid))
                if build["complete"]:
                    return int(build["results"])
                time.sleep(POLL_SECONDS)

    def tail_of_failure(self, buildid: int) -> list[str]:
        """The last lines of the logs of the first step that failed."""
        for step in self._steps(buildid):
            if step["complete"] and step["results"] not in (SUCCESS, WARNINGS, None) and step["results"] >= FAILURE:
                logs = self._get("steps", step["stepid"], "logs")
                return [
                    line
                    for log in logs
                    if log["num_lines"]
                    for line in [f"-- {step['name']}: {log['name']}", *self._tail(log)]
                ]
        return []

    def _steps(self, buildid: int) -> list[dict[str, Any]]:
        return [step for step in self._get("builds", buildid, "steps", order="number") if not step["hidden"]]

    def _tail(self, log: dict[str, Any]) -> list[str]:
        first = max(0, log["num_lines"] - TAIL_LINES)
        content = self._get("logs", log["logid"], "contents", offset=first, limit=TAIL_LINES)[0]["content"]
        cut = 1 if log["type"] == "s" else 0  # the channel's letter
        return [line[cut:] for line in content.splitlines()]

    def _get(self, *path: object, **query: object) -> list[dict[str, Any]]:
        """Ask, patiently: a master that is busy for a moment still answers later."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._rest.get(*path, **query)
            except RestError as e:
                if not self._alive():
                    raise Failed("The master has ended") from None
                if time.monotonic() > deadline:
                    raise Failed(f"The master does not answer: {e}") from None
                time.sleep(POLL_SECONDS)

    def _once(self, seen: set[str], line: str) -> None:
        if line not in seen:
            seen.add(line)
            self._show.say(line)


def _subject(change: dict[str, Any]) -> str:
    return (change["comments"].strip().splitlines() or ["(no message)"])[0]


class Lines:
    """Progress as lines: one when a step begins, one when it ends."""

    def __init__(self) -> None:
        self._told: set[tuple[int, bool]] = set()

    def say(self, line: str) -> None:
        """Print a line."""
        click.echo(line)

    def __enter__(self) -> None:
        """Begin to show a build."""

    def __exit__(self, *exc: object) -> None:
        """The build has ended."""

    def update(self, steps: list[dict[str, Any]]) -> None:
        """Show how far the steps are."""
        for step in steps:
            if step["started_at"] is None and not step["complete"]:
                continue
            if (step["stepid"], step["complete"]) in self._told:
                continue
            self._told.add((step["stepid"], step["complete"]))
            self.say(f"  {step['name']}: {describe(step)}")


class Live(Lines):
    """Progress as a table that is redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        super().__init__()
        self._console = Console()
        self._live = RichLive(console=self._console, refresh_per_second=8)

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def update(self, steps: list[dict[str, Any]]) -> None:
        """Redraw."""
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for step in steps:
            running = step["started_at"] is not None and not step["complete"]
            mark = Spinner("dots") if running else Text(_mark(step), style=_style(step))
            table.add_row(mark, Text(step["name"]), Text(describe(step), style="dim"))
        self._live.update(table)


def describe(step: dict[str, Any]) -> str:
    """A step's state in a few words, with its duration in seconds."""
    began, ended = step["started_at"], step["complete_at"]
    if began is None and not step["complete"]:
        return "waiting"
    state = step["state_string"] or "running"
    if not step["complete"]:
        return f"{state} ({max(0.0, time.time() - began):.0f} s)" if began < time.time() - 1 else state
    took = f" after {ended - began:.0f} s" if ended is not None and began is not None else ""
    return f"{statusToString(step['results'])}{took} - {state}"


def _mark(step: dict[str, Any]) -> str:
    if not step["complete"]:
        return " "
    return "✓" if step["results"] in (SUCCESS, WARNINGS) else "✗" if step["results"] == FAILURE else "–"


def _style(step: dict[str, Any]) -> str:
    return {SUCCESS: "green", WARNINGS: "yellow", FAILURE: "red"}.get(step["results"], "magenta")
