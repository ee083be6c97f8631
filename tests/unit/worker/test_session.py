"""The moves of a worker's session."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer

from buildmaster.worker.session import ABSENT, ATTACHING, LEAVING, PRESENT, SESSION_MOVES, Session


class Line:
    """A connection: who asked is told when it is lost."""

    def __init__(self) -> None:
        self.callbacks: list[Any] = []
        self.dropped = 0

    def notifyOnDisconnect(self, callback: Any) -> None:
        self.callbacks.append(callback)

    def loseConnection(self) -> None:
        self.dropped += 1
        for callback in self.callbacks:
            callback()


class Story:
    """A session whose steps end when they are told to."""

    def __init__(self) -> None:
        self.attach: defer.Deferred[Any] = defer.Deferred()
        self.detach: defer.Deferred[Any] = defer.Deferred()
        self.done: list[str] = []
        self.session = Session("w", self._attach, self._attached, self._detach)
        self.line = Line()

    async def _attach(self, conn: Any) -> None:
        self.done.append("attach")
        await self.attach

    async def _attached(self, conn: Any) -> None:
        self.done.append("attached")

    async def _detach(self, conn: Any) -> None:
        self.done.append("detach")
        await self.detach


def test_a_worker_comes_and_goes() -> None:
    story = Story()
    story.session.arrive(story.line)
    assert story.session.state == ATTACHING
    story.attach.callback(None)
    assert story.session.state == PRESENT
    over = story.session.over()
    story.line.loseConnection()
    assert story.session.state == LEAVING
    assert not over.called
    story.detach.callback(None)
    assert story.session.state == ABSENT
    assert over.called
    assert story.done == ["attach", "attached", "detach"]


def test_a_worker_that_can_not_be_attached_is_dropped_and_cleared_away() -> None:
    story = Story()
    story.session.arrive(story.line)
    story.attach.errback(ValueError("lies"))
    assert story.line.dropped == 1
    story.detach.callback(None)
    assert story.session.state == ABSENT
    assert story.done == ["attach", "detach"]


def test_a_worker_may_be_lost_while_it_is_attached() -> None:
    story = Story()
    story.session.arrive(story.line)
    story.line.loseConnection()
    story.attach.callback(None)
    assert story.session.state == LEAVING
    story.detach.callback(None)
    assert story.session.state == ABSENT
    assert story.done == ["attach", "detach"]


def test_what_a_session_that_is_over_still_says_is_not_heard() -> None:
    story = Story()
    story.session.arrive(story.line)
    story.line.loseConnection()
    story.detach.callback(None)
    story.attach.callback(None)
    assert story.session.state == ABSENT


def test_trouble_in_clearing_away_does_not_keep_the_next_from_coming() -> None:
    story = Story()
    story.session.arrive(story.line)
    story.attach.callback(None)
    story.line.loseConnection()
    story.detach.errback(ValueError("trouble"))
    assert story.session.state == ABSENT


def test_every_state_can_be_reached_and_left() -> None:
    states = {ABSENT, ATTACHING, PRESENT, LEAVING}
    assert {move[0] for move in SESSION_MOVES} == states
    assert {move[2] for move in SESSION_MOVES} == states
    assert len({move[:2] for move in SESSION_MOVES}) == len(SESSION_MOVES)
