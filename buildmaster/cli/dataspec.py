"""``buildmaster dataspec``: write a description of the data API."""

from __future__ import annotations

import re
from pathlib import Path

import click

from buildmaster.cli.main import Failed


@click.command("dataspec")
@click.option(
    "-o",
    "--out",
    default="dataspec.json",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it.",
)
@click.option("-g", "--global", "name", metavar="NAME", help="Write JavaScript that sets the global NAME to it.")
def command(out: Path, name: str | None) -> None:
    """Write a description of the data API: a JSON list of its paths with the fields of what they answer.

    The same is answered by /api/v2/application.spec of a running master.
    """
    from buildmaster.data.connector import DataConnector
    from buildmaster.service import MasterService

    if name is not None and not re.fullmatch(r"[A-Za-z_$][\w$]*", name):
        raise Failed(f"--global {name!r}: that is no name of a JavaScript variable")
    import json

    text = json.dumps(DataConnector(MasterService()).allEndpoints(), indent=2, sort_keys=True)
    try:
        out.write_text(f"window.{name} = {text};\n" if name else text + "\n", encoding="utf-8")
    except OSError as e:
        raise Failed(f"{out} cannot be written: {e.strerror}") from None
