"""What is told of services that could not follow a new configuration, while all others did."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from buildmaster.base.showing import words_of


@attrs.frozen
class ServiceFailure:
    """One service that raised while it was started, stopped or reconfigured."""

    name: str
    """The service's name."""
    kind: str
    """Its class."""
    doing: str
    """What was asked of it: ``started``, ``stopped`` or ``reconfigured``."""
    cause: str
    """Type and text of what it raised."""
    outcome: str
    """How it stands now: what goes on working and what does not."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} could not be {self.doing}: {self.cause}; {self.outcome}"


class ReconfigFailed(Exception):
    """Some services could not follow a new configuration; all others did.

    ``failures`` has a :class:`ServiceFailure` for each.
    """

    def __init__(self, failures: Iterable[ServiceFailure]) -> None:
        self.failures = list(failures)
        super().__init__("\n".join(map(str, self.failures)))


def cause_of(error: BaseException) -> str:
    """Type and text of an exception, in one line."""
    return words_of(error).replace("\n", "; ")
