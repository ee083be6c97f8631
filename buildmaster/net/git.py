"""Low-level git, for the build step and for the poller alike: what a version can do, command lines, ssh, references.

Pure text in, text out: nothing here runs a process or knows where one will run.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from buildmaster.base.errors import error

RC_SUCCESS = 0

NEED_CREDENTIALS = frozenset({"clone", "fetch", "pull", "push", "ls-remote", "submodule", "remote", "archive"})
"""git commands that talk to another repository."""

_version_re = re.compile(r"git version (\d+(?:\.\d+)*)")
_scp_re = re.compile(r"^(?P<user>[^@/:]+@)?(?P<host>\[[^\]]+\]|[^/:]+):(?!//)(?P<path>.+)$")


def parse_version(output: str) -> tuple[int, ...] | None:
    """The version in what ``git --version`` prints, or None: ``(2, 39, 5)``."""
    match = _version_re.search(output)
    return tuple(int(part) for part in match.group(1).split(".")) if match else None


@attrs.frozen
class GitFeatures:
    """What a version of git can do."""

    version: tuple[int, ...]

    def _since(self, *version: int) -> bool:
        return self.version >= version

    @property
    def progress(self) -> bool:
        """``git fetch --progress``."""
        return self._since(1, 7, 2)

    @property
    def submodule_force(self) -> bool:
        """``git submodule update --force``."""
        return self._since(1, 7, 6)

    @property
    def credential_store(self) -> bool:
        """``credential.helper=store``."""
        return self._since(1, 7, 9)

    @property
    def submodule_remote(self) -> bool:
        """``git submodule update --remote``."""
        return self._since(1, 8, 2)

    @property
    def ssh_command_variable(self) -> bool:
        """``GIT_SSH_COMMAND`` in the environment."""
        return self._since(2, 3)

    @property
    def ls_remote_symref(self) -> bool:
        """``git ls-remote --symref``."""
        return self._since(2, 8)

    @property
    def ssh_command_config(self) -> bool:
        """``core.sshCommand`` in the configuration."""
        return self._since(2, 10)

    @property
    def filters(self) -> bool:
        """``git clone --filter`` with submodules and fetch."""
        return self._since(2, 27)

    @property
    def stdin_refspecs(self) -> bool:
        """``git fetch --stdin``: any number of references in one call."""
        return self._since(2, 29)


# -- addresses --------------------------------------------------------------------------------------------------------


def scp_style_to_url_syntax(address: str, port: int = 22, scheme: str = "ssh") -> str:
    """``user@host:path`` as ``ssh://user@host:port/path``; anything else as it is."""
    if "://" in address or os.path.exists(address) or re.match(r"^[A-Za-z]:[\\/]", address):
        return address
    match = _scp_re.match(address)
    if match is None:
        return address
    user, host, path = match.group("user") or "", match.group("host"), match.group("path")
    return f"{scheme}://{user}{host}:{port}/{path.lstrip('/')}"


def without_password(url: str) -> str:
    """An address fit for logs and messages: what stands before the ``@`` loses its password."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:<hidden>@", url)


# -- ssh --------------------------------------------------------------------------------------------------------------


def check_ssh_config(logname: str, ssh_private_key: Any, ssh_host_key: Any, ssh_known_hosts: Any) -> None:
    """Report combinations that make no sense, in the words of the configuration."""
    if ssh_host_key is not None and ssh_private_key is None:
        error(f"{logname}: sshPrivateKey must be provided in order use sshHostKey")
    if ssh_known_hosts is not None and ssh_private_key is None:
        error(f"{logname}: sshPrivateKey must be provided in order use sshKnownHosts")
    if ssh_host_key is not None and ssh_known_hosts is not None:
        error(f"{logname}: only one of sshKnownHosts and sshHostKey can be provided")


def ensureSshKeyNewline(privateKey: str) -> str:
    """A private key ended by a newline, without which ssh does not read it."""
    if privateKey.endswith(("\n", "\r")):
        return privateKey
    return privateKey + "\n"


def escapeShellArgIfNeeded(arg: str) -> str:
    """An argument in double quotes unless it is one plain word."""
    if re.match(r"^[a-zA-Z0-9_-]+$", arg):
        return arg
    escaped = re.sub(r'([\\"$`])', r"\\\1", arg)
    return f'"{escaped}"'


def getSshArgsForKeys(keyPath: str | None, knownHostsPath: str | None) -> list[str]:
    """Arguments for ``ssh``: never ask; this key and no other; these hosts."""
    args = ["-o", "BatchMode=yes"]
    if keyPath is not None:
        args += ["-i", keyPath, "-o", "IdentitiesOnly=yes"]
    if knownHostsPath is not None:
        args += ["-o", f"UserKnownHostsFile={knownHostsPath}", "-o", "StrictHostKeyChecking=yes"]
    return args


def getSshCommand(keyPath: str | None, knownHostsPath: str | None) -> str:
    """The command line that git is to call instead of ``ssh``."""
    return " ".join(["ssh", *(escapeShellArgIfNeeded(arg) for arg in getSshArgsForKeys(keyPath, knownHostsPath))])


def getSshWrapperScriptContents(keyPath: str | None, knownHostsPath: str | None = None) -> str:
    """A shell script that stands for ``ssh``, for git before 2.3."""
    return f'#!/bin/sh\n{getSshCommand(keyPath, knownHostsPath)} "$@"\n'


def getSshKnownHostsContents(hostKey: str) -> str:
    """A known_hosts file that expects this key of any host."""
    return f"* {hostKey}\n"


@attrs.frozen
class SshFiles:
    """Where the files for ssh lie, on the machine where git runs; None for what is not used."""

    key: str | None = None
    known_hosts: str | None = None
    wrapper: str | None = None

    def adjust(self, features: GitFeatures, args: list[str], env: dict[str, Any]) -> None:
        """Make a git command line (what follows ``git``) and its environment use these files."""
        if self.key is None and self.known_hosts is None:
            return
        command = getSshCommand(self.key, self.known_hosts)
        if features.ssh_command_config:
            args[:0] = ["-c", f"core.sshCommand={command}"]
        elif features.ssh_command_variable:
            env["GIT_SSH_COMMAND"] = command
        elif self.wrapper is not None:
            env["GIT_SSH"] = self.wrapper


PRIVATE = stat.S_IRUSR | stat.S_IWUSR
"""The mode of files with keys."""

PRIVATE_PROGRAM = PRIVATE | stat.S_IXUSR


# -- command lines ----------------------------------------------------------------------------------------------------


def config_args(config: Mapping[str, Any] | None) -> list[str]:
    """``-c name=value`` for each setting."""
    args: list[str] = []
    for name, value in (config or {}).items():
        args += ["-c", f"{name}={value}"]
    return args


DESCRIBE_FLAGS = ("all", "always", "contains", "debug", "long", "exact-match", "first-parent", "tags", "dirty")
_DESCRIBE_VALUES = ("abbrev", "candidates", "dirty", "exclude")


def describe_args(options: Mapping[str, Any] | bool) -> list[str]:
    """Arguments for ``git describe``; ``True`` and an empty mapping mean none.

    A flag is given for a value of True, ``--name=value`` for one that takes a value; False and None are left out.
    """
    if not isinstance(options, Mapping):
        return []
    args = [f"--{name}" for name in DESCRIBE_FLAGS if options.get(name) is True]
    if options.get("match") not in (None, False):
        args += ["--match", str(options["match"])]
    for name in _DESCRIBE_VALUES:
        value = options.get(name)
        if value is not None and value is not False and value is not True:
            args.append(f"--{name}={value}")
    return args


# -- references -------------------------------------------------------------------------------------------------------

HEADS = "refs/heads/"
TAGS = "refs/tags/"


@attrs.frozen
class RemoteRefs:
    """What ``git ls-remote`` said: which object each reference names, and where HEAD points."""

    objects: Mapping[str, str]  # full reference name → object id; annotated tags by the object of their commit
    head: str | None = None  # full name of the branch that HEAD points to, when the server tells


def parse_ls_remote(output: str) -> RemoteRefs:
    """Read the output of ``git ls-remote [--symref]``."""
    objects: dict[str, str] = {}
    head = None
    for line in output.splitlines():
        left, separator, name = line.partition("\t")
        if not separator:
            continue
        if left.startswith("ref: "):
            if name == "HEAD":
                head = left[len("ref: ") :]
        elif name.endswith("^{}"):
            objects[name[:-3]] = left
        elif re.fullmatch(r"[0-9a-f]{40,64}", left):
            objects[name] = left
    return RemoteRefs(objects, head)


def full_ref(name: str, tags: bool = False) -> str:
    """``master`` → ``refs/heads/master``; a full name as it is."""
    return name if name.startswith("refs/") else (TAGS if tags else HEADS) + name


def short_branch(ref: str) -> str:
    """``refs/heads/master`` → ``master``; any other reference as it is."""
    return ref[len(HEADS) :] if ref.startswith(HEADS) else ref


@attrs.frozen
class Commit:
    """One commit as a poller reports it."""

    revision: str
    author: str
    committer: str
    timestamp: int  # epoch seconds of the commit
    comments: str
    files: Sequence[str]
    parents: Sequence[str] = ()


_FIELDS = ("%H", "%P", "%an <%ae>", "%cn <%ce>", "%ct", "%B")


def log_args(boundary: str, encoding: str) -> list[str]:
    """``git log`` of the commits named on standard input, to be read by :func:`parse_log`.

    Names of files are those that differ from the first parent.  ``boundary`` is a word nobody can guess: what a
    commit contains can then never be taken for the end of it.
    """
    form = "%x00".join(["", boundary, *_FIELDS, ""])
    return [
        *("log", "-z", "--no-walk=unsorted", "--stdin", "--name-only", "--no-renames", "-m", "--first-parent"),
        *("--root", "--no-color", "--no-show-signature", f"--encoding={encoding}", f"--format=tformat:{form}"),
    ]


def parse_log(output: bytes, boundary: str, encoding: str) -> list[Commit]:
    """What ``git log`` printed for :func:`log_args`, in its order.

    Bytes that are not of ``encoding`` (file names: UTF-8) are replaced.
    """
    commits = []
    for record in output.split(b"\0" + boundary.encode() + b"\0")[1:]:
        revision, parents, author, committer, when, comments, *names = record.split(b"\0")
        commits.append(
            Commit(
                revision.decode("ascii"),
                author.decode(encoding, "replace"),
                committer.decode(encoding, "replace"),
                int(when),
                comments.decode(encoding, "replace").strip("\n"),
                [file for name in names if (file := name.lstrip(b"\n").decode("utf-8", "replace"))],
                parents.decode("ascii").split(),
            )
        )
    return commits


def _file_names(parts: list[bytes]) -> list[bytes]:
    """What stands behind the message: an empty part or two, then names, of which the first begins with a newline."""
    names = [part for part in parts if part]
    return [names[0].removeprefix(b"\n"), *names[1:]] if names else []


def chunked(items: Iterable[str], limit: int = 20_000) -> Iterable[list[str]]:
    """Lists of arguments, each short enough (``limit`` characters) for any system's command line."""
    chunk: list[str] = []
    size = 0
    for item in items:
        if chunk and size + len(item) > limit:
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += len(item) + 1
    if chunk:
        yield chunk
