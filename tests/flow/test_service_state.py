"""What a user's service keeps over a restart of the master."""

from __future__ import annotations

import pytest
from twisted.internet import defer

from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.testing.master import MemoryMaster
from buildmaster.util import service, state


class Counter(service.BuildbotService, state.StateMixin):
    """Counts the masters that it has seen."""

    @defer.inlineCallbacks
    def startService(self):
        yield super().startService()
        self.seen = yield self.getState("seen", 0)
        yield self.setState("seen", self.seen + 1)


def configuration():
    return {
        "workers": [worker.Worker("w", "password")],
        "builders": [
            util.BuilderConfig(
                name="b", workernames=["w"], factory=util.BuildFactory([steps.ShellCommand(command="x")])
            )
        ],
        "schedulers": [schedulers.ForceScheduler(name="f", builderNames=["b"])],
        "protocols": {"pb": {"port": "tcp:9989:interface=127.0.0.1"}},
        "services": [Counter(name="one"), Counter(name="other")],
    }


def test_a_service_finds_what_it_kept(tmp_path):
    seen = []
    now = None
    for _ in range(3):
        kit = MemoryMaster(tmp_path, configuration, **({} if now is None else {"now": now})).start()
        one = kit.master.namedServices["one"]
        seen.append(one.seen)
        now = kit.reactor.seconds()
        kit.stop()
    assert seen == [0, 1, 2]


def test_a_value_that_is_not_there(tmp_path):
    kit = MemoryMaster(tmp_path, configuration).start()
    one, other = kit.master.namedServices["one"], kit.master.namedServices["other"]
    assert one.objectid != other.objectid
    with pytest.raises(KeyError):
        kit.wait_for(one.getState("nonesuch"))
    assert kit.wait_for(one.getState("nonesuch", default="d")) == "d"
    with pytest.raises(TypeError):
        kit.wait_for(one.setState("bad", object()))
    kit.stop()
