"""Services in a tree: asynchronous starts and stops, shared services, priorities."""

from __future__ import annotations

import pytest
from twisted.internet import defer

from buildmaster import service
from buildmaster.testing.sync import failure_of, not_fired, result_of


class Slow(service.AsyncMultiService):
    """Starts and stops when the test says so."""

    def __init__(self, name: str, said: list[str] | None = None) -> None:
        super().__init__()
        self.setName(name)
        self.said = said if said is not None else []
        self.up: defer.Deferred[None] = defer.Deferred()
        self.down: defer.Deferred[None] = defer.Deferred()

    @defer.inlineCallbacks
    def startService(self):
        self.said.append(f"start {self.name}")
        yield self.up
        yield super().startService()

    @defer.inlineCallbacks
    def stopService(self):
        self.said.append(f"stop {self.name}")
        yield self.down
        yield super().stopService()


def running_master() -> service.MasterService:
    master = service.MasterService()
    result_of(master.startService())
    return master


def test_a_parent_has_started_when_its_children_have():
    parent = service.AsyncMultiService()
    child = Slow("child")
    result_of(child.setServiceParent(parent))
    started = parent.startService()
    assert not_fired(started)
    child.up.callback(None)
    assert result_of(started) is None
    assert child.running


def test_a_child_of_a_running_parent_starts_before_it_has_its_parent():
    parent = running_master()
    child = Slow("child")
    attached = child.setServiceParent(parent)
    assert not_fired(attached)
    child.up.callback(None)
    result_of(attached)
    assert child.running
    assert child.master is parent


def test_a_child_that_leaves_is_waited_for():
    parent = running_master()
    child = Slow("child")
    child.up.callback(None)
    result_of(child.setServiceParent(parent))
    left = child.disownServiceParent()
    assert not_fired(left)
    child.down.callback(None)
    result_of(left)
    assert list(parent) == []
    assert child.master is None


def test_an_error_in_stopping_is_raised_after_the_others_have_stopped():
    parent = running_master()
    children = [Slow("one"), Slow("two")]
    for child in children:
        child.up.callback(None)
        result_of(child.setServiceParent(parent))
    children[1].down.errback(OSError("stuck"))
    stopped = parent.stopService()
    assert not_fired(stopped)
    children[0].down.callback(None)
    assert str(failure_of(stopped, OSError)) == "stuck"
    assert not children[0].running


def test_two_children_of_one_name_are_refused():
    parent = service.AsyncMultiService()
    result_of(Slow("same").setServiceParent(parent))
    with pytest.raises(RuntimeError, match="cannot have two services with same name 'same'"):
        result_of(Slow("same").setServiceParent(parent))


class Shared(service.SharedService):
    """Counts how often it is made."""

    made: list[tuple[object, ...]] = []

    def __init__(self, *args: object) -> None:
        super().__init__()
        self.made.append(args)
        self.up: defer.Deferred[None] = defer.Deferred()

    @defer.inlineCallbacks
    def startService(self):
        yield self.up
        yield super().startService()


@pytest.fixture(autouse=True)
def _nothing_made():
    Shared.made = []


def test_a_shared_service_is_made_once_for_equal_arguments():
    master = running_master()
    first = Shared.getService(master, "a")
    second = Shared.getService(master, "a")
    assert not_fired(second)
    next(iter(master)).up.callback(None)
    assert result_of(first) is result_of(second)
    result_of(Shared.getService(master, "a"))
    assert not_fired(Shared.getService(master, "b"))
    assert Shared.made == [("a",), ("b",)]


def test_a_shared_service_that_fails_to_start_is_tried_again():
    master = running_master()
    first, second = Shared.getService(master), Shared.getService(master)
    next(iter(master)).up.errback(OSError("refused"))
    assert str(failure_of(first)) == str(failure_of(second)) == "refused"
    assert list(master) == []
    again = Shared.getService(master)
    next(iter(master)).up.callback(None)
    assert result_of(again).running


def test_a_shared_service_is_stopped_after_those_that_use_it():
    master = running_master()
    said: list[str] = []
    user = Slow("user", said)
    user.up.callback(None)
    result_of(user.setServiceParent(master))
    got = Shared.getService(master)
    next(iter(master)).up.callback(None)
    shared = result_of(got)
    stopped = master.stopService()
    assert shared.running
    user.down.callback(None)
    result_of(stopped)
    assert not shared.running


def test_an_independent_service_has_the_master_it_is_told():
    root = service.IndependentAsyncMultiService()
    child = Slow("child")
    result_of(child.setServiceParent(root))
    root.set_master("the master")
    assert child.master == "the master"


class Follower(service.ReconfigurableServiceMixin, service.AsyncMultiService):
    """Notes when it is told of a configuration."""

    def __init__(self, name: str, priority: int, said: list[str], error: Exception | None = None) -> None:
        super().__init__()
        self.setName(name)
        self.reconfig_priority = priority
        self.said = said
        self.error = error

    @defer.inlineCallbacks
    def reconfigServiceWithBuildbotConfig(self, new_config):
        self.said.append(f"{self.name} {new_config}")
        yield super().reconfigServiceWithBuildbotConfig(new_config)
        if self.error is not None:
            raise self.error


class Root(service.ReconfigurableServiceMixin, service.MasterService):
    """A master that follows configurations."""


def test_services_follow_a_configuration_by_falling_priority():
    root, said = Root(), []
    for name, priority in (("low", 1), ("high", 500), ("middle", 128)):
        result_of(Follower(name, priority, said).setServiceParent(root))
    result_of(root.reconfigServiceWithBuildbotConfig("new"))
    assert said == ["high new", "middle new", "low new"]


def test_one_that_raises_does_not_keep_the_others_from_being_told():
    root, said = Root(), []
    result_of(Follower("bad", 500, said, ValueError("no such host")).setServiceParent(root))
    result_of(Follower("good", 1, said).setServiceParent(root))
    failed = failure_of(root.reconfigServiceWithBuildbotConfig("new"), service.ReconfigFailed)
    assert said == ["bad new", "good new"]
    assert [(one.name, one.cause) for one in failed.failures] == [("bad", "ValueError: no such host")]


def test_the_master_finds_the_users_services_by_name():
    master = running_master()
    manager = service.BuildbotServiceManager()
    result_of(manager.setServiceParent(master))
    mine = Slow("mine")
    mine.up.callback(None)
    result_of(mine.setServiceParent(manager))
    assert master.namedServices["mine"] is mine
    assert master.namedServices["services"].namedServices["mine"] is mine
    assert master.namedServices.get("other") is None
    with pytest.raises(KeyError):
        master.namedServices["other"]
