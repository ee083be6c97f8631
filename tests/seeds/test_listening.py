"""Text 004, "Hooking a new TCP-listening service into the BuildMaster": its two classes.

What the mail asks for as a whole is ``contrib/external_queue``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import protocol
from twisted.internet.testing import StringTransport

from buildmaster.base.results import SUCCESS
from buildmaster.plugins import schedulers
from tests.support.path import BuildPath, configuration
from tests.support.seeds import execute

REPAIRS = {  # the quotes and the bodies were lost, or never written
    "Object that sits around waiting for an incoming TCP connection to": '"""Object that sits around',
    "(possibly) starts a new build pair.": 'starts a new build pair."""',
    "# 3) if appropriate, start a build": "start_the_next()",
    "def connectionMade(self):": "def connectionMade(self): self.trigger.triggerBuild()",
    "def connectionLost(self, reason):": "def connectionLost(self, reason): pass",
}


def test_a_connection_starts_a_build(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [schedulers.Triggerable(name="t", builderNames=["b"])]))
    path.attach()

    def start_the_next() -> Any:
        return path.master.data.updates.addBuildset(waited_for=False, builderids=[1], sourcestamps=[])

    made = execute(
        "listen_build_trigger.py",
        REPAIRS,
        protocol=protocol,
        reactor=path.kit.reactor,
        start_the_next=start_the_next,
    )
    made["BuildTrigger"](9990).start()
    (factory,) = [factory for port, factory, *_ in path.kit.reactor.tcpServers if port == 9990]
    for number in (1, 2):
        factory.buildProtocol(None).makeConnection(StringTransport())
        path.kit.pump()
        assert path.builds() == [("b", each, SUCCESS) for each in range(1, number + 1)]
    path.kit.stop()
