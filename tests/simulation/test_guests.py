"""What is demanded of web hooks, patches, polled repositories and latent workers: that is noticed when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from buildmaster.worker.instance_record import InstanceRecord
from buildmaster.worker.instance_work import Instance
from tests.simulation import histories as h
from tests.simulation.damage import problems_with
from tests.simulation.faults import Directory, fast_directory, listening
from tests.simulation.play import Play

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def directory():
    with fast_directory() as path:
        yield Directory(path)


def setup(worker: str = "w1", **more: Any) -> h.Setup:
    schedulers = (
        h.SchedulerSpec("force", "force", ("b1",)),
        h.SchedulerSpec("try", "try", ("b1",)),
        h.SchedulerSpec("n", "nightly", ("b1",)),
    )
    return h.Setup((("w1", 1),), (h.BuilderSpec("b1", (worker,), ("shell",)),), schedulers, **more)


def latent(**more: Any) -> h.Setup:
    spec = attrs.evolve(h.LatentSpec("l1", 1, 20, ("well",), ("well",)), **more)
    return setup("l1", latent=(spec,))


HOOKS = h.History(
    setup(hooks=True),
    (
        h.Hook(1.0, "github", "d1", ("h1", "h2"), "main", "code.c"),
        h.Hook(1.0, "base", "d2", ("h3",), "main", "code.c"),
        h.Trouble(1.0, "broken", 1),
        h.Hook(0.0, "github", "d3", ("h4", "h5"), "main", "code.c"),
    ),
)
PATCHES = h.History(setup(), (h.Try(1.0, "try", "try1", ()), h.Try(1.0, "try", "try2", ("b1",))))
GIT = h.History(
    setup(git=True),
    (
        h.GitPush(100.0, "main", 2, "push"),
        h.GitPush(100.0, "dev", 2, "push"),
        h.Remote(1.0, "hangs"),
        h.GitPush(100.0, "main", 1, "merge"),
    ),
)
NIGHTLY = h.History(setup(), (h.Remote(650.0, "well"),))
LATENT = h.History(latent(), (h.Force(1.0, "force", "f1", 0), h.Force(1.0, "force", "f2", 0)))
KILLED = h.History(latent(), (h.Force(1.0, "force", "f1", 0), h.Kill(1.0, 0, 5.0)))
ADOPTED = h.History(latent(recovers=True), KILLED.events)


@pytest.mark.parametrize(
    ("history", "damage", "told"),
    [
        (HOOKS, "", ""),
        (HOOKS, "DELETE FROM changes WHERE revision = 'h3'", "d2 was taken, but h3 is stored 0 times"),
        (HOOKS, "UPDATE changes SET revision = 'h4' WHERE revision = 'h1'", "d1 was taken, but h1 is stored 0 times"),
        (PATCHES, "", ""),
        (PATCHES, "UPDATE buildsets SET reason = 'x' WHERE reason LIKE '% try1'", "try1 has 0 buildsets, acknowledged"),
        (PATCHES, "UPDATE patches SET body = 'other'", "the patch of try1 is 'other'"),
        (GIT, "", ""),
        (GIT, "UPDATE changes SET revision = 'x' WHERE revision LIKE '%2'", "it does not come to rest"),
        (GIT, f"UPDATE changes SET revision = '{2:040x}'", f"commit {2:040x} has become 2 changes"),
        (NIGHTLY, "", ""),
        (NIGHTLY, "UPDATE scheduler_firings SET fire_time = fire_time + 1", "n has fired at"),
        (LATENT, "", ""),
        (KILLED, "", ""),
        (ADOPTED, "", ""),
    ],
)
def test_damage_is_noticed(history: h.History, damage: str, told: str, directory: Directory) -> None:
    found = problems_with(history, directory, damage)
    assert bool(found) == bool(told), found
    assert not told or any(problem.startswith(told) for problem in found), found


def test_the_database_fails_while_a_hook_posts(directory: Directory) -> None:
    """The sender is told, and posts again."""
    with directory.fresh() as basedir:
        made = Play(HOOKS, basedir)
        with listening(made.faults), made.world.there():
            assert made.run().problems == []
        assert [delivery.posts for delivery in made.world.senders.deliveries] == [1, 1, 2]


@pytest.mark.parametrize("branch", ["main", "dev"])
def test_a_branch_is_rewritten_between_two_questions_to_the_server(branch: str, directory: Directory) -> None:
    """Its history, told already, is not told again."""
    events = (
        h.GitPush(100.0, branch, 2, "push"),
        h.Remote(30.0, "slow"),
        h.GitPush(25.0, branch, 1, "push"),
        h.GitPush(10.0, branch, 1, "rewrite"),
        h.GitPush(100.0, "main", 1, "push"),
    )
    assert problems_with(h.History(setup(git=True), events), directory) == []


@pytest.mark.parametrize("how", ["late", "raises_first", "hangs_first"])
def test_a_latent_worker_does_not_say_what_it_suits(how: str, directory: Directory) -> None:
    """A class whose isCompatibleWithBuild is late, raises or never answers holds its builders up, not for good."""
    assert problems_with(attrs.evolve(LATENT, setup=latent(choosy=how)), directory) == []


@pytest.mark.parametrize("how", ["slow", "raises_first", "hangs_first"])
def test_locks_that_are_rendered_do_not_come(how: str, directory: Directory) -> None:
    """Rendering the locks of a builder holds it up as long as any callback may, not for good."""
    plain = setup()
    builder = attrs.evolve(plain.builders[0], locks=f"exclusive {how}")
    forces = (h.Attach(1.0, "w1", "well"), h.Force(1.0, "force", "f1", 0), h.Force(1.0, "force", "f2", 0))
    assert problems_with(h.History(attrs.evolve(plain, builders=(builder,)), forces), directory) == []


@pytest.mark.parametrize("how", ["raises_first", "hangs_first"])
@pytest.mark.parametrize(("kind", "timer"), [("any", None), ("any", 30.0), ("periodic", None), ("nightly", None)])
def test_a_priority_is_not_told(kind: str, timer: float | None, how: str, directory: Directory) -> None:
    """What a scheduler owes is built, if not in its place."""
    spec = h.SchedulerSpec("s", kind, ("b1",), timer, priority=how)
    made = attrs.evolve(setup(), schedulers=(h.SchedulerSpec("force", "force", ("b1",)), spec))
    pushes = (h.Push(5.0, f"r{n}", "main", ("code.c",)) for n in range(3))
    events = (h.Attach(1.0, "w1", "well"), *pushes, h.Behave(310.0 if timer is None else 100.0, "w1", "well"))
    assert problems_with(h.History(made, events), directory) == []


def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    async def load(self: InstanceRecord) -> None:
        return None

    monkeypatch.setattr(InstanceRecord, "load", load)


def _twice(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Instance._stop

    async def again(self: Instance, inputs: Any) -> None:
        await self._worker.stop_instance(self._fast)
        await stop(self, inputs)

    monkeypatch.setattr(Instance, "_stop", again)


def _never(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stop(self: Instance, inputs: Any) -> None:
        await self._forget(inputs)

    monkeypatch.setattr(Instance, "_stop", stop)


@pytest.mark.parametrize(
    ("history", "wrong", "told"),
    [
        (KILLED, _forgetful, "instances of l1 still run, 0 were reported"),
        (ADOPTED, _forgetful, "instances of l1 still run, 0 were reported"),
        (LATENT, _twice, "an instance of l1 is stopped 2 times"),
        (LATENT, _never, "an instance of l1 was started and not stopped"),
    ],
)
def test_wrong_pairs_are_noticed(
    history: h.History,
    wrong: Callable[[pytest.MonkeyPatch], None],
    told: str,
    directory: Directory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong(monkeypatch)
    found = problems_with(history, directory)
    assert any(told in problem for problem in found), found
