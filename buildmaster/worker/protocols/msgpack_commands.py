"""Commands as the MessagePack protocol spells them, from those of Perspective Broker, in which steps speak.

Differences: paths are absolute; ``uploadFile``, ``uploadDirectory`` and ``downloadFile`` are ``upload_file``,
``upload_directory`` and ``download_file`` with a ``path``; writers and readers are not arguments but requests of their
own; ``mkdir`` and ``rmdir`` take ``paths``, ``cpdir`` ``from_path`` and ``to_path``, the others ``path``; items of a
shell command can't be obfuscated.  Commands that are not known here go as they are.
"""

from __future__ import annotations

import ntpath
import posixpath
import shlex
from collections.abc import Callable, Sequence
from typing import Any

import attrs
from twisted.internet import defer
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from buildmaster.worker.protocols.commands import RunningCommand
from buildmaster.worker.protocols.updates import WorkerMisbehaved

NAMES = {"uploadFile": "upload_file", "uploadDirectory": "upload_directory", "downloadFile": "download_file"}
"""Commands that have another name here."""

_SOURCES = ("workersrc", "slavesrc")
_DESTINATIONS = ("workerdest", "slavedest")


@attrs.frozen
class Place:
    """Where a builder's files lie on the worker."""

    system: str
    """``nt`` on Windows, ``posix`` elsewhere."""
    basedir: str
    """The worker's directory."""
    builddir: str
    """The builder's, relative to that."""
    home: str | None = None
    """What a leading ``~`` of an uploaded or downloaded file's path stands for."""

    @property
    def paths(self) -> Any:
        """The path module of the worker's system."""
        return ntpath if self.system in ("nt", "win32") else posixpath

    def absolute(self, *parts: Any) -> str:
        """The absolute path of what is given relative to the builder's directory."""
        texts = [part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in parts]
        return self.paths.normpath(self.paths.join(self.basedir, self.builddir, *texts))

    def expanded(self, path: str) -> str:
        """The path with a leading ``~/`` replaced by the worker's home directory."""
        if self.home and isinstance(path, str) and path.startswith(("~/", "~\\")):
            return self.paths.join(self.home, path[2:])
        return path


def translate(name: str, args: dict[str, Any], place: Place) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a command for the wire; the writer and reader must have been taken out of ``args``."""
    translator = _TRANSLATORS.get(name)
    return NAMES.get(name, name), dict(args) if translator is None else translator(dict(args), place)


def _shell(args: dict[str, Any], place: Place) -> dict[str, Any]:
    args["workdir"] = place.absolute(args.get("workdir") or "")
    if not isinstance(args.get("usePTY", False), bool):
        pty = args.pop("usePTY")
        if isinstance(pty, int):
            args["usePTY"] = bool(pty)
    return args


def _file(keys: Sequence[str]) -> Callable[[dict[str, Any], Place], dict[str, Any]]:
    def translate_transfer(args: dict[str, Any], place: Place) -> dict[str, Any]:
        given = [args.pop(key) for key in keys if key in args]
        workdir = args.pop("workdir", "") or ""
        if given:
            args["path"] = place.absolute(workdir, place.expanded(given[0]))
        return args

    return translate_transfer


def _path(key: str) -> Callable[[dict[str, Any], Place], dict[str, Any]]:
    def translate_path(args: dict[str, Any], place: Place) -> dict[str, Any]:
        args.pop("workdir", None)  # these paths are relative to the builder's directory
        if key in args:
            args["path"] = place.absolute(args.pop(key))
        return args

    return translate_path


def _paths(args: dict[str, Any], place: Place) -> dict[str, Any]:
    given = args.pop("dir", [])
    args["paths"] = [place.absolute(each) for each in (given if isinstance(given, list | tuple) else [given])]
    return args


def _cpdir(args: dict[str, Any], place: Place) -> dict[str, Any]:
    for old, new in (("fromdir", "from_path"), ("todir", "to_path")):
        if old in args:
            args[new] = place.absolute(args.pop(old))
    return args


_TRANSLATORS: dict[str, Callable[[dict[str, Any], Place], dict[str, Any]]] = {
    "shell": _shell,
    "uploadFile": _file(_SOURCES),
    "uploadDirectory": _file(_SOURCES),
    "downloadFile": _file(_DESTINATIONS),
    "mkdir": _paths,
    "rmdir": _paths,
    "cpdir": _cpdir,
    "stat": _path("file"),
    "glob": _path("path"),
    "listdir": _path("dir"),
    "rmfile": _path("path"),
}


class Hidden:
    """The words of a command that its log may not show.

    This protocol has no way to tell the worker which they are, so they are replaced here in what it tells about the
    command (its headers).
    """

    def __init__(self) -> None:
        self._pairs: dict[str, str] = {}

    def taken_from(self, command: Any) -> Any:
        """The command with the real words for ``('obfuscated', real, shown)``."""
        if not isinstance(command, list | tuple):
            return command
        return [self._word(word) for word in command]

    def _word(self, word: Any) -> Any:
        if not (isinstance(word, tuple) and len(word) == 3 and word[0] == "obfuscated"):
            return word
        real, shown = (part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in word[1:])
        if real:
            for spelling in (real, shlex.quote(real), repr(real)[1:-1], repr(real.encode())[2:-1]):
                self._pairs[spelling] = shown
        return real

    def out_of(self, text: str) -> str:
        """The text with the shown words for the real ones."""
        for real in sorted(self._pairs, key=len, reverse=True):
            text = text.replace(real, self._pairs[real])
        return text


def updates_of(args: Any, hidden: Hidden) -> Any:
    """``[[key, value], …]`` as Perspective Broker's ``[[{key: value}, 0], …]``.

    Texts come as ``[text, places of line ends, times]``.  What has another form stays as it is, for the check to find.
    """
    if not isinstance(args, list):
        return args
    return [_update_of(item, hidden) for item in args]


def _update_of(item: Any, hidden: Hidden) -> Any:
    if not (isinstance(item, list) and len(item) == 2 and isinstance(item[0], str)):
        return item
    key, value = item
    if key in ("stdout", "stderr"):
        value = _text_of(value)
    elif key == "header":
        value = _text_of(value)
        value = hidden.out_of(value) if isinstance(value, str) else value
    elif key == "log" and isinstance(value, list) and len(value) == 2:
        value = [value[0], _text_of(value[1])]
    return [{key: value}, 0]


def _text_of(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 3 else value


@attrs.define(eq=False)
class Command:
    """A command that runs on the worker, and its files."""

    running: RunningCommand
    writer: Any = None
    reader: Any = None
    hidden: Hidden = attrs.field(factory=Hidden)

    def use(self, file: Any, method: str, *args: Any) -> Any:
        """Have the worker use one of the files."""
        if file is None:
            raise WorkerMisbehaved("the command has no such file")
        return self.running.serve(lambda: getattr(file, method)(*args))


class OwnCommand:
    """The owner of a command that the connection itself runs."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.done: defer.Deferred[None] = defer.Deferred()

    def remote_update(self, updates: Any) -> None:
        """Keep what comes."""
        for update, _ in updates:
            self.values |= update

    def remote_complete(self, failure: Failure | None = None) -> None:
        """It has ended."""
        if not self.done.called:
            self.done.callback(None) if failure is None else self.done.errback(failure)

    def lost(self) -> None:
        """The connection is lost."""
        self.remote_complete(Failure(ConnectionLost("the connection of the worker was lost")))
