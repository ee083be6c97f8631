"""``buildmaster checkconfig``: read a configuration as a master would and report all mistakes; start nothing."""

from __future__ import annotations

from pathlib import Path

import click

from buildmaster.base.errors import ConfigErrors
from buildmaster.cli.directory import MasterDirectory


@click.command("checkconfig")
@click.argument("config", default=".", type=click.Path(path_type=Path))
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; only the exit status tells.")
@click.pass_context
def command(ctx: click.Context, config: Path, quiet: bool) -> None:
    """Check a configuration: a file, a master's directory, or the master's directory that you are in.

    All mistakes are reported together, with file and line.  The exit status is 0 if there are none, else 1.
    """
    file = config_file(config)
    errors = check(file)
    if errors and not quiet:
        click.echo("\n".join([f"{file} is not a valid configuration:", *(f"  {indent(e)}" for e in errors)]), err=True)
    elif not quiet:
        click.echo(f"{file} is a valid configuration")
    ctx.exit(1 if errors else 0)


def config_file(path: Path) -> Path:
    """The configuration file that the user means by a path."""
    path = path.absolute()
    return MasterDirectory(path).config_file() if path.is_dir() else path


def check(file: Path) -> list[str]:
    """All mistakes in a configuration file; an empty list if it is good."""
    from buildmaster.life.loading import config_loader

    if not file.exists():
        return ["it does not exist. Name a configuration file or a master's directory"]
    try:
        config_loader(str(file.parent), file.name).loadConfig()
    except ConfigErrors as e:
        return list(e.errors)
    return []


def indent(message: str) -> str:
    """A message of several lines, fit for a list."""
    return message.replace("\n", "\n    ")
