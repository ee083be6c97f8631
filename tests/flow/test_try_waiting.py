"""What a try client hears of its builds: requests without a build, builds with steps, and its own going away."""

from __future__ import annotations

import pytest
from twisted.internet import defer
from twisted.spread import pb

from buildmaster.base.results import CANCELLED, SUCCESS
from buildmaster.config.builder import BuilderConfig
from buildmaster.net.pbtry import TryPerspective, TryRefused
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.trysched import Try_Userpass
from buildmaster.steps.shell import ShellCommand
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import ScriptedWorker
from buildmaster.worker.base import Worker


class Client:
    """The other end of a connection: keeps what it is called with."""

    def __init__(self):
        self.heard = []
        self.gone = []

    def callRemote(self, name, *args):
        self.heard.append((name, *args))
        return defer.succeed(None)

    def notifyOnDisconnect(self, callback):
        self.gone.append(callback)

    def dontNotifyOnDisconnect(self, callback):
        self.gone.remove(callback)

    def told(self):
        """The calls, without the objects that came with them."""
        return [tuple(part for part in call if not isinstance(part, pb.Referenceable)) for call in self.heard]


@pytest.fixture
def kit(tmp_path):
    def config():
        return {
            "protocols": {"pb": {"port": "tcp:0"}},
            "workers": [Worker("w", "secret")],
            "builders": [
                BuilderConfig(name="a", workernames=["w"], factory=BuildFactory([ShellCommand(command="x", name="s")]))
            ],
            "schedulers": [Try_Userpass(name="try", builderNames=["a"], port="tcp:0", userpass=[("ann", "pw")])],
        }

    running = MemoryMaster(tmp_path, config).start()
    yield running
    running.stop()


def perspective(kit):
    (scheduler,) = [one for one in kit.master.scheduler_manager if one.name == "try"]
    return TryPerspective(scheduler, "ann")


def job(kit, builders=(), **properties):
    """Hand in a job; its first request."""
    call = perspective(kit).perspective_try
    status = kit.call(call, b"main", None, (1, "diff"), "", "", list(builders), "", "", properties)
    ((name, request),) = kit.call(status.remote_getBuildRequests)
    assert name == "a"
    return request


def test_builds_and_their_steps_are_told(kit):
    request = job(kit)
    client = Client()
    kit.call(request.remote_subscribe, client)
    assert client.heard == []
    held = defer.Deferred()

    async def script(command):
        await held
        command.rc(0)

    worker = ScriptedWorker(kit.master, "w", script)
    kit.wait_for(worker.connect())
    kit.pump()
    ((name, build, builder),) = client.heard
    assert (name, builder) == ("newbuild", "a")
    follower = Client()
    kit.call(build.remote_subscribe, follower, 5)
    ended = build.remote_waitUntilFinished()
    kit.pump()
    assert not ended.called
    held.callback(None)
    kit.advance(10)
    assert ended.called
    assert ("stepFinished", "a", "s", None, SUCCESS) in follower.told()
    assert kit.call(build.remote_getResults) == SUCCESS
    assert kit.call(build.remote_getText) == ["build successful"]
    assert (client.gone, follower.gone) == ([], [])


def test_a_request_that_is_cancelled_is_told_as_a_build_that_has_ended(kit):
    request = job(kit)
    client = Client()
    kit.call(request.remote_subscribe, client)
    kit.call(kit.master.data.control, "cancel", {"reason": "no more"}, ("buildrequests", request.brid))
    kit.pump()
    ((name, build, builder),) = client.heard
    assert (name, builder, build.remote_waitUntilFinished()) == ("newbuild", "a", build)
    assert build.remote_getResults() == CANCELLED
    late = Client()
    kit.call(request.remote_subscribe, late)
    assert [call[0] for call in late.heard] == ["newbuild"]


def test_who_has_gone_is_not_called_any_more(kit):
    request = job(kit)
    gone, unsubscribed = Client(), Client()
    for client in (gone, unsubscribed):
        kit.call(request.remote_subscribe, client)
    gone.gone[0](gone)
    request.remote_unsubscribe(unsubscribed)
    kit.call(kit.master.data.control, "cancel", {}, ("buildrequests", request.brid))
    kit.pump()
    assert (gone.heard, unsubscribed.heard) == ([], [])


def test_a_job_that_cannot_be_built_is_refused(kit):
    with pytest.raises(TryRefused, match="try does not build on b; it builds on a"):
        job(kit, ["b"])
    with pytest.raises(TryRefused, match=r"a patch must be a pair \(level, difference\)"):
        kit.call(perspective(kit).perspective_try, None, None, "diff", "", "", [])
    assert kit.call(perspective(kit).perspective_getAvailableBuilderNames) == ["a"]
    (scheduler,) = kit.get("schedulers")
    kit.call(kit.master.data.control, "enable", {"enabled": False}, ("schedulers", scheduler["schedulerid"]))
    with pytest.raises(TryRefused, match="the scheduler try is switched off"):
        job(kit)
