"""The ``buildmaster`` command.

A verb's module is imported when that verb is used, so that ``buildmaster stop`` does not pay for what ``start`` needs.
"""

from __future__ import annotations

import importlib
import os
import sys

import click

VERBS = {
    "checkconfig": "Check a configuration without running it.",
    "cleanupdb": "Make a master's database smaller.",
    "copy-db": "Copy a master's database into another one.",
    "create-master": "Make a directory for a new master.",
    "dataspec": "Write a description of the data API.",
    "dev-proxy": "See another master's site with your web plugins.",
    "import-buildbot": "Take over the history of a Buildbot master.",
    "quickstart": "From a git repository to a first build in one command.",
    "reconfig": "Let a running master read its configuration again.",
    "restart": "Stop a master and start it again.",
    "sendchange": "Tell a master about a change.",
    "sighup": "The same as reconfig.",
    "start": "Start a master.",
    "stop": "Stop a master.",
    "try": "Have changes built before they are committed.",
    "tryserver": "Take a try job in, on the master's host.",
    "user": "Manage the users of a master.",
    "upgrade-master": "Bring a master's directory and database up to this version.",
}


MODULES = {"sighup": "reconfig", "try": "trybuild"}
"""Verbs whose modules are not named after them."""


class Failed(click.ClickException):
    """What the user asked for did not happen: the message goes to stderr and the exit status is 1."""

    def show(self, file: object = None) -> None:
        """Print the message as it is: it names the place and the mend itself."""
        click.echo(self.message, err=True)


class Verbs(click.Group):
    """A group whose commands live in modules of their own, named after the verb."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in alphabetical order."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command; None for an unknown one."""
        if cmd_name not in VERBS:
            return None
        module = MODULES.get(cmd_name, cmd_name.replace("-", "_"))
        return importlib.import_module(f"buildmaster.cli.{module}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table above, without importing their modules."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(VERBS.items()))


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    import platform
    from importlib.metadata import version

    from buildmaster import __version__

    click.echo(f"buildmaster {__version__}")
    click.echo(f"Twisted {version('Twisted')}, SQLAlchemy {version('SQLAlchemy')}, Python {platform.python_version()}")
    ctx.exit()


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print versions.")
def group() -> None:
    """A continuous-integration master.  'buildmaster VERB --help' tells more about a verb."""


def main() -> None:
    """The console script; the exit status is 0 for success, 1 for failure, 2 for a wrong command line."""
    if os.environ.get("COLUMNS") is None and not sys.stdout.isatty():
        os.environ["COLUMNS"] = "100"
    group.main(prog_name="buildmaster")


if __name__ == "__main__":
    main()
