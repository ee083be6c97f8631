"""``buildmaster quickstart``: from a git repository to its first build in one command.

Everything that it makes is what the other verbs make: a master's directory with a master.cfg to read, a master in the
background, a worker beside it.  Nothing of it is special once it runs.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import attrs
import click

from buildmaster.base.results import SUCCESS, WARNINGS, statusToString
from buildmaster.cli.create_master import make_directory, write_new
from buildmaster.cli.database import upgrade_database
from buildmaster.cli.directory import MasterDirectory, process_alive
from buildmaster.cli.follow import Follower, Lines, Live
from buildmaster.cli.logs import DEFAULT_MAX_FILES, DEFAULT_ROTATE_LENGTH
from buildmaster.cli.main import Failed
from buildmaster.cli.repository import (
    Repository,
    files_of,
    guess_command,
    has_uncommitted_changes,
    inspect,
    parent_of_head,
)
from buildmaster.cli.rest import Rest
from buildmaster.cli.start import start_daemon
from buildmaster.cli.templates import render

WEB_PORT = 8010
PORTS_TRIED = 200
DB_URL = "sqlite:///state.sqlite"


@attrs.frozen
class Plan:
    """What is going to be made."""

    directory: MasterDirectory
    repository: Repository
    command: str  # run by the worker's shell in the checkout
    web_port: int

    @property
    def url(self) -> str:
        """Where the page will be."""
        return f"http://localhost:{self.web_port}/"


@click.command("quickstart")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("--repo", metavar="PATH_OR_URL", help="The git repository; default: the one that you are in.")
@click.option("--branch", help="The branch to build; default: the one that a clone would check out.")
@click.option("--command", "test_command", help="What tests the project, run by a shell; default: a guess.")
@click.option("--port", type=int, help="Where the page is; default: the first free port from 8010 on.")
@click.option("--timeout", type=float, default=120, show_default=True, help="Seconds to wait for the build to begin.")
@click.pass_context
def command(
    ctx: click.Context,
    directory: Path | None,
    repo: str | None,
    branch: str | None,
    test_command: str | None,
    port: int | None,
    timeout: float,
) -> None:
    """Build a git repository now, and from now on whenever it has a new commit.

    Makes DIRECTORY (default: NAME-ci beside the repository NAME, or here for one elsewhere) with a master.cfg, starts
    a master and a worker, and shows how the newest commit is built.  The exit status is 0 if that build succeeded.
    The master goes on running.
    """
    plan = make_plan(directory, inspect(repo, branch, Path.cwd()), test_command, port, Path.cwd())
    carry_out(plan)
    show = Live() if sys.stdout.isatty() else Lines()
    ctx.exit(0 if watch(plan, show, timeout) in (SUCCESS, WARNINGS) else 1)


def make_plan(
    directory: Path | None, repository: Repository, test_command: str | None, port: int | None, here: Path
) -> Plan:
    """Decide everything, changing nothing.

    Raises :class:`~buildmaster.cli.main.Failed` if it cannot be done.
    """
    if os.name == "nt":
        raise Failed("quickstart starts a master in the background, which Windows does not offer")
    if directory is None:
        beside = Path(repository.url).parent if repository.is_local else here
        directory = beside / f"{repository.name}-ci"
    target = MasterDirectory(here / directory)
    refuse_existing(target)
    return Plan(
        directory=target,
        repository=repository,
        command=test_command or guess_command(files_of(repository)),
        web_port=free_port(WEB_PORT, PORTS_TRIED) if port is None else free_port(port, 1),
    )


def refuse_existing(directory: MasterDirectory) -> None:
    """Raise :class:`~buildmaster.cli.main.Failed` if there is something in the way."""
    path = directory.path
    if directory.find_tac() is not None:
        running = directory.running_pid()
        hint = "It is running" if running else f"'buildmaster start {path}' starts it"
        raise Failed(f"{path} exists already and holds a master. {hint}. Name another directory for a new one")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise Failed(f"{path} exists already. Name a directory that does not exist yet")


def free_port(first: int, tried: int) -> int:
    """The first port from ``first`` on that nobody listens on, on this machine's own address.

    Raises :class:`~buildmaster.cli.main.Failed` if none of so many is free.
    """
    for port in range(first, first + tried):
        with socket.socket() as probe:
            if os.name != "nt":  # as Twisted does: a port that is only waiting to be forgotten counts as free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    which = f"Port {first} is not" if tried == 1 else f"None of the ports {first} to {first + tried - 1} is"
    raise Failed(f"{which} free. Choose one with --port")


def carry_out(plan: Plan) -> None:
    """Make the directory and start the master.

    Raises :class:`~buildmaster.cli.main.Failed` if the master does not start.
    """
    repository, directory = plan.repository, plan.directory
    click.echo(f"repository   {repository.url}")
    click.echo(f"branch       {repository.branch}, now at {repository.head[:12]}")
    click.echo(f"command      {plan.command}")
    click.echo(f"directory    {directory.path}")
    if has_uncommitted_changes(repository):
        click.echo("note         changes that are not committed are not built")
    write_directory(plan)
    for line in start_daemon(directory, directory.tac(), quiet=True, timeout=None):
        click.echo(line)


def write_directory(plan: Plan) -> None:
    """Write all that a master's directory holds."""
    directory, repository = plan.directory, plan.repository
    make_directory(directory, force=False)
    tac = render(
        "buildbot.tac.j2",
        relocatable=True,
        config="master.cfg",
        config_literal=repr("master.cfg"),
        logrotate=True,
        log_size=DEFAULT_ROTATE_LENGTH,
        log_count=DEFAULT_MAX_FILES,
    )
    write_new(directory.path / "buildbot.tac", tac)
    write_new(directory.path / "password.txt", secrets.token_urlsafe(12) + "\n", mode=0o600)
    config = render(
        "quickstart.cfg.j2",
        repository=repr(repository.url),
        branch=repr(repository.branch),
        command=repr(plan.command),
        builder=repr(repository.name),
        title=repr(repository.name),
        web_port=plan.web_port,
    )
    write_new(directory.path / "master.cfg", config)
    upgrade_database(DB_URL, directory.path)
    parent = parent_of_head(repository)
    remember(directory.path, repository.url, {repository.branch: parent} if parent else {})


def remember(basedir: Path, poller: str, seen: dict[str, str]) -> None:
    """Store how far the poller has seen the repository, as it does itself after each look.

    A poller's first look only remembers where the branches stand.  With this its first look is a second one, for
    which the newest commit is new.
    """
    from twisted.internet.task import Clock

    from buildmaster.db import state
    from buildmaster.db.engine import Database
    from buildmaster.db.executors import InlineExecutor

    clock: Any = Clock()
    db = Database(DB_URL, str(basedir), InlineExecutor(clock), clock)
    for step in (
        db.open,
        lambda: db.write(state.put_for, poller, "GitPoller", {"lastRev": seen}),
        db.close,
    ):
        done: list[object] = []
        step().addBoth(done.append)
        while not done:
            clock.advance(0)


def watch(plan: Plan, show: Lines, timeout: float) -> int:
    """Show the first build; returns its result."""
    rest = Rest("127.0.0.1", plan.web_port)
    follower = Follower(rest, lambda: process_alive(plan.directory.recorded_pid() or 0), show)
    build = None
    try:
        build = follower.first_build(timeout)
        title = f"build {build['number']} of {plan.repository.name}"
        show.say(f"{title}: {plan.url}builders/{build['builderid']}/builds/{build['number']}")
        result = follower.follow(build["buildid"])
        if result not in (SUCCESS, WARNINGS):
            show.say("\n".join(follower.tail_of_failure(build["buildid"])))
        show.say(f"{title}: {statusToString(result)}")
        return result
    except Failed as e:
        raise Failed(f"{e.message}. {plan.directory.log_file} tells more") from None
    except KeyboardInterrupt:
        raise Failed("No longer watching") from None
    finally:
        rest.close()
        show.say(closing_words(plan))


def closing_words(plan: Plan) -> str:
    """What can be done now."""
    path = plan.directory.path
    return "\n".join(
        [
            f"The master goes on running; the next commit on {plan.repository.branch} is built by itself.",
            f"  page       {plan.url} (to start or stop builds: admin, password in {path / 'password.txt'})",
            f"  settings   {path / 'master.cfg'}, then 'buildmaster reconfig {path}'",
            f"  stop       buildmaster stop {path}",
        ]
    )
