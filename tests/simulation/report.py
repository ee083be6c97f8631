"""How a failing history is told: its seed, what was wrong, the shortest history that shows it, and its course."""

from __future__ import annotations

from tests.simulation.chance import history
from tests.simulation.faults import Directory
from tests.simulation.histories import History
from tests.simulation.play import Outcome, play
from tests.simulation.shrinking import Shrinker


def problems_of_seed(seed: int, directory: Directory) -> list[str]:
    """What is wrong with the history of a seed."""
    return problems_of(history(seed), directory)


def problems_of(what: History, directory: Directory) -> list[str]:
    """What is wrong with a history; an error of the simulation itself is told too."""
    return outcome_of(what, directory).problems


def outcome_of(what: History, directory: Directory) -> Outcome:
    """Play a history; an exception becomes a problem."""
    try:
        return play(what, directory)
    except Exception as error:  # policy: told as a problem, so that it can be shrunk too
        return Outcome([f"{type(error).__name__}: {error}"], [], {}, 0)


def tell_failure(seed: int, directory: Directory, shrink: bool = True) -> str:
    """All that is needed to find the cause."""
    long = history(seed)
    problems = problems_of(long, directory)
    short = Shrinker(lambda what: problems_of(what, directory)).shrink(long) if shrink else long
    shown = outcome_of(short, directory)
    lines = [f"seed {seed}: {len(long.events)} events, shrunk to {len(short.events)}", *problems, ""]
    lines += ["the shortest history that fails in this way:", _code(short), "", "its course:", *shown.told, ""]
    return "\n".join([*lines, "what is wrong with it:", *shown.problems])


def _code(what: History) -> str:
    """A history as Python."""
    setup = what.setup
    lines = ["History(", "    Setup(", f"        {setup.workers!r},", "        ("]
    lines += [f"            {builder!r}," for builder in setup.builders] + ["        ),", "        ("]
    lines += [f"            {scheduler!r}," for scheduler in setup.schedulers]
    others = ("prioritize", "polls", "latent", "hooks", "git")
    lines += ["        ),", *(f"        {name}={getattr(setup, name)!r}," for name in others), "    ),", "    ("]
    return "\n".join([*lines, *(f"        {event!r}," for event in what.events), "    ),", ")"])
