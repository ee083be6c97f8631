"""Random histories of a whole master: nothing is lost, nothing is done twice, everything comes to rest.

``contrib/simulate.py`` plays any number of them.
"""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.simulation import histories as h
from tests.simulation.faults import Directory, fast_directory, listening
from tests.simulation.play import Play, play
from tests.simulation.report import problems_of_seed, tell_failure
from tests.simulation.shrinking import Shrinker

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""What a killed master was doing is thrown away, not ended."""

HISTORIES = 300
TOGETHER = 20


@pytest.fixture(scope="module")
def directory():
    with fast_directory() as path:
        yield Directory(path)


@pytest.mark.parametrize("first", range(0, HISTORIES, TOGETHER))
def test_nothing_is_lost_or_done_twice(first: int, directory: Directory) -> None:
    for seed in range(first, first + TOGETHER):
        assert not problems_of_seed(seed, directory), tell_failure(seed, directory)


@pytest.mark.parametrize("seed", [3, 7, 21])
def test_one_seed_is_one_exact_history(seed: int, directory: Directory) -> None:
    assert h.history(seed) == h.history(seed)
    one, two = play(h.history(seed), directory), play(h.history(seed), directory)
    assert one.told == two.told
    assert one.signals == two.signals
    assert one.state == two.state


def test_a_history_is_printed_as_the_code_that_makes_it() -> None:
    made = h.history(5)
    assert eval(repr(made), vars(h)) == made


def test_a_failing_history_is_shrunk_to_what_matters() -> None:
    """Of many events only those stay without which the failure does not show."""

    def problems(what: h.History) -> list[str]:
        pushes = [event for event in what.events if isinstance(event, h.Push)]
        kills = [event for event in what.events if isinstance(event, h.Kill)]
        return ["s1 has not built r5"] if pushes and kills else []

    made = next(one for one in map(h.history, range(100)) if len(one.events) > 20 and problems(one))
    short = Shrinker(problems).shrink(made)
    assert {type(event) for event in short.events} == {h.Push, h.Kill}
    assert len(short.events) == 2
    assert len(short.setup.schedulers) == 1


SETUP = h.Setup((("w1", 1),), (h.BuilderSpec("b1", ("w1",)),), (h.SchedulerSpec("s1", "any", ("b1",)),))
WELL = h.History(SETUP, (h.Attach(1.0, "w1", "well"), h.Push(1.0, "r1", "main", ("code.c",))))


def play_with_damage(directory: Directory, damage: str) -> list[str]:
    """Play :data:`WELL`, doing this to the rows before the end; a simulation must be able to find something."""
    with directory.fresh() as basedir:
        made = Play(WELL, basedir)
        come_to_rest = made.come_to_rest

        def damaged() -> None:
            made.pass_time(100)
            with contextlib.closing(sqlite3.connect(basedir / "state.sqlite", isolation_level=None)) as conn:
                conn.executescript(damage)
            come_to_rest()

        made.come_to_rest = damaged  # type: ignore[method-assign]
        with listening(made.faults):
            return made.run().problems


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("", []),
        (
            "DELETE FROM buildset_changes",
            ["buildset 1 of s1 builds r1, its newest change is []", "s1 has not built r1"],
        ),
        ("UPDATE changes SET revision = 'x'", ["change r1 was acknowledged and is lost"]),
        ("UPDATE buildrequests SET retries = 6", ["request 1 was retried 6 times"]),
        ("UPDATE cursors SET position = 999999", ["cursor scheduler:s1 is at 999999, ahead of the head"]),
        ("DELETE FROM journal WHERE position = 5", ["the journal has"]),
        ("DELETE FROM log_chunks WHERE first_line = 0", ["log 1 does not begin with its first line"]),
    ],
)
def test_damage_is_noticed(damage: str, told: list[str], directory: Directory) -> None:
    found = play_with_damage(directory, damage)
    assert bool(found) == bool(told)
    for expected in told:
        assert any(problem.startswith(expected) for problem in found), found
