"""Expectations of the commands that run programs and look after files on a worker."""

from __future__ import annotations

import stat as modes
from collections.abc import Mapping
from typing import Any, Self

from buildmaster.testing.expect import Expect, given


class ExpectShell(Expect):
    """``shell``: a command line or list of arguments."""

    defaults = {
        "env": {},
        "logfiles": {},
        "usePTY": False,
        "logEnviron": True,
        "want_stdout": 1,
        "want_stderr": 1,
        "interruptSignal": "KILL",
    }

    def __init__(
        self,
        workdir: Any,
        command: Any,
        env: Mapping[str, Any] | None = None,
        want_stdout: Any = 1,
        want_stderr: Any = 1,
        initial_stdin: Any = None,
        timeout: float | None = 20 * 60,
        max_time: float | None = None,
        max_lines: int | None = None,
        sigterm_time: float | None = None,
        logfiles: Mapping[str, Any] | None = None,
        use_pty: Any = False,
        log_environ: bool = True,
        interrupt_signal: str | None = "KILL",
    ) -> None:
        args = {
            "workdir": workdir,
            "command": command,
            "env": dict(env or {}),
            "want_stdout": want_stdout,
            "want_stderr": want_stderr,
            "initial_stdin": initial_stdin,
            "timeout": timeout,
            "maxTime": max_time,
            "max_lines": max_lines,
            "sigtermTime": sigterm_time,
            "logfiles": dict(logfiles or {}),
            "usePTY": use_pty,
            "logEnviron": log_environ,
            "interruptSignal": interrupt_signal,
        }
        super().__init__("shell", args)

    def __repr__(self) -> str:
        return f"ExpectShell({self.args['workdir']!r}, {self.args['command']!r})"


class ExpectStat(Expect):
    """``stat`` of a file."""

    def __init__(self, file: Any, workdir: Any = None, log_environ: bool | None = None) -> None:
        super().__init__("stat", given({"file": file, "workdir": workdir, "logEnviron": log_environ}))

    def stat(
        self,
        mode: int,
        inode: int = 99,
        dev: int = 99,
        nlink: int = 1,
        uid: int = 0,
        gid: int = 0,
        size: int = 99,
        atime: float = 0,
        mtime: float = 0,
        ctime: float = 0,
    ) -> Self:
        """Then it tells these fields of :func:`os.stat`."""
        return self.update("stat", (mode, inode, dev, nlink, uid, gid, size, atime, mtime, ctime))

    def stat_file(self, mode: int = 0, size: int = 99, atime: float = 0, mtime: float = 0, ctime: float = 0) -> Self:
        """Then it is a regular file."""
        return self.stat(modes.S_IFREG | mode, size=size, atime=atime, mtime=mtime, ctime=ctime)

    def stat_dir(self, mode: int = 0, size: int = 99, atime: float = 0, mtime: float = 0, ctime: float = 0) -> Self:
        """Then it is a directory."""
        return self.stat(modes.S_IFDIR | mode, size=size, atime=atime, mtime=mtime, ctime=ctime)


class ExpectMkdir(Expect):
    """``mkdir``."""

    def __init__(self, dir: Any = None, log_environ: bool | None = None) -> None:
        super().__init__("mkdir", given({"dir": dir, "logEnviron": log_environ}))


class ExpectRmdir(Expect):
    """``rmdir``."""

    def __init__(
        self, dir: Any = None, log_environ: bool | None = None, timeout: float | None = None, path: Any = None
    ) -> None:
        super().__init__("rmdir", given({"dir": dir, "logEnviron": log_environ, "timeout": timeout, "path": path}))


class ExpectCpdir(Expect):
    """``cpdir``."""

    def __init__(
        self,
        fromdir: Any = None,
        todir: Any = None,
        log_environ: bool | None = None,
        timeout: float | None = None,
        max_time: float | None = None,
    ) -> None:
        args = {"fromdir": fromdir, "todir": todir, "logEnviron": log_environ, "timeout": timeout, "maxTime": max_time}
        super().__init__("cpdir", given(args))


class ExpectRmfile(Expect):
    """``rmfile``."""

    def __init__(self, path: Any = None, log_environ: bool | None = None) -> None:
        super().__init__("rmfile", given({"path": path, "logEnviron": log_environ}))


class _ExpectFiles(Expect):
    def files(self, files: Any = None) -> Self:
        """Then it tells these names."""
        return self.update("files", list(files or []))


class ExpectGlob(_ExpectFiles):
    """``glob``."""

    def __init__(self, path: Any = None, log_environ: bool | None = None) -> None:
        super().__init__("glob", given({"path": path, "logEnviron": log_environ}))


class ExpectListdir(_ExpectFiles):
    """``listdir``."""

    def __init__(self, dir: Any = None) -> None:
        super().__init__("listdir", given({"dir": dir}))
