"""States and their legal moves, one table each.

The guards in ``db/``, the drawings in the documentation and the property tests all read these tables.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class RequestState(enum.IntEnum):
    """Where a build request stands; the number is what is stored."""

    HELD = 0  # waits for a custom collapse callable's verdict
    PENDING = 1  # in the queue
    CLAIMED = 2  # a master has it, with a build
    COMPLETE = 3


class BuildState(enum.IntEnum):
    """Where a build stands."""

    RUNNING = 0
    COMPLETE = 1


class StepState(enum.IntEnum):
    """Where a step stands; it waits for locks between its start and its running."""

    ADDED = 0
    STARTED = 1
    COMPLETE = 2


REQUEST_MOVES: Mapping[RequestState, frozenset[RequestState]] = {
    RequestState.HELD: frozenset({RequestState.PENDING, RequestState.COMPLETE}),
    RequestState.PENDING: frozenset({RequestState.CLAIMED, RequestState.COMPLETE}),
    RequestState.CLAIMED: frozenset({RequestState.PENDING, RequestState.COMPLETE}),
    RequestState.COMPLETE: frozenset(),
}

BUILD_MOVES: Mapping[BuildState, frozenset[BuildState]] = {
    BuildState.RUNNING: frozenset({BuildState.COMPLETE}),
    BuildState.COMPLETE: frozenset(),
}

STEP_MOVES: Mapping[StepState, frozenset[StepState]] = {
    StepState.ADDED: frozenset({StepState.STARTED, StepState.COMPLETE}),
    StepState.STARTED: frozenset({StepState.COMPLETE}),
    StepState.COMPLETE: frozenset(),
}

MAX_AUTOMATIC_RETRIES = 5


class IllegalMove(Exception):
    """A state change that the tables do not allow."""


def check_move(moves: Mapping, before: enum.IntEnum, after: enum.IntEnum) -> None:
    """Raises :class:`IllegalMove` unless ``moves`` allows going from ``before`` to ``after``."""
    if after not in moves[before]:
        raise IllegalMove(f"{before.name} may not become {after.name}")
