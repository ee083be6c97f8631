"""Options that several verbs have."""

from __future__ import annotations

from collections.abc import Callable

import click

quiet_option = click.option("-q", "--quiet", is_flag=True, help="Say nothing unless something is wrong.")

ignore_orphans_option = click.option(
    "--ignore-fk-error-rows", is_flag=True, help="Leave out rows that refer to rows which do not exist."
)


def sayer(quiet: bool) -> Callable[[str], None]:
    """What prints a line, or does nothing if ``quiet``."""
    return (lambda text: None) if quiet else click.echo
