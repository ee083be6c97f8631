"""Makes a failing history short: leaves out events, then parts of the configuration, while it fails in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from tests.simulation.histories import History

MOST_TRIES = 300


def kind_of(problem: str) -> str:
    """What is wrong, without the numbers and names of the case."""
    return re.sub(r"\b[a-z]*\d[\d.]*\b|\[.*?\]", "N", problem)


def same_failure(problems: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two histories failed in the same way, at least in part."""
    return bool({kind_of(p) for p in problems} & {kind_of(p) for p in others})


class Shrinker:
    """``problems(history)`` plays a history and says what was wrong."""

    def __init__(self, problems: Callable[[History], Sequence[str]], tries: int = MOST_TRIES) -> None:
        self._problems = problems
        self._left = tries
        self._wanted: Sequence[str] = ()

    def shrink(self, history: History) -> History:
        """The shortest history found that fails in the same way; the same one if it does not fail."""
        self._wanted = self._problems(history)
        if not self._wanted:
            return history
        history = self._fewer_events(history)
        return self._smaller_setup(history)

    def _fails(self, history: History) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        return same_failure(self._wanted, self._problems(history))

    def _fewer_events(self, history: History) -> History:
        """Delta debugging: leave out ever smaller slices until no single event can go."""
        size = len(history.events) // 2
        while size >= 1:
            start, shorter = 0, False
            while start < len(history.events):
                without = attrs.evolve(history, events=_without(history.events, start, start + size))
                if self._fails(without):
                    history, shorter = without, True
                else:
                    start += size
            if not shorter or size > 1:
                size //= 2
        return history

    def _smaller_setup(self, history: History) -> History:
        """Leave out schedulers, and make builders plain."""
        for index in range(len(history.setup.schedulers) - 1, 0, -1):
            schedulers = _without(history.setup.schedulers, index, index + 1)
            history = self._better(history, attrs.evolve(history.setup, schedulers=schedulers))
        for index, builder in enumerate(history.setup.builders):
            for field in ("collapse", "locks", "can_start", "next_build"):
                plain = attrs.evolve(builder, **{field: "default" if field == "collapse" else "none"})
                if plain != builder:
                    builders = (*history.setup.builders[:index], plain, *history.setup.builders[index + 1 :])
                    shorter = self._better(history, attrs.evolve(history.setup, builders=builders))
                    history, builder = shorter, shorter.setup.builders[index]
        return history

    def _better(self, history: History, setup: Any) -> History:
        without = attrs.evolve(history, setup=setup)
        names = {s.name for s in setup.schedulers}
        steps = {step.partition(":")[2] for b in setup.builders for step in b.steps} - {""}
        needed = steps | {s.upstream for s in setup.schedulers if s.upstream}
        return without if needed <= names and self._fails(without) else history


def _without(items: tuple[Any, ...], start: int, end: int) -> tuple[Any, ...]:
    return items[:start] + items[end:]
