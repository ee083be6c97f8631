"""Services of which one in a cluster is active."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import defer, task

from buildmaster import service
from buildmaster.base.errors import ConfigErrors
from buildmaster.service import clustered
from buildmaster.testing.sync import not_fired, result_of


class Cluster(dict[str, Any]):
    """Who holds which service."""


class Single(service.ClusteredBuildbotService):
    """Active on one master, by the rows of the test's cluster."""

    def checkConfig(self, cluster, who):
        self.cluster, self.who = cluster, who
        self.said: list[str] = []
        self.trouble: dict[str, Exception] = {}

    def reconfigService(self, cluster, who):
        return defer.succeed(None)

    def _say(self, what):
        self.said.append(what)
        if what in self.trouble:
            raise self.trouble.pop(what)

    def _getServiceId(self):
        return defer.succeed(5)

    def _claimService(self):
        self._say("claim")
        return defer.succeed(self.cluster.setdefault(self.serviceid, self.who) == self.who)

    def _unclaimService(self):
        self._say("unclaim")
        del self.cluster[self.serviceid]

    def activate(self):
        self._say("activate")

    def deactivate(self):
        self._say("deactivate")


def master(clock: task.Clock) -> service.MasterService:
    made = service.MasterService()
    made.reactor = clock
    result_of(made.startService())
    return made


@pytest.fixture
def clock():
    return task.Clock()


def test_the_first_is_active_and_the_second_takes_over_when_it_stops(clock):
    cluster = Cluster()
    one, two = Single(cluster, "one", name="s"), Single(cluster, "two", name="s")
    result_of(one.setServiceParent(master(clock)))
    result_of(two.setServiceParent(master(clock)))
    assert (one.isActive(), two.isActive()) == (True, False)
    result_of(one.disownServiceParent())
    assert one.said == ["claim", "activate", "deactivate", "unclaim"]
    clock.advance(Single.POLL_INTERVAL_SEC - 1)
    assert not two.isActive()
    clock.advance(1)
    assert two.isActive()
    assert two.said == ["claim", "claim", "activate"]


def test_an_active_one_does_not_claim_again(clock):
    one = Single(Cluster(), "one", name="s")
    result_of(one.setServiceParent(master(clock)))
    clock.advance(Single.POLL_INTERVAL_SEC)
    assert one.said == ["claim", "activate"]


def test_a_claim_that_fails_is_tried_again(clock):
    one = Single(Cluster(), "one", name="s")
    one.trouble["claim"] = OSError("no database")
    result_of(one.setServiceParent(master(clock)))
    assert not one.isActive()
    clock.advance(Single.POLL_INTERVAL_SEC)
    assert one.isActive()


def test_one_that_can_not_be_activated_is_given_back(clock):
    cluster = Cluster()
    one = Single(cluster, "one", name="s")
    one.trouble["activate"] = OSError("port in use")
    result_of(one.setServiceParent(master(clock)))
    assert (one.isActive(), cluster) == (False, {})
    clock.advance(Single.POLL_INTERVAL_SEC)
    assert one.isActive()


def test_stopping_waits_for_an_activation_under_way(clock):
    class Slow(Single):
        def activate(self):
            self._say("activate")
            self.activated = defer.Deferred()
            return self.activated

    one = Slow(Cluster(), "one", name="s")
    root = master(clock)
    starting = one.setServiceParent(root)
    assert not_fired(starting)
    stopping = root.stopService()
    assert not_fired(stopping)
    one.activated.callback(None)
    result_of(stopping)
    assert one.said == ["claim", "activate", "deactivate", "unclaim"]
    assert clock.getDelayedCalls() == []


def test_a_class_that_does_not_say_who_decides_is_a_mistake():
    class Undecided(service.ClusteredBuildbotService):
        pass

    with pytest.raises(ConfigErrors, match="must define _getServiceId, _claimService, _unclaimService"):
        Undecided(name="u")


def test_one_that_cannot_be_activated_again_after_a_pause_is_offered_soon(clock):
    one = Single(Cluster(), "one", name="s")
    result_of(one.setServiceParent(master(clock)))
    one.said.clear()
    one.trouble = {"activate": ValueError("the database is away")}
    result_of(defer.Deferred.fromCoroutine(one.resume()))
    assert not one.isActive()
    assert one.said == ["activate", "deactivate", "unclaim"]
    clock.advance(clustered.SOON_SECONDS)
    assert one.isActive()
    assert one.said[3:] == ["claim", "activate"]


def test_one_that_is_stopped_is_not_offered_any_more(clock):
    one = Single(Cluster(), "one", name="s")
    result_of(one.setServiceParent(master(clock)))
    one.trouble = {"activate": ValueError("the database is away"), "deactivate": ValueError("and this")}
    result_of(defer.Deferred.fromCoroutine(one.resume()))
    result_of(one.disownServiceParent())
    assert clock.getDelayedCalls() == []
