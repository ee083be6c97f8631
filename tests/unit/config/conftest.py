"""A master directory whose configuration a test writes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.config.master import FileLoader, MasterConfig

GOOD = """\
from buildbot.plugins import schedulers, steps, util, worker
from buildbot import config
c = BuildmasterConfig = {}
c['workers'] = [worker.Worker('w', 'password')]
c['protocols'] = {'pb': {'port': 9989}}
factory = util.BuildFactory([steps.ShellCommand(command='true')])
c['builders'] = [util.BuilderConfig(name='b', workername='w', factory=factory)]
c['schedulers'] = [schedulers.ForceScheduler(name='force', builderNames=['b'])]
"""
"""A configuration without a mistake; what a test adds begins at line 9."""


class Directory:
    """A master directory with a ``master.cfg`` and other files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loader = FileLoader(str(path), "master.cfg")

    def write(self, text: str, name: str = "master.cfg") -> None:
        """Write a file."""
        (self.path / name).write_text(textwrap.dedent(text))

    def load(self, text: str | None = None) -> MasterConfig:
        """Load ``master.cfg``, first writing it if a text is given."""
        if text is not None:
            self.write(text)
        return self.loader.loadConfig()

    def load_with(self, addition: str) -> MasterConfig:
        """Load the good configuration with an addition."""
        return self.load(GOOD + textwrap.dedent(addition))

    def errors(self, text: str | None = None) -> list[str]:
        """The messages with which loading fails."""
        with pytest.raises(ConfigErrors) as raised:
            self.load(text)
        return raised.value.errors

    def errors_with(self, addition: str) -> list[str]:
        """The messages that an addition to the good configuration leads to."""
        return self.errors(GOOD + textwrap.dedent(addition))


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """An empty master directory."""
    return Directory(tmp_path)


Load = Callable[[str], MasterConfig]
