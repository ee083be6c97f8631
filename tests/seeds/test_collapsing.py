"""Text 002, "Collapse Request Functions": which of two waiting requests is superfluous, on a whole master in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer, task

from buildmaster.base.results import SKIPPED, SUCCESS
from buildmaster.plugins import schedulers
from buildmaster.process import buildrequest
from tests.support.path import BuildPath, configuration
from tests.support.seeds import execute

GONE, BUILT, WAITS = SKIPPED, SUCCESS, -1


def example(name: str, **names: Any) -> Callable[..., Any]:
    """The function that an example configures."""
    c: dict[str, Any] = {}
    execute(name, c=c, defer=defer, buildrequest=buildrequest, **names)
    return c["collapseRequests"]


class Queue(BuildPath):
    """Requests of the builder ``b``, whose worker is not there yet."""

    def __init__(self, path: Path, collapse: Any, own: Any = None) -> None:
        super().__init__(
            path,
            configuration(
                lambda: [schedulers.Triggerable(name="t", builderNames=["b"])],
                builder_options={"collapseRequests": own},
                collapseRequests=collapse,
            ),
        )

    def ask(self, branch: str = "main", reason: str = "r", parent: int | None = None) -> int:
        """Ask for a build; the request's id."""
        stamp = {"codebase": "", "repository": "repo", "project": "", "branch": branch, "revision": None}
        _, requests = self.kit.call(
            self.master.data.updates.addBuildset,
            waited_for=False,
            builderids=[1],
            sourcestamps=[stamp],
            reason=reason,
            parent_buildid=parent,
            parent_relationship=None if parent is None else "Triggered from",
        )
        return requests[1]

    def outcome(self) -> list[int]:
        """What has become of each request."""
        self.kit.pump()
        return [results for _, results in self.requests()]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Callable[..., Queue]]:
    made: list[Queue] = []

    def make(collapse: Any, own: Any = None) -> Queue:
        made.append(Queue(tmp_path, collapse, own))
        return made[0]

    yield make
    for each in made:
        each.kit.stop()


def test_requests_of_one_branch_are_merged(queue):
    it = queue(example("collapse_by_branch.py"))
    for branch in ("main", "release", "main"):
        it.ask(branch)
    assert it.outcome() == [GONE, WAITS, WAITS]
    it.attach()
    assert it.outcome() == [GONE, BUILT, BUILT]


def test_requests_of_one_reason_are_merged_if_their_sources_can_be(queue):
    it = queue(example("collapse_by_reason.py"))
    for branch, reason in (("main", "a"), ("main", "b"), ("release", "b"), ("main", "b")):
        it.ask(branch, reason)
    assert it.outcome() == [WAITS, GONE, WAITS, WAITS]


def test_requests_of_a_trigger_are_told_by_their_parent(queue):
    """Merged are those of which both come from a build."""
    it = queue(example("collapse_by_parent.py"))
    it.ask(), it.ask()
    it.attach().drop()
    assert it.outcome() == [BUILT, BUILT]
    for parent in (1, None, 1, 2):
        it.ask(parent=parent)
    assert it.outcome()[2:] == [GONE, WAITS, GONE, WAITS]


def test_an_answer_may_take_its_time(queue):
    asked: list[int] = []

    def info(request: Any) -> defer.Deferred[Any]:
        asked.append(request["buildrequestid"])
        return task.deferLater(it.kit.reactor, 10, lambda: request.reason)

    it = queue(example("collapse_by_deferred.py", getMergeInfo=info))
    it.ask(reason="a"), it.ask(reason="a")
    assert it.outcome() == [WAITS, WAITS]
    assert asked == [2, 1]
    it.kit.advance(10)
    assert it.outcome() == [GONE, WAITS]


@pytest.mark.parametrize(
    ("general", "own", "merged"),
    [
        (None, None, True),
        (True, None, True),
        (False, None, False),
        (False, True, True),
        (True, False, False),
        (lambda *args: False, None, False),
        (False, lambda *args: True, True),
        (True, lambda *args: False, False),
    ],
)
def test_true_false_and_functions_for_all_builders_and_for_one(queue, general, own, merged):
    it = queue(general, own)
    it.ask(), it.ask()
    assert it.outcome() == [GONE if merged else WAITS, WAITS]


def test_a_coroutine_may_answer(queue):
    it = queue(example("collapse_by_coroutine.py"))
    for branch in ("main", "release", "main"):
        it.ask(branch)
    assert it.outcome() == [GONE, WAITS, WAITS]


def test_only_requests_that_nobody_has_claimed_are_asked_about(queue):
    asked: list[tuple[int, int]] = []

    def note(master: Any, builder: Any, req1: Any, req2: Any) -> bool:
        asked.append((req1["buildrequestid"], req2["buildrequestid"]))
        return False

    it = queue(note)
    it.ask()
    it.attach().drop()
    it.ask(), it.ask()
    assert it.outcome() == [BUILT, WAITS, WAITS]
    assert asked == [(3, 2)]
