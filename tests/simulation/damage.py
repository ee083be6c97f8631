"""Histories whose rows are damaged on the way: a simulation must be able to find something."""

from __future__ import annotations

import contextlib
import sqlite3

from tests.simulation.faults import Directory, listening
from tests.simulation.histories import History
from tests.simulation.play import Play


def problems_with(history: History, directory: Directory, damage: str = "") -> list[str]:
    """What is wrong with a history; ``damage``, in SQL, is done to the rows before all comes to rest."""
    with directory.fresh() as basedir:
        made = Play(history, basedir)
        come_to_rest = made.come_to_rest

        def damaged() -> None:
            made.pass_time(100)
            made.post()
            with contextlib.closing(sqlite3.connect(basedir / "state.sqlite", isolation_level=None)) as conn:
                conn.executescript(damage)
            come_to_rest()

        made.come_to_rest = damaged  # type: ignore[method-assign]
        with listening(made.faults), made.world.there():
            return made.run().problems
