"""Random histories of a whole master: nothing is lost, nothing is done twice, everything comes to rest.

``contrib/simulate.py`` plays any number of them.  What is checked, after every event but where said otherwise:

- rows (:mod:`.invariants`): requests, builds, steps, logs, journal and cursors agree, a request is built to an end once
  and makes only the moves of its table; the live master and the rows agree;
- changes and schedulers (:mod:`.expectations`, at the end): what was acknowledged is stored, once; each scheduler has
  made the buildsets that it owes, no others and none twice; a clock's time is fired once; a Trigger has one buildset,
  and ends after it if it waits;
- web hooks (:mod:`.senders`): an answer 2xx means that all changes are stored; any other that nothing is, or all;
  posted again until it is taken, a delivery is stored once;
- patches (Try, :mod:`.expectations`, at the end): an acknowledged one has one buildset, on the builders that were asked
  for, with its patch, and the built-in rule supersedes none;
- pollers (:mod:`.repository`, and a file of revisions): a commit becomes one change; a poll that raises, hangs or is
  slow does not keep the next from finding what is new;
- latent workers (:mod:`.instances`): no start before every earlier start and stop has ended, one stop for each start
  and none besides, no stop before the end of its start but after its deadline; when the master has stopped every start
  was stopped, and what still runs, because a stop failed or the master crashed, was found again or reported;
- callbacks of the configuration that raise, answer late or never: everything comes to rest all the same.
"""

from __future__ import annotations

import pytest

from tests.simulation import histories as h
from tests.simulation.chance import history
from tests.simulation.damage import problems_with
from tests.simulation.faults import Directory, fast_directory
from tests.simulation.play import play
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
    assert history(seed) == history(seed)
    one, two = play(history(seed), directory), play(history(seed), directory)
    assert one.told == two.told
    assert one.signals == two.signals
    assert one.state == two.state


def test_a_history_is_printed_as_the_code_that_makes_it() -> None:
    made = history(5)
    assert eval(repr(made), vars(h)) == made


def test_a_failing_history_is_shrunk_to_what_matters() -> None:
    """Of many events only those stay without which the failure does not show."""

    def problems(what: h.History) -> list[str]:
        pushes = [event for event in what.events if isinstance(event, h.Push)]
        kills = [event for event in what.events if isinstance(event, h.Kill)]
        return ["s1 has not built r5"] if pushes and kills else []

    made = next(one for one in map(history, range(100)) if len(one.events) > 20 and problems(one))
    short = Shrinker(problems).shrink(made)
    assert {type(event) for event in short.events} == {h.Push, h.Kill}
    assert len(short.events) == 2
    assert len(short.setup.schedulers) == 1


SETUP = h.Setup((("w1", 1),), (h.BuilderSpec("b1", ("w1",)),), (h.SchedulerSpec("s1", "any", ("b1",)),))
WELL = h.History(SETUP, (h.Attach(1.0, "w1", "well"), h.Push(1.0, "r1", "main", ("code.c",))))


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
    found = problems_with(WELL, directory, damage)
    assert bool(found) == bool(told)
    for expected in told:
        assert any(problem.startswith(expected) for problem in found), found
