"""``buildmaster sendchange``: tell a master about a change, over the worker port, as a commit hook would."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from buildmaster.cli.main import Failed
from buildmaster.cli.user_options import load_user_options

DEFAULT_PORT = 9989
KINDS = ("bzr", "cvs", "darcs", "git", "hg", "mtn", "p4", "svn")


@click.command("sendchange")
@click.argument("files", nargs=-1)
@click.option("-m", "--master", help="HOST:PORT of the master's worker port.")
@click.option("-a", "--auth", default="change:changepw", show_default=True, help="USER:PASSWORD; USER alone: asks.")
@click.option("-W", "--who", help="Author of the commit.")
@click.option("-R", "--repository", default="", help="Repository the commit lies in.")
@click.option("-s", "--vc", type=click.Choice(KINDS), help="Kind of repository; tells how --who is to be read.")
@click.option("-P", "--project", default="", help="Project of the change.")
@click.option("-b", "--branch", help="Branch of the commit.")
@click.option("-C", "--category", help="Category of the change.")
@click.option("--codebase", help="Codebase of the change.")
@click.option("-r", "--revision", help="Revision of the commit.")
@click.option("--revision_file", "--revision-file", type=click.Path(path_type=Path), help="File to read it from.")
@click.option("-p", "--property", "properties", multiple=True, help="NAME:VALUE, may be given several times.")
@click.option("-c", "--comments", help="Commit message.")
@click.option("-F", "--logfile", help="File to read the commit message from; - for standard input.")
@click.option("-w", "--when", type=float, help="Time of the commit, in seconds since the epoch.")
@click.option("-l", "--revlink", default="", help="Web page of the commit.")
@click.option("-e", "--encoding", default="utf8", show_default=True, help="Encoding of the other arguments.")
def command(files: tuple[str, ...], master: str | None, auth: str, encoding: str, **fields: Any) -> None:
    """Tell the PBChangeSource of a master about a change to FILES.

    Returns with exit status 0 when the master has stored the change.  --master, --who, --branch and --category may
    also come from the file .buildbot/options (master, who or username, branch, category).
    """
    defaults = load_user_options(Path.cwd(), Path.home())
    master = master or defaults.get("master")
    fields["who"] = fields["who"] or defaults.get("who") or defaults.get("username")
    for name in ("branch", "category"):
        fields[name] = fields[name] or defaults.get(name)
    if not master:
        raise click.UsageError("--master HOST:PORT is missing: where is the change to be sent?")
    if not fields["who"]:
        raise click.UsageError("--who is missing: whose change is it?")
    host, port = parse_master(master)
    user, password = parse_auth(auth)
    change = make_change(files, encoding, **fields)
    from buildmaster.net.pbclient import send_change

    error = run(lambda reactor: send_change(host, port, user, password, change, reactor))
    if error is not None:
        raise Failed(f"The change was not sent: {error}")
    click.echo("change sent successfully")


def parse_master(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; the port may be left out."""
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, DEFAULT_PORT
    if not port.isdigit() or not host:
        raise click.BadParameter(f"{text!r} is not HOST:PORT", param_hint="--master")
    return host.strip("[]"), int(port)


def parse_auth(text: str) -> tuple[str, str]:
    """User and password of ``USER:PASSWORD``; asks for a password that is missing."""
    user, colon, password = text.partition(":")
    return user, password if colon else click.prompt("Password", hide_input=True, err=True)


def make_change(
    files: tuple[str, ...],
    encoding: str,
    *,
    who: str | None,
    repository: str,
    vc: str | None,
    project: str,
    branch: str | None,
    category: str | None,
    codebase: str | None,
    revision: str | None,
    revision_file: Path | None,
    properties: tuple[str, ...],
    comments: str | None,
    logfile: str | None,
    when: float | None,
    revlink: str,
) -> dict[str, Any]:
    """The dictionary that ``perspective_addChange`` takes.

    Raises click.BadParameter for a property without a value and for a file that cannot be read.
    """
    text = {
        "who": who,
        "files": list(files),
        "comments": _comments(comments, logfile, encoding),
        "branch": branch,
        "revision": revision if revision_file is None else _read(revision_file, encoding).strip(),
        "category": category,
        "properties": dict(_property(p) for p in properties),
        "repository": repository,
        "project": project,
        "revlink": revlink,
        "src": vc,
    }
    if codebase is not None:
        text["codebase"] = codebase
    return {**_decode(text, encoding), "when": when}


def _property(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.BadParameter(f"{text!r} is not NAME:VALUE", param_hint="--property")
    return name, value


def _comments(comments: str | None, logfile: str | None, encoding: str) -> str:
    if comments is not None:
        return comments
    if logfile == "-":
        return sys.stdin.buffer.read().decode(encoding, "replace")
    return _read(Path(logfile), encoding) if logfile else ""


def _read(path: Path, encoding: str) -> str:
    try:
        return path.read_text(encoding=encoding, errors="replace")
    except OSError as e:
        raise click.BadParameter(f"{path} cannot be read: {e.strerror}") from None
    except LookupError:
        raise click.BadParameter(f"{encoding!r} is not an encoding", param_hint="--encoding") from None


def _decode(value: Any, encoding: str) -> Any:
    """Read bytes of the command line that were not in the locale's encoding (they came as surrogates) in this one."""
    if isinstance(value, dict):
        return {_decode(k, encoding): _decode(v, encoding) for k, v in value.items()}
    if isinstance(value, list):
        return [_decode(item, encoding) for item in value]
    if not isinstance(value, str) or not any("\ud800" <= c <= "\udfff" for c in value):
        return value
    try:
        return os.fsencode(value).decode(encoding, "replace")
    except LookupError:
        raise click.BadParameter(f"{encoding!r} is not an encoding", param_hint="--encoding") from None


def run(call: Any) -> str | None:
    """Run a function that returns a Deferred in a reactor of its own; returns its error in words, None if none."""
    from twisted.internet import reactor, task
    from twisted.python.failure import Failure

    result: list[Any] = []
    try:
        task.react(lambda r: call(r).addBoth(result.append), _reactor=reactor)
    except SystemExit:
        pass
    failure = result[0] if result and isinstance(result[0], Failure) else None
    return None if failure is None else failure.getErrorMessage() or type(failure.value).__name__
