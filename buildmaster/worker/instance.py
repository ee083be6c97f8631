"""The instance behind a latent worker, as a machine: from the first demand to the end of ``stop_instance``.

The moves stand in one table.  What they promise within a process: ``start_instance`` is not called before every
earlier start and stop has come to its end; for each start there is exactly one stop; a stop comes before the end of
its start only if the start has outlived its deadline.  What is done at each move is in :mod:`.instance_work`.
"""

from __future__ import annotations

from typing import Any, Protocol

from automat import TypeMachineBuilder
from twisted.python.failure import Failure


class InstanceInputs(Protocol):
    """What can happen."""

    def want(self) -> None:
        """Somebody needs an instance."""

    def prepared(self) -> None:
        """Its machine runs, and that it is about to be started is stored."""

    def unprepared(self, why: Failure) -> None:
        """That did not come to be; nothing was started."""

    def started(self, words: Any) -> None:
        """``start_instance`` has come to its end."""

    def failed(self, why: Failure) -> None:
        """``start_instance`` has failed, or the started instance is seen to be dead."""

    def late(self, why: Failure) -> None:
        """The worker is not here, and the deadline has passed."""

    def arrive(self) -> None:
        """The worker is connected and knows its builders."""

    def leave(self, why: Failure) -> None:
        """Its connection is lost."""

    def release(self, why: Failure) -> None:
        """The instance is not wanted any more."""

    def stopped(self) -> None:
        """``stop_instance`` has come to its end, or was not needed."""

    def find(self, record: dict[str, Any]) -> None:
        """An earlier process of this master has left this record of an instance behind."""

    def adopted(self) -> None:
        """That instance is there."""

    def close(self) -> None:
        """There will be no instance any more."""


ABSENT, PREPARING, WITHDRAWING, STARTING, AWAITED, ARRIVED = (
    "absent",
    "preparing",
    "withdrawing",
    "starting",
    "awaited",
    "arrived",
)
RUNNING, DOOMED, STOPPING, STOPPING_EARLY, DANGLING, RECOVERING, CLOSED = (
    "running",
    "doomed",
    "stopping",
    "stopping early",
    "dangling",
    "recovering",
    "closed",
)

STATES = {
    ABSENT: "there is none",
    PREPARING: "it is wanted, and that is being stored",
    WITHDRAWING: "it was wanted, but is not any more",
    STARTING: "start_instance is under way",
    AWAITED: "start_instance has ended, the worker is not here yet",
    ARRIVED: "the worker is here, start_instance is still under way",
    RUNNING: "both: builds may come",
    DOOMED: "start_instance is under way, and then it will be stopped",
    STOPPING: "stop_instance is under way",
    STOPPING_EARLY: "stop_instance is under way, and the start that outlived its deadline as well",
    DANGLING: "stop_instance has ended, and that start has not",
    RECOVERING: "what an earlier process left behind is looked for",
    CLOSED: "there will be none any more",
}

INSTANCE_MOVES = (
    # state, what happens, next state, what is done
    (ABSENT, "want", PREPARING, "prepare"),
    (ABSENT, "find", RECOVERING, "recover"),
    (ABSENT, "close", CLOSED, "end"),
    (PREPARING, "want", PREPARING, "ignore"),
    (PREPARING, "prepared", STARTING, "start"),
    (PREPARING, "unprepared", ABSENT, "refuse"),
    (PREPARING, "release", WITHDRAWING, "disappoint"),
    (WITHDRAWING, "want", WITHDRAWING, "ignore"),
    (WITHDRAWING, "release", WITHDRAWING, "disappoint"),
    (WITHDRAWING, "prepared", STOPPING, "forget"),
    (WITHDRAWING, "unprepared", STOPPING, "forget"),
    (STARTING, "want", STARTING, "ignore"),
    (STARTING, "started", AWAITED, "look_after"),
    (STARTING, "failed", STOPPING, "stop"),
    (STARTING, "late", STOPPING_EARLY, "miss"),
    (STARTING, "release", DOOMED, "disappoint"),
    (STARTING, "arrive", ARRIVED, "ignore"),
    (AWAITED, "want", AWAITED, "ignore"),
    (AWAITED, "arrive", RUNNING, "deliver"),
    (AWAITED, "failed", STOPPING, "stop"),
    (AWAITED, "late", STOPPING, "miss"),
    (AWAITED, "release", STOPPING, "stop"),
    (ARRIVED, "want", ARRIVED, "ignore"),
    (ARRIVED, "started", RUNNING, "deliver"),
    (ARRIVED, "failed", STOPPING, "stop"),
    (ARRIVED, "leave", STARTING, "ignore"),
    (ARRIVED, "late", STOPPING_EARLY, "miss"),
    (ARRIVED, "release", DOOMED, "disappoint"),
    (RUNNING, "want", RUNNING, "deliver"),
    (RUNNING, "leave", STOPPING, "stop"),
    (RUNNING, "release", STOPPING, "stop"),
    (DOOMED, "want", DOOMED, "ignore"),
    (DOOMED, "leave", DOOMED, "ignore"),
    (DOOMED, "release", DOOMED, "disappoint"),
    (DOOMED, "started", STOPPING, "stop_doomed"),
    (DOOMED, "failed", STOPPING, "stop_doomed"),
    (DOOMED, "late", STOPPING_EARLY, "stop_doomed"),
    (STOPPING, "want", STOPPING, "ignore"),
    (STOPPING, "leave", STOPPING, "ignore"),
    (STOPPING, "release", STOPPING, "disappoint"),
    (STOPPING, "stopped", ABSENT, "end"),
    (STOPPING_EARLY, "want", STOPPING_EARLY, "ignore"),
    (STOPPING_EARLY, "leave", STOPPING_EARLY, "ignore"),
    (STOPPING_EARLY, "release", STOPPING_EARLY, "disappoint"),
    (STOPPING_EARLY, "started", STOPPING, "tell_late"),
    (STOPPING_EARLY, "failed", STOPPING, "ignore"),
    (STOPPING_EARLY, "stopped", DANGLING, "pause"),
    (DANGLING, "want", DANGLING, "ignore"),
    (DANGLING, "release", DANGLING, "disappoint"),
    (DANGLING, "started", ABSENT, "end_late"),
    (DANGLING, "failed", ABSENT, "end"),
    (DANGLING, "close", CLOSED, "end"),
    (RECOVERING, "want", RECOVERING, "ignore"),
    (RECOVERING, "release", RECOVERING, "disappoint"),
    (RECOVERING, "adopted", STOPPING, "stop_doomed"),
    (RECOVERING, "stopped", ABSENT, "end"),
    (RECOVERING, "close", CLOSED, "end"),
    (CLOSED, "started", CLOSED, "tell_late"),
    (CLOSED, "failed", CLOSED, "ignore"),
    (CLOSED, "adopted", CLOSED, "ignore"),
    (CLOSED, "stopped", CLOSED, "ignore"),
    (CLOSED, "want", CLOSED, "disappoint"),
    (CLOSED, "release", CLOSED, "disappoint"),
)
"""Every move there is, but for those that change nothing where nothing can be meant: see :data:`MEANINGLESS`."""

MEANINGLESS = (
    (ABSENT, "release"),
    (ABSENT, "leave"),
    (ABSENT, "late"),
    (PREPARING, "leave"),
    (STARTING, "leave"),
    (AWAITED, "leave"),
    (WITHDRAWING, "leave"),
    (DANGLING, "leave"),
    (RECOVERING, "leave"),
    (CLOSED, "leave"),
)
"""What may be said at any time and then says nothing."""

TAKES_CONNECTIONS = frozenset({STARTING, AWAITED})
"""States in which the worker is waited for; at other times it is sent away."""


def build_machine(work: type) -> Any:
    """The machine, for work of this class: its methods are the last column of the table."""
    builder: Any = TypeMachineBuilder(InstanceInputs, work)
    states = {name: builder.state(name) for name in STATES}
    ignored = tuple((state, event, state, "ignore") for state, event in MEANINGLESS)
    for state, event, target, action in (*INSTANCE_MOVES, *ignored):
        transition = states[state].upon(getattr(InstanceInputs, event)).to(states[target])
        transition(_action(target, action))
    return builder.build()


def _action(target: str, name: str) -> Any:
    def act(inputs: InstanceInputs, work: Any, *args: Any) -> None:
        work.state = target
        getattr(work, name)(inputs, *args)

    return act
