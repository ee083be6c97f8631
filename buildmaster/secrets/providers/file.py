"""Secrets in files of a directory, one in each."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from buildmaster.base.errors import error
from buildmaster.secrets.providers.base import SecretProviderBase, SecretUnavailable

_OTHERS = stat.S_IROTH | stat.S_IWOTH | stat.S_IXOTH


class SecretInAFile(SecretProviderBase):
    """Each file in the directory ``dirname`` holds the secret that is called like the file.

    With ``suffixes``, a list of endings, only files with one of these count, and the secret is called like the file
    without it.  ``strip`` takes line ends off the end of the text.

    Files that everybody may read (or write, or execute) are refused, on POSIX.  A file is read whenever its secret is
    asked for, so that a changed secret needs no reconfiguration.
    """

    name = "SecretInAFile"

    def checkConfig(self, dirname: Any, suffixes: Sequence[str] | None = None, strip: bool = True) -> None:
        if not isinstance(dirname, str | os.PathLike):
            error(f"SecretInAFile: dirname must be the path of a directory, not {dirname!r}")
            return
        if suffixes is not None and (isinstance(suffixes, str) or not all(isinstance(one, str) for one in suffixes)):
            error(f"SecretInAFile: suffixes must be a list of file name endings, say ['.key'], not {suffixes!r}")
            return
        try:
            paths = sorted(Path(dirname).iterdir())
        except OSError as why:
            error(f"SecretInAFile: the directory {os.fspath(dirname)} can't be read: {why.strerror}")
            return
        for path in paths:
            if path.name.endswith(tuple(suffixes or [""])) and path.is_file():
                wrong = _too_open(path)
                if wrong:
                    error(f"SecretInAFile: {wrong}")

    def reconfigService(  # type: ignore[override]
        self, dirname: Any, suffixes: Sequence[str] | None = None, strip: bool = True
    ) -> None:
        self._directory = Path(dirname)
        self._suffixes = list(suffixes or [""])
        self._strip = strip

    def get(self, entry: str) -> str | None:
        """The text of the file for this key; raises SecretUnavailable if it must not be, or cannot be, used."""
        for suffix in self._suffixes:
            name = entry + suffix
            if name in ("", ".", "..") or "\0" in name or os.path.basename(name) != name:
                return None
            path = self._directory / name
            if path.is_file():
                return self._text(path)
        return None

    def _text(self, path: Path) -> str:
        wrong = _too_open(path)
        if wrong:
            raise SecretUnavailable(wrong)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as why:
            raise SecretUnavailable(f"the secret file {path} can't be read: {why.strerror}") from None
        except UnicodeDecodeError:
            raise SecretUnavailable(f"the secret file {path} is not UTF-8 text") from None
        return text.rstrip("\r\n") if self._strip else text


def _too_open(path: Path) -> str | None:
    """What is wrong with a file's permissions; None if nothing is."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name != "posix" or not mode & _OTHERS:
        return None
    return (
        f"permissions {mode:#o} on the secret file {path} are too open: nobody but its owner and group may use it; "
        f"run: chmod o= {path}"
    )
