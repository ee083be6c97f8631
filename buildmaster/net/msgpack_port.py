"""The ports on which workers speak MessagePack over WebSocket.

They are opened, shared, held back and closed as those of Perspective Broker are; only what happens on a connection
differs.  The libraries are imported when the first port is asked for.
"""

from __future__ import annotations

from typing import Any

from buildmaster.net import pb


class Listener(pb.Listener):
    """One open port and its names."""

    kind = "MessagePack port"

    def make_factory(self) -> Any:
        """What makes a protocol of each connection."""
        from buildmaster.net.msgpack import ServerFactory

        return ServerFactory(self.door, self._reactor, lambda: self._gate.held)


class MsgManager(pb.PBManager):
    """Opens MessagePack ports when somebody registers a name on them, closes them when nobody does any more."""

    name = "msgmanager"
    listener_class = Listener
