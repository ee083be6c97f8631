"""The command line as a whole: its verbs and their documented options."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from buildmaster import __version__
from buildmaster.cli.main import VERBS, group

DOCUMENTED = {
    "create-master": "--quiet -q --force -f --relocatable -r --develop -d --no-logrotate -n --config -c --log-size -s "
    "--log-count -l --db",
    "upgrade-master": "--quiet -q --develop -d --replace -r",
    "start": "--quiet -q --nodaemon --start_timeout",
    "stop": "--quiet -q --clean -c --no-wait",
    "restart": "--quiet -q --nodaemon --clean -c --start_timeout",
    "reconfig": "--quiet -q --progress_timeout",
    "sighup": "--quiet -q --progress_timeout",
    "checkconfig": "--quiet -q",
    "sendchange": "--master -m --auth -a --who -W --repository -R --vc -s --project -P --branch -b --category -C "
    "--codebase --revision -r --revision_file --property -p --comments -c --logfile -F --when -w --revlink -l "
    "--encoding -e",
    "cleanupdb": "--quiet -q --force -f",
    "copy-db": "--quiet -q --ignore-fk-error-rows",
    "dataspec": "--out -o --global -g",
    "user": "--master -m --username -u --passwd -p --op --bb_username --bb_password --ids --info",
}
"""Buildbot's options for the verbs that we have."""


def command(verb: str) -> click.Command:
    found = group.get_command(click.Context(group), verb)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", DOCUMENTED)
def test_every_documented_option_is_taken(verb):
    ours = {name for parameter in command(verb).params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert set(DOCUMENTED[verb].split()) - ours == set()


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help_with_all_options_explained(verb):
    found = command(verb)
    assert found.help
    assert [p.name for p in found.params if isinstance(p, click.Option) and not p.help] == []


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_is_in_the_reference(verb, root: Path):
    assert f"``buildmaster {verb} " in (root / "docs" / "reference" / "commands.rst").read_text()


def test_the_help_lists_all_verbs_without_importing_them():
    text = CliRunner().invoke(group, ["--help"]).output
    assert [line.split()[0] for line in text.partition("Commands:")[2].splitlines() if line.strip()] == sorted(VERBS)


def test_an_unknown_verb_is_refused():
    result = CliRunner().invoke(group, ["dance"])
    assert result.exit_code == 2
    assert "dance" in result.output


def test_versions_are_told():
    lines = CliRunner().invoke(group, ["--version"]).output.splitlines()
    assert lines[0] == f"buildmaster {__version__}"
    assert lines[1].startswith("Twisted ")
