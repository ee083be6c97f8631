"""``buildmaster user``: manage the users of a master, through its CommandlineUserManager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from buildmaster.cli.main import Failed
from buildmaster.cli.sendchange import parse_master, run
from buildmaster.cli.user_options import load_user_options

WITH_INFO = ("add", "update")


@click.command("user")
@click.option("-m", "--master", help="HOST:PORT of the master's user manager.")
@click.option("-u", "--username", help="Name to log in with, as the master's CommandlineUserManager has it.")
@click.option("-p", "--passwd", help="Password of that name.")
@click.option("--op", help="add, remove, update or get.")
@click.option("--bb_username", "--bb-username", help="Name for the web; with update.")
@click.option("--bb_password", "--bb-password", help="Password for the web; with update.")
@click.option("--ids", help="Identifiers of users, with commas between them; with get and remove.")
@click.option("--info", multiple=True, help="TYPE=VALUE,… of a user (with add) or ID:TYPE=VALUE,… (with update).")
def command(
    master: str | None,
    username: str | None,
    passwd: str | None,
    op: str | None,
    bb_username: str | None,
    bb_password: str | None,
    ids: str | None,
    info: tuple[str, ...],
) -> None:
    """Add, change, show or remove users of a master.

    --master, --username and --passwd may also come from the file .buildbot/options (user_master or master,
    user_username, user_passwd).
    """
    defaults = load_user_options(Path.cwd(), Path.home())
    master = master or defaults.get("user_master") or defaults.get("master")
    username = username or defaults.get("user_username")
    passwd = passwd or defaults.get("user_passwd")
    for value, option in ((master, "--master HOST:PORT"), (username, "--username"), (passwd, "--passwd")):
        if not value:
            raise click.UsageError(f"{option} is missing")
    request = make_command(op, bb_username, bb_password, ids, info)
    host, port = parse_master(str(master))
    from buildmaster.net.pbclient import send_user_command

    answers: list[str] = []
    error = run(
        lambda reactor: send_user_command(host, port, str(username), str(passwd), request, reactor).addCallback(
            answers.append
        )
    )
    if error is not None:
        raise Failed(f"Nothing was done: {error}")
    click.echo(answers[0], nl=not answers[0].endswith("\n"))


def make_command(
    op: str | None, bb_username: str | None, bb_password: str | None, ids: str | None, info: tuple[str, ...]
) -> dict[str, Any]:
    """The arguments of ``perspective_commandline``.  Raises click.UsageError for what does not fit together."""
    if op not in ("add", "remove", "update", "get"):
        raise click.UsageError("--op must be add, remove, update or get")
    if (bb_username or bb_password) and op != "update":
        raise click.UsageError("--bb_username and --bb_password go with --op update")
    if bool(bb_username) != bool(bb_password):
        raise click.UsageError("--bb_username and --bb_password go together")
    if op in WITH_INFO and (ids or not info):
        raise click.UsageError(f"--op {op} takes --info, not --ids")
    if op not in WITH_INFO and (info or not ids):
        raise click.UsageError(f"--op {op} takes --ids, not --info")
    return {
        "op": op,
        "bb_username": bb_username,
        "bb_password": bb_password,
        "ids": [one.strip() for one in ids.split(",") if one.strip()] if ids else None,
        "info": [parse_info(op, one, bool(bb_username)) for one in info] or None,
    }


def parse_info(op: str, text: str, only_id: bool) -> dict[str, str]:
    """A user of ``--info``: its identifier and attributes.

    ``only_id`` says that an update needs no attributes.  Raises click.UsageError.
    """
    identifier, rest = "", text
    if op == "update":
        identifier, colon, rest = text.partition(":")
        if "=" in identifier or not identifier or not (colon or only_id):
            raise click.UsageError(f"--info {text}: it must begin with the identifier of a user: ID:TYPE=VALUE,…")
    user: dict[str, str] = {}
    for item in filter(None, rest.split(",")):
        kind, equals, value = item.partition("=")
        if not kind.strip() or not equals:
            raise click.UsageError(f"--info {text}: {item!r} is not TYPE=VALUE")
        user[kind.strip()] = value
    if not user and not only_id:
        raise click.UsageError(f"--info {text}: it has no TYPE=VALUE")
    return {"identifier": identifier or next(iter(user.values())), **user}
