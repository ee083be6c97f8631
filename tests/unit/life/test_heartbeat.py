"""A master's beat."""

from __future__ import annotations

from twisted.internet.task import Clock

from buildmaster.db.batch import LeaseLost
from buildmaster.life.heartbeat import BEAT_SECONDS, Heartbeat
from buildmaster.testing.sync import result_of


def beating(beat):
    clock, replaced = Clock(), []
    heart = Heartbeat(clock, beat, lambda: replaced.append(True))
    heart.startService()
    return clock, heart, replaced


def test_it_beats_every_minute_but_not_at_the_start():
    beats = []

    async def beat():
        beats.append(clock.seconds())

    clock, heart, _ = beating(beat)
    assert beats == []
    clock.pump([BEAT_SECONDS] * 3)
    assert beats == [60, 120, 180]
    result_of(heart.stopService())
    clock.advance(1000)
    assert len(beats) == 3


def test_a_beat_that_fails_is_followed_by_the_next():
    beats = []

    async def beat():
        beats.append(1)
        raise RuntimeError("the database is away")

    clock, _, replaced = beating(beat)
    clock.pump([BEAT_SECONDS] * 2)
    assert (len(beats), replaced) == (2, [])


def test_a_master_whose_place_was_taken_stops_once():
    async def beat():
        raise LeaseLost("master 1 was started elsewhere")

    clock, _, replaced = beating(beat)
    clock.pump([BEAT_SECONDS] * 3)
    assert replaced == [True]
