"""Real database servers of the test's own: started in a directory, killed and started again at will."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from buildmaster.db import dialects, migrate, schema
from tests.support.commands import free_port


def empty(engine: sa.Engine) -> None:
    """Remove all tables."""
    with engine.connect() as conn, conn.begin():
        found = sa.MetaData()
        found.reflect(conn)
        found.drop_all(conn)


class Server:
    """A server process in a directory; ``url(database)`` is how to reach one of its databases."""

    database = "contract"

    def __init__(self, binaries: Callable[[str], str], root: Path) -> None:
        self._bin = binaries
        self.root = root
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        # servers refuse to run as root
        self._as: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}
        if self._as:
            shutil.chown(root, "nobody", "nogroup")

    def _run(self, *argv: str) -> None:
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.root, **self._as)

    def _spawn(self, *argv: str) -> None:
        with open(self.root / "server.log", "ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.root, **self._as)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._launch()
        until = time.monotonic() + 60
        while True:
            try:
                with contextlib.closing(self._probe()):
                    return
            except Exception as e:
                if time.monotonic() > until or (self.process is not None and self.process.poll() is not None):
                    raise RuntimeError(f"the server did not start: {(self.root / 'server.log').read_text()}") from e
                assert self.process is not None
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(0.05)

    def kill(self) -> None:
        """``kill -9``."""
        assert self.process is not None
        self._kill_all()
        self.process.wait(30)

    def _kill_all(self) -> None:
        assert self.process is not None
        self.process.kill()

    def stop(self) -> None:
        """End it and throw its directory away."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT if isinstance(self, PostgresServer) else signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def _launch(self) -> None:
        raise AssertionError("each kind of server has its own way")

    def _probe(self) -> Any:
        raise AssertionError("each kind of server has its own way")

    def url(self) -> str:
        raise AssertionError("each kind of server has its own way")

    def clean(self) -> None:
        """Create the tables, or empty those that are there."""
        url = dialects.parse_url(self.url(), str(self.root))
        engine = dialects.create_engine(url, True)
        with engine.connect() as conn:
            migrate.check(conn, create=True)
            with conn.begin():
                conn.execute(sa.update(schema.codebase_commits).values(parent_commitid=None))
                for table in reversed(schema.metadata.sorted_tables):
                    conn.execute(table.delete())
                migrate.fill(conn)
        engine.dispose()


class PostgresServer(Server):
    """PostgreSQL."""

    def create(self) -> None:
        self._run(
            self._bin("initdb"), "-D", str(self.root / "data"), "-U", "test", "-A", "trust", "--no-sync", "-E", "UTF8"
        )
        self.start()
        with contextlib.closing(self._probe()) as conn:
            conn.execute(f"CREATE DATABASE {self.database}")

    def _launch(self) -> None:
        self._spawn(
            self._bin("postgres"), "-D", str(self.root / "data"), "-p", str(self.port), "-k", str(self.root),
            "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=50",
        )  # fmt: skip

    def _kill_all(self) -> None:
        # the postmaster's children go with it when it is killed; the next start waits for them
        super()._kill_all()
        assert self.process is not None
        self.process.wait(30)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.root / "data" / "postmaster.pid")
        subprocess.run(["pkill", "-9", "-f", f"postgres.*{self.port}|{self.root}"], check=False)

    def _probe(self) -> Any:
        import psycopg

        return psycopg.connect(f"postgresql://test@127.0.0.1:{self.port}/postgres", autocommit=True, connect_timeout=2)

    def url(self) -> str:
        return f"postgresql://test@127.0.0.1:{self.port}/{self.database}"


class MariadbServer(Server):
    """MariaDB."""

    def create(self) -> None:
        self._run(
            self._bin("mariadb-install-db"), f"--datadir={self.root}/data", "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )  # fmt: skip
        self.start()
        with contextlib.closing(self._probe()) as conn:
            conn.cursor().execute(f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")

    def _launch(self) -> None:
        self._spawn(
            self._bin("mariadbd"), "--no-defaults", f"--datadir={self.root}/data", f"--socket={self.root}/s",
            f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.root}/pid",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M", "--skip-name-resolve",
        )  # fmt: skip

    def _probe(self) -> Any:
        import pymysql

        return pymysql.connect(unix_socket=f"{self.root}/s", user="root", connect_timeout=2)

    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/{self.database}"


def temporary_root(name: str) -> Path:
    """A directory with a short path (sockets), readable by the user that servers run as."""
    root = Path(tempfile.mkdtemp(prefix=f"bm-{name}-"))
    root.chmod(0o755)
    return root
