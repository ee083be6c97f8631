"""``buildmaster try``: have what is changed in a working copy built by a master, before it is committed."""

from __future__ import annotations

import base64
import getpass
import json
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from buildmaster.base.results import SUCCESS, Results
from buildmaster.cli.main import Failed
from buildmaster.cli.sendchange import parse_master, run
from buildmaster.cli.try_source import KINDS, working_copy
from buildmaster.cli.user_options import load_user_options

FLAGS = ("wait", "dryrun", "quiet")


@click.command("try")
@click.option("--wait", is_flag=True, help="Wait until the builds have ended; needs --connect=pb.")
@click.option("-n", "--dryrun", is_flag=True, help="Find out what would be sent, and send nothing.")
@click.option("--get-builder-names", is_flag=True, help="List the builders that can be asked for; needs --connect=pb.")
@click.option("-q", "--quiet", is_flag=True, help="Do not tell how the builds go while waiting.")
@click.option("-c", "--connect", type=click.Choice(("ssh", "pb")), help="How to reach the master.")
@click.option("--host", help="The master's host, for ssh.")
@click.option("--port", type=int, help="The port of ssh there.")
@click.option("--jobdir", help="The directory for jobs there.")
@click.option("--ssh", help="The command to use as ssh.")
@click.option("-u", "--username", help="User name, for ssh and for pb.")
@click.option("-m", "--master", help="HOST:PORT of the Try_Userpass scheduler, for pb.")
@click.option("--passwd", help="Password, for pb; it is asked for if it is not given.")
@click.option("-w", "--who", help="Who is responsible for the build.")
@click.option("-C", "--comment", help="A comment that notifications may use.")
@click.option("--buildbotbin", help="The program to run on the master's host, for ssh.  [default: buildbot]")
@click.option("--diff", help="A file with the difference, - for standard input, instead of a working copy's.")
@click.option("-p", "--patchlevel", type=int, default=0, help="How many directories names in that file have in front.")
@click.option("--baserev", help="The revision that the difference is based on.")
@click.option("--vc", type=click.Choice(sorted(KINDS)), help="The kind of working copy.")
@click.option("--branch", help="The branch that the difference is based on.")
@click.option("--repository", help="The repository, instead of the working copy's path.")
@click.option("-b", "--builder", "builders", multiple=True, help="A builder; may be given several times.")
@click.option("--properties", multiple=True, help="NAME=VALUE,NAME=VALUE…")
@click.option("--property", "property_", multiple=True, help="NAME=VALUE; may be given several times.")
@click.option("--topfile", help="A file that lies only at the top of the working copy.")
@click.option("--topdir", help="The top of the working copy.")
def command(**options: Any) -> None:
    """Send what is changed in this working copy to a master, which builds it.

    Each option may also come from the file .buildbot/options, as try_NAME (try_connect, try_vc, try_builders …).  The
    exit status is 1 if, with --wait, a build did not succeed.
    """
    options = with_defaults(options, load_user_options(Path.cwd(), Path.home()))
    if options["get_builder_names"]:
        _print_builder_names(options)
        return
    if options["connect"] not in ("ssh", "pb"):
        raise click.UsageError("--connect=ssh or --connect=pb is missing: how is the master to be reached?")
    if options["wait"] and options["connect"] == "ssh":
        raise click.UsageError("--wait needs --connect=pb: ssh hands in a file and hears no more of it")
    job = make_job(options)
    if options["dryrun"]:
        _print_job(job)
    elif options["connect"] == "ssh":
        _deliver_by_ssh(options, job)
    else:
        _deliver_by_pb(options, job)


def with_defaults(options: Mapping[str, Any], file: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the command line, completed by those of the user's file."""
    merged = dict(options)
    for name in ("connect", "host", "port", "jobdir", "ssh", "username", "master", "who", "comment", "buildbotbin"):
        merged[name] = options[name] if options[name] is not None else file.get(f"try_{name}")
    for name in ("vc", "branch", "repository", "topfile", "topdir"):
        merged[name] = options[name] if options[name] is not None else file.get(f"try_{name}")
    merged["passwd"] = options["passwd"] or file.get("try_password") or file.get("try_passwd")
    merged["master"] = merged["master"] or file.get("master")
    merged["builders"] = list(options["builders"]) or list(file.get("try_builders", []))
    for name in FLAGS:
        merged[name] = options[name] or bool(file.get(f"try_{name}"))
    merged["properties"] = {**dict(file.get("try_properties", {})), **_properties(options)}
    return merged


def _properties(options: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    pairs = [pair for text in options["properties"] for pair in text.split(",") if pair] + list(options["property_"])
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--property")
        found[name] = value
    return found


def make_job(options: Mapping[str, Any]) -> dict[str, Any]:
    """The job, in the names that the protocol has."""
    user = options["username"] or getpass.getuser()
    if options["diff"]:
        body = _read_difference(options["diff"])
        base, level, branch = options["baserev"], options["patchlevel"], options["branch"]
        repository = options["repository"] or ""
    else:
        if not options["vc"]:
            raise click.UsageError(f"--vc is missing: of which kind is this working copy? ({', '.join(sorted(KINDS))})")
        copy = working_copy(
            options["vc"],
            Path.cwd(),
            options["branch"],
            options["baserev"],
            options["topdir"],
            options["topfile"],
        )
        found = copy.changes(options["repository"])
        body, base, level, branch = found.patch_body, found.base_revision, found.patch_level, found.branch
        repository = found.repository
    if not body.strip():
        click.echo("There is no difference to send: the base revision is built as it is.", err=True)
    return {
        "jobid": f"{time.time()}-{uuid.uuid4().hex}",
        "branch": branch,
        "baserev": base,
        "patch_level": level,
        "patch_body": body if body.strip() else None,
        "repository": repository,
        "project": "",
        "who": options["who"] or user,
        "comment": options["comment"] or "",
        "builderNames": options["builders"],
        "properties": options["properties"],
    }


def _read_difference(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as e:
        raise click.BadParameter(f"{name} cannot be read: {e.strerror}", param_hint="--diff") from None


def job_file(job: Mapping[str, Any]) -> bytes:
    """A job as a file of version 5."""
    content = dict(job)
    body = content.pop("patch_body")
    try:
        content["patch_body"] = None if body is None else body.decode("utf-8")
    except UnicodeDecodeError:
        content["patch_body_base64"] = base64.b64encode(body).decode("ascii")
    text = json.dumps(content).encode()
    return b"1:5,%d:%s," % (len(text), text)


def _print_job(job: Mapping[str, Any]) -> None:
    click.echo(f"Repository: {job['repository']}\nBranch: {job['branch']}\nBase revision: {job['baserev']}")
    click.echo(f"Builders: {', '.join(job['builderNames']) or 'all of the scheduler'}\nWho: {job['who']}")
    click.echo(f"Properties: {job['properties']}\nPatch, level {job['patch_level']}:")
    click.echo(job["patch_body"] or b"none")


def _deliver_by_ssh(options: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    for name in ("host", "jobdir"):
        if not options[name]:
            raise click.UsageError(f"--{name} is missing: it is needed with --connect=ssh")
    argv = shlex.split(options["ssh"] or "ssh")
    if options["username"]:
        argv += ["-l", options["username"]]
    if options["port"]:
        argv += ["-p", str(options["port"])]
    remote = [options["buildbotbin"] or "buildbot", "tryserver", "--jobdir", options["jobdir"]]
    argv += [options["host"], " ".join(shlex.quote(word) for word in remote)]
    try:
        done = subprocess.run(argv, input=job_file(job), check=False)
    except FileNotFoundError:
        raise Failed(f"{argv[0]} cannot be run: it is not in PATH (see --ssh).") from None
    if done.returncode != 0:
        raise Failed(f"The job was not delivered: {argv[0]} ended with exit code {done.returncode}.")
    click.echo("job has been delivered")


def _login(options: Mapping[str, Any]) -> tuple[str, int, str, str]:
    if not options["master"]:
        raise click.UsageError("--master HOST:PORT is missing: it is needed with --connect=pb")
    host, port = parse_master(options["master"])
    user = options["username"] or getpass.getuser()
    password = options["passwd"] or click.prompt("Password", hide_input=True, err=True)
    return host, port, user, password


def _print_builder_names(options: Mapping[str, Any]) -> None:
    if options["connect"] == "ssh":
        raise click.UsageError("--get-builder-names needs --connect=pb")
    from buildmaster.net.pbtryclient import get_builder_names

    place = _login(options)
    names: list[list[str]] = []
    wrong = run(lambda reactor: get_builder_names(*place, reactor).addCallback(names.append))
    if wrong is not None:
        raise Failed(f"The builders are not known: {wrong}")
    click.echo("The following builders are available for the try scheduler: ")
    for name in names[0]:
        click.echo(name)


def _deliver_by_pb(options: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    from buildmaster.net.pbtryclient import send_job

    place = _login(options)

    def say(builder: str, what: str) -> None:
        if not options["quiet"]:
            click.echo(f"{builder}: {what}")

    ended: list[dict[str, tuple[int | None, str]] | None] = []
    wait = say if options["wait"] else None
    wrong = run(lambda reactor: send_job(*place, job, reactor, wait).addCallback(ended.append))
    if wrong is not None:
        raise Failed(f"The job was not built: {wrong}")
    if ended[0] is None:
        click.echo("job has been delivered")
        return
    for builder, (results, words) in sorted(ended[0].items()):
        result = Results[results] if results is not None else "unknown"
        click.echo(f"{builder}: {result} ({words})")
    if any(results != SUCCESS for results, _ in ended[0].values()):
        raise click.exceptions.Exit(1)
