"""Progress of a long run: a bar on a terminal, a line now and then elsewhere; Ctrl-C ends the run early, in order."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


@contextlib.contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """Gives a function to be told how many more are done, and what to say about it; Ctrl-C ends the block."""
    console = Console(stderr=True)
    shown = _bar(what, total, console) if console.is_terminal else _lines(what, total)
    with shown as told:
        try:
            yield told
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)


@contextlib.contextmanager
def _bar(what: str, total: int, console: Console) -> Iterator[Callable[[int, str], None]]:
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total, words="")
        yield lambda more, words: progress.update(task, advance=more, words=words)


@contextlib.contextmanager
def _lines(what: str, total: int) -> Iterator[Callable[[int, str], None]]:
    began = told_at = time.monotonic()
    done = 0

    def tell(more: int, words: str) -> None:
        nonlocal done, told_at
        done += more
        now = time.monotonic()
        if now - told_at >= LINE_EVERY or done >= total:
            told_at = now
            print(f"{done} of {total} {what} in {now - began:.0f} s, {words}", file=sys.stderr, flush=True)

    yield tell
