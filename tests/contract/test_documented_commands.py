"""The commands have the options of ``data/cli.tsv``, under the same letters and with the same defaults."""

from __future__ import annotations

import click
import pytest

from buildmaster.cli.main import group
from tests.support.facts import rows

LATER = {("try", "--buildbotbin"): "the file of options comes before the default"}
FACTS = list(rows("cli.tsv"))


@pytest.mark.parametrize("command", sorted({row[0] for row in FACTS}))
def test_a_command_has_its_options(command: str) -> None:
    options = {
        name: option
        for option in group.get_command(click.Context(group), command).params
        for name in (*option.opts, *option.secondary_opts)
    }
    wrong = [difference(options, row) for row in FACTS if row[0] == command and row[1]]
    assert [text for text in wrong if text] == []


def difference(options: dict[str, click.Parameter], row: list[str]) -> str:
    """What an option lacks of how it is documented; empty if nothing."""
    command, name, short, default = row
    option = options.get(name)
    if option is None:
        return f"{name} is missing"
    if short and options.get(short) is not option:
        return f"{short} is not {name}"
    if default == "flag":
        return "" if option.is_flag else f"{name} is not a flag"
    has = option.to_info_dict()["default"]
    same = str(has) == default or (default in ("None", "") and has in (None, "", (), []))
    return "" if same or (command, name) in LATER else f"{name} is {has!r} by default, not {default!r}"
