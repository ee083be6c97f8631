"""A whole master switches from one configuration file to the next: what is touched and what is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildmaster.life.loading import config_loader
from buildmaster.testing.master import MemoryMaster

CONFIG = """\
from buildbot.plugins import changes, schedulers, steps, util, worker
from buildbot.util import service
import rules

c = BuildmasterConfig = {}
c['workers'] = [worker.Worker('w', 'password')]
c['protocols'] = {'pb': {'port': 'tcp:9989:interface=127.0.0.1'}}
factory = util.BuildFactory([steps.ShellCommand(command=['true'])])
c['builders'] = [util.BuilderConfig(name='b', workername='w', factory=factory)]
c['schedulers'] = [
    schedulers.AnyBranchScheduler(name='all', builderNames=['b'], fileIsImportant=lambda change: rules.matters(change))
]

class Noting(service.BuildbotService):
    def reconfigService(self, what):
        rules.noted().append(f'{self.name} takes {what}')
        if what == 'poison':
            raise ValueError('poison')
        self.what = what
    def startService(self):
        rules.noted().append(f'{self.name} starts')
        return super().startService()
    def stopService(self):
        rules.noted().append(f'{self.name} stops')
        return super().stopService()

c['services'] = [Noting('water', name='one'), Noting('bread', name='two')]
"""

RULES = """\
import builtins

def matters(change):
    return True

def noted():
    return builtins.noted_by_test
"""


class Kit(MemoryMaster):
    """A master that reads a real configuration file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, {})
        self.path = path
        self.master.config_loader = config_loader(str(path), "master.cfg")

    def write(self, config: str = CONFIG, rules: str = RULES) -> None:
        """Change the files."""
        (self.path / "master.cfg").write_text(config)
        (self.path / "rules.py").write_text(rules)

    def reconfig(self, config: str = CONFIG, rules: str = RULES) -> Any:
        """Change the files and let the master follow; the outcome."""
        self.write(config, rules)
        return self.wait_for(self.master.reconfig())

    @property
    def fresh(self) -> list[str]:
        """What services noted since the last time."""
        import builtins

        noted = list(builtins.noted_by_test)  # type: ignore[attr-defined]
        builtins.noted_by_test.clear()  # type: ignore[attr-defined]
        return noted


@pytest.fixture
def kit(tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.noted_by_test", [], raising=False)
    made = Kit(tmp_path)
    made.write()
    yield made.start()
    if made.master.running:
        made.stop()


def test_a_start_configures_and_starts_everything_once(kit):
    assert sorted(kit.fresh) == ["one starts", "one takes water", "two starts", "two takes bread"]
    assert kit.master.config.generation == 1


def test_the_same_configuration_again_touches_nothing(kit):
    before = [*kit.master.service_manager, *kit.master.scheduler_manager, *kit.master.workers]
    assert kit.fresh
    outcome = kit.reconfig("# a comment\n\n" + CONFIG)
    assert (outcome.ok, kit.master.config.generation) == (True, 2)
    assert kit.fresh == []
    assert [*kit.master.service_manager, *kit.master.scheduler_manager, *kit.master.workers] == before


def test_descriptions_always_come_from_the_new_configuration(kit):
    old = kit.master.config.builders[0].factory
    kit.reconfig()
    assert kit.master.config.builders[0].factory is not old
    builder = kit.master.botmaster.builders["b"]
    assert builder.config is kit.master.config.builders[0]


def test_changed_arguments_are_taken_over_in_place(kit):
    one = kit.master.namedServices["one"]
    assert kit.fresh
    assert kit.reconfig(CONFIG.replace("'water'", "'wine'")).ok
    assert kit.fresh == ["one takes wine"]
    assert kit.master.namedServices["one"] is one


def test_a_changed_class_replaces_its_services(kit):
    one = kit.master.namedServices["one"]
    assert kit.fresh
    assert kit.reconfig(CONFIG.replace("self.what = what", "self.what = what + '!'")).ok
    assert sorted(kit.fresh) == [
        "one starts",
        "one stops",
        "one takes water",
        "two starts",
        "two stops",
        "two takes bread",
    ]
    assert kit.master.namedServices["one"] is not one
    assert kit.master.namedServices["one"].what == "water!"


def test_a_changed_rule_in_a_local_module_changes_the_scheduler_that_uses_it(kit):
    scheduler = kit.master.scheduler_manager.namedServices["all"]
    assert scheduler.fileIsImportant(None) is True
    assert kit.reconfig(rules=RULES.replace("return True", "return False")).ok
    assert kit.master.scheduler_manager.namedServices["all"].fileIsImportant(None) is False


def test_a_service_that_raises_goes_on_with_its_old_configuration_and_the_others_follow(kit):
    assert kit.fresh
    outcome = kit.reconfig(CONFIG.replace("'water'", "'poison'").replace("'bread'", "'cake'"))
    assert not outcome.ok
    assert outcome.lines == (
        "Configuration 2 is in force, except for:",
        "  Noting 'one' could not be reconfigured: ValueError: poison; it goes on with its old configuration",
    )
    assert sorted(kit.fresh) == ["one takes poison", "one takes water", "two takes cake"]
    assert kit.reconfig(CONFIG.replace("'water'", "'tea'")).ok
    assert sorted(kit.fresh) == ["one takes tea", "two takes bread"]


def test_a_mistake_leaves_everything_as_it_was(kit):
    assert kit.fresh
    outcome = kit.reconfig(CONFIG.replace("'water'", "'wine'") + "c['colour'] = 'red'\nc['title'] = 5\n")
    assert not outcome.ok
    assert outcome.lines == (
        "The old configuration stays in force.",
        "The configuration has errors:",
        "  master.cfg:28: Unknown BuildmasterConfig key colour; delete it, or keep the value in a variable of its own",
        "  master.cfg:29: c['title'] must be a string, not 5",
    )
    assert kit.fresh == []
    assert kit.master.config.generation == 1
    assert kit.reconfig().ok


def test_what_left_the_configuration_is_stopped(kit):
    assert kit.fresh
    assert kit.reconfig(CONFIG.replace(", Noting('bread', name='two')", "")).ok
    assert kit.fresh == ["two stops"]
    assert "two" not in kit.master.service_manager.namedServices
