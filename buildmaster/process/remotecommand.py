"""Documented address: the commands that a worker runs for the master."""

from buildmaster.base.results import CANCELLED, FAILURE, SUCCESS
from buildmaster.process.command import RemoteCommand, RemoteException
from buildmaster.process.shell_command import RemoteShellCommand

LoggedRemoteCommand = RemoteCommand

__all__ = [
    "CANCELLED",
    "FAILURE",
    "SUCCESS",
    "LoggedRemoteCommand",
    "RemoteCommand",
    "RemoteException",
    "RemoteShellCommand",
]
