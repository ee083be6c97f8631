"""The databases on which every contract of the core has to hold: SQLite (threads, inline), PostgreSQL, MariaDB."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.db.engine import Database
from buildmaster.db.executors import InlineExecutor, ThreadExecutor
from tests.support.pump import InlinePump, Pump
from tests.support.servers import MariadbServer, PostgresServer, Server, temporary_root

KINDS = ["sqlite", "inline", "postgresql", "mariadb"]
SERVERS = {"postgresql": (PostgresServer, ("initdb", "postgres"), "psycopg"),
           "mariadb": (MariadbServer, ("mariadb-install-db", "mariadbd"), "pymysql")}  # fmt: skip


class Place:
    """A database in which a test may open as many masters as it likes."""

    def __init__(self, kind: str, basedir: Path, server: Server | None) -> None:
        self.kind = kind
        self.basedir = basedir
        self.server = server
        self.pump: Pump = InlinePump() if kind == "inline" else Pump()
        self._open: list[Database] = []

    @property
    def url(self) -> str:
        return self.server.url() if self.server is not None else "sqlite:///state.sqlite"

    def wait(self, value: Any, seconds: float = 60) -> Any:
        return self.pump.wait(value, seconds)

    def unopened(self, pump: Pump | None = None) -> Database:
        pump = pump or self.pump
        executor: Any
        if self.kind == "inline":
            executor = InlineExecutor(pump)  # type: ignore[arg-type]
        else:
            executor = ThreadExecutor(pump.callFromThread)
        return Database(self.url, str(self.basedir), executor, pump)  # type: ignore[arg-type]

    def open(self, pump: Pump | None = None) -> Database:
        """Another process's view of the same database."""
        db = self.unopened(pump)
        (pump or self.pump).wait(db.open(create=True))
        self._open.append(db)
        return db

    def close(self) -> None:
        for db in self._open:
            self.wait(db.close())


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Server]]:
    """Servers by kind, started when first asked for."""
    from tests.conftest import require_tool

    started: dict[str, Server] = {}

    def get(kind: str) -> Server:
        if kind not in started:
            cls, tools, module = SERVERS[kind]
            pytest.importorskip(module)
            for name in tools:
                require_tool(name)
            server = cls(require_tool, temporary_root(kind))
            server.create()
            started[kind] = server
        return started[kind]

    yield get
    for server in started.values():
        server.stop()
        shutil.rmtree(server.root, ignore_errors=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, servers: Callable[[str], Server]) -> Iterator[Place]:
    """An empty database of the kind that the test is parametrized with."""
    kind = request.param
    server = None
    if kind in SERVERS:
        server = servers(kind)
        server.clean()
    here = Place(kind, tmp_path, server)
    yield here
    here.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for ``place`` on every kind, or on those of its ``only_on`` mark."""
    if "place" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("only_on")
        metafunc.parametrize("place", list(mark.args) if mark else KINDS, indirect=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only_on(*kinds): the databases a contract test is about")
