"""The errors by which Perspective Broker says that the other side is gone."""

from twisted.internet import error
from twisted.spread import pb

LOST: tuple[type[Exception], ...] = (
    error.ConnectionLost,
    error.ConnectionDone,
    error.ConnectionAborted,
    pb.PBConnectionLost,
    pb.DeadReferenceError,
)
