"""All that is outside of the master and outlives it: clouds, repositories, senders."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any
from unittest import mock

from buildmaster.changes import gitpoller, polling
from buildmaster.net import git_mirror
from buildmaster.worker import instance_work
from buildmaster.www.hooks import dialects
from tests.simulation.histories import Setup
from tests.simulation.instances import Cloud, watching
from tests.simulation.repository import Remote, Repository
from tests.simulation.senders import Senders

POLL_DEADLINE = 150.0
"""Seconds after which a poll that hangs is given up; it is half an hour outside of simulations."""


RECOVERY_DEADLINE = 40.0
"""Seconds after which an attempt to find an instance is given up; five minutes outside of simulations."""

_installed = functools.cache(dialects.available)
"""Reading what is installed costs as much as a start of a master, which does it each time."""


class World:
    """What one simulated master has to do with."""

    def __init__(self, setup: Setup, rows: Any) -> None:
        self._setup = setup
        self.cloud = Cloud(setup.latent)
        self.remote = Remote()
        self.repository = Repository(self.remote, rows)
        self.senders = Senders(rows)

    @contextlib.contextmanager
    def there(self) -> Iterator[None]:
        """Masters find it in its place."""
        heard = watching(self.cloud)
        try:
            with (
                mock.patch.object(gitpoller, "Mirror", self.repository.mirror),
                mock.patch.object(polling, "DEADLINE", POLL_DEADLINE),
                mock.patch.object(instance_work, "RECOVERY_DEADLINE", RECOVERY_DEADLINE),
                mock.patch.object(dialects, "available", _installed),
                mock.patch("secrets.token_hex", lambda size: "5" * 2 * size),  # chance must not matter
            ):
                yield
        finally:
            heard()

    def master_runs(self, master: Any) -> None:
        """A process of the master has started."""
        self.cloud.master_runs(master)

    def master_is_gone(self, in_order: bool) -> None:
        """It has ended."""
        self.cloud.master_is_gone(in_order)
        self.senders.cut()
        git_mirror._locks.clear()  # they were in its memory

    def heal(self) -> None:
        """All goes well from now on."""
        self.cloud.heal()
        self.remote.manner = "well"

    def unrest(self) -> list[str]:
        """What is still to come from outside."""
        waits = ["a delivery waits to be taken"] if self.senders.waits else []
        return waits + [f"commit {one} has not been polled" for one in self._missing()]

    def _missing(self) -> list[str]:
        return self.repository.missing() if self._setup.git else []

    def problems(self) -> list[str]:
        """What must never be."""
        polled = self.repository.problems() if self._setup.git else []
        return self.cloud.problems() + self.senders.problems() + polled

    def final_problems(self) -> list[str]:
        """What must not be when all has come to rest."""
        polled = self.repository.final_problems() if self._setup.git else []
        return self.cloud.problems() + self.senders.final_problems() + polled
