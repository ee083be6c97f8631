"""The documented base class of what a peer gets that has logged in by Perspective Broker."""

from __future__ import annotations

from typing import Any

from twisted.spread import pb


class NewCredPerspective(pb.Avatar):
    """Methods ``perspective_NAME`` of subclasses can be called by the peer.

    An object of it is what the ``pfactory`` of ``master.pbmanager.register(port, username, password, pfactory)``
    returns.
    """

    def attached(self, mind: Any) -> NewCredPerspective:
        """The peer has logged in; ``mind`` is its side, a remote reference or None.  Returns who serves it: itself."""
        return self

    def detached(self, mind: Any) -> None:
        """The connection has ended."""
