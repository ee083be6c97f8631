"""What the data API raises."""

from __future__ import annotations


class DataException(Exception):
    """Base of all errors of the data API."""


class InvalidPathError(DataException):
    """The path is unknown, or one of its parts is not of the documented kind."""


class InvalidOptionError(DataException):
    """An option has a value that can't be used."""


class InvalidControlException(DataException):
    """The resource knows no such action, or the action can't be done with these arguments."""


class InvalidQueryParameter(DataException):
    """A query parameter is unknown or has a value that can't be used."""


class InvalidActionException(DataException):
    """The action is known but its arguments are wrong."""


class SchedulerAlreadyClaimedError(Exception):
    """Another active master runs this scheduler."""


class ChangeSourceAlreadyClaimedError(Exception):
    """Another active master runs this change source."""
