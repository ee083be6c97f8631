"""Secrets in a password store, read with the program ``pass`` (https://www.passwordstore.org)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.net.childprocess import ChildProcess, ProcessTimedOut
from buildmaster.secrets.providers.base import SecretProviderBase, SecretUnavailable

SECONDS = 60.0
"""How long ``pass`` may take."""

MAX_BYTES = 1024 * 1024


class SecretInPass(SecretProviderBase):
    """A secret is the first line of the entry of its name in a password store.

    ``dirname`` is the store's directory (default: that of ``pass``, which is ``$PASSWORD_STORE_DIR`` or
    ``~/.password-store``).  ``gpgPassphrase`` opens the key with which it is encrypted, if that has a pass phrase; gpg
    is given it in a file that only the master can read, never on a command line.
    """

    name = "SecretInPass"

    def checkConfig(self, gpgPassphrase: str | None = None, dirname: str | None = None) -> None:
        if shutil.which("pass") is None:
            error("SecretInPass: there is no program 'pass' in the PATH; install the package pass")
        if gpgPassphrase is not None and not isinstance(gpgPassphrase, str):
            error(f"SecretInPass: gpgPassphrase must be a text, not an object of {type(gpgPassphrase).__name__}")
        if dirname is not None and not os.path.isdir(dirname):
            error(f"SecretInPass: the directory {dirname} does not exist; run: PASSWORD_STORE_DIR={dirname} pass init")

    def reconfigService(self, gpgPassphrase: str | None = None, dirname: str | None = None) -> None:
        self._passphrase = gpgPassphrase
        default = os.environ.get("PASSWORD_STORE_DIR") or os.path.expanduser("~/.password-store")
        self._store = Path(dirname or default)

    @deferred
    async def get(self, entry: str) -> str | None:
        """The first line of an entry; None if there is no such entry."""
        if "\0" in entry or ".." in entry.split("/") or not (self._store / f"{entry.lstrip('/')}.gpg").is_file():
            return None
        with _passphrase_file(self._passphrase) as path:
            shown = await self._run(entry, self._environment(path))
        lines = shown.decode("utf-8", "replace").splitlines()
        return lines[0] if lines else ""

    def _environment(self, passphrase_file: str | None) -> Mapping[str, str]:
        env = {**os.environ, "PASSWORD_STORE_DIR": str(self._store)}
        if passphrase_file is not None:
            options = f"--batch --pinentry-mode loopback --passphrase-file {passphrase_file}"
            env["PASSWORD_STORE_GPG_OPTS"] = f"{env.get('PASSWORD_STORE_GPG_OPTS', '')} {options}".strip()
        return env

    async def _run(self, entry: str, env: Mapping[str, str]) -> bytes:
        child = ChildProcess(self.master.reactor, timeout=SECONDS, max_output=MAX_BYTES)
        try:
            result = await child.start(["pass", "show", "--", entry], env=env)
        except (OSError, ProcessTimedOut) as why:
            raise SecretUnavailable(f"'pass show {entry}' failed: {why}") from why
        if result.rc != 0:
            words = result.stderr.decode("utf-8", "replace").strip() or f"exit code {result.rc}"
            raise SecretUnavailable(f"'pass show {entry}' failed: {words}")
        return result.stdout


@contextmanager
def _passphrase_file(passphrase: str | None) -> Iterator[str | None]:
    """A file with the pass phrase, there only inside of the block; None without one."""
    if passphrase is None:
        yield None
        return
    fd, path = tempfile.mkstemp(prefix="buildmaster-")  # readable by its owner only
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(passphrase + "\n")
        yield path
    finally:
        os.unlink(path)
