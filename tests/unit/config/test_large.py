"""Configurations of the size and manner of big public users."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from buildmaster.cli.checkconfig import check
from buildmaster.config.master import FileLoader
from tests.support import large_config


@pytest.fixture(autouse=True)
def path_as_before(monkeypatch):
    """The configuration adds its directory to the path, as many do."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_hundreds_of_builders_made_in_loops(tmp_path):
    """Local modules, steps of its own, schedulers of each branch, locks, reporters, secrets: all accepted."""
    file = large_config.write(tmp_path, builders=400)
    config = FileLoader(str(tmp_path), file.name).loadConfig()
    janitor = 1
    assert len(config.builders) == 20 * (large_config.PER_PROJECT + 1) + janitor
    assert len(config.schedulers) == 20 * 7 + janitor + 1  # which may also be forced
    assert len(config.workers) == 20 + janitor


def test_all_mistakes_are_reported_at_once_each_with_its_line(tmp_path):
    """Those of modules too; one in a loop is named for each turn."""
    file = large_config.write(tmp_path, builders=400, mistakes=True)
    found = {general(message) for message in check(file)}
    assert found == large_config.reports(tmp_path)


def general(message: str) -> str:
    """A report without who called the line and without the number of the project."""
    return re.sub(r"project\d+", "projectN", re.sub(r" \(reached from [^)]*\)", "", message))


def test_a_line_in_a_constructor_tells_who_made_the_object(tmp_path):
    """Else a step that hands its arguments on would hide the line that gave the wrong one."""
    file = large_config.write(tmp_path, builders=1, mistakes=True)
    lines = (tmp_path / "works" / "factories.py").read_text().splitlines()
    made = next(n for n, line in enumerate(lines, 1) if "own.Check(environment" in line)
    assert next(m for m in check(file) if "Check" in m).split(": ")[0] == (
        f"works/steps.py:{line_of(tmp_path / 'works/steps.py', 'self.cases = Cases()') - 1} "
        f"(reached from works/factories.py:{made}, master.cfg:{line_of(file, 'builders.make()')})"
    )


def line_of(file: Path, text: str) -> int:
    """The first line with this text."""
    return next(n for n, line in enumerate(file.read_text().splitlines(), 1) if text in line)
