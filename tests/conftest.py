"""What all tests share: tools that a machine may lack, and the rule that under --require-all a skip is a failure."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from glob import glob
from pathlib import Path
from typing import Any

import pytest

TOOLS: dict[str, tuple[str, ...]] = {
    "git": ("git",),
    "ssh": ("ssh",),
    "ssh-keygen": ("ssh-keygen",),
    "svn": ("svn",),
    "svnadmin": ("svnadmin",),
    "hg": ("hg",),
    "bzr": ("bzr",),
    "cvs": ("cvs",),
    "darcs": ("darcs",),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "mariadbd": ("mariadbd", "/usr/sbin/mariadbd", "mysqld"),
    "mariadb-install-db": ("mariadb-install-db", "mysql_install_db"),
    "postgres": ("postgres", "/usr/lib/postgresql/*/bin/postgres"),
    "initdb": ("initdb", "/usr/lib/postgresql/*/bin/initdb"),
    "buildbot-worker": ("buildbot-worker",),
    "buildbot": ("buildbot",),
    "pass": ("pass",),
    "gpg": ("gpg",),
    "slapd": ("slapd", "/usr/sbin/slapd"),
    "slapadd": ("slapadd", "/usr/sbin/slapadd"),
    "dockerd": ("dockerd", "/usr/sbin/dockerd"),
    "qemu-img": ("qemu-img",),
    "libvirt": (f"/usr/lib/python3/dist-packages/libvirtmod.cpython-{sys.version_info[0]}{sys.version_info[1]}-*.so",),
}
"""System programs that tests may ask for: name → where to look, the first that is there."""


def find_tool(name: str) -> str | None:
    """The path of a program of :data:`TOOLS`, looked for beside Python first; None if this machine has none."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    for place in TOOLS[name]:
        found = shutil.which(place, path=path) or next(iter(sorted(glob(place), reverse=True)), None)
        if found:
            return found
    return None


def require_tool(name: str) -> str:
    """The path of a program; skips the calling test, naming it, if this machine has none."""
    found = find_tool(name)
    if found is None:
        pytest.skip(f"needs {name}, which is not on this machine")
    return found


@pytest.fixture
def tool() -> Callable[[str], str]:
    """``tool("svn")`` is the path of that program; the test is skipped by name where there is none."""
    return require_tool


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare ``--require-all``."""
    parser.addoption(
        "--require-all", action="store_true", help="A skipped test is a failure: every tool has to be there."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line("markers", "needs(*names): system tools or Python packages that the test uses")
    config.addinivalue_line("markers", "taken_with(*names): deselected where one of these is not on the machine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, without counting it as skipped, what is marked ``taken_with`` a tool that no run has to have."""
    left_out = [item for item in items if any(map(_misses, item.iter_markers("taken_with")))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _misses(mark: pytest.Mark) -> bool:
    return os.geteuid() != 0 or any(find_tool(name) is None for name in mark.args)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``needs("svn", "psycopg")`` by the name of what is missing."""
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if name in TOOLS:
                require_tool(name)
            elif importlib.util.find_spec(name) is None:
                pytest.skip(f"needs {name}, which is not on this machine")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[None]:
    """Under ``--require-all``, turn a skip into a failure that says what was missing."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and item.config.getoption("--require-all") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, and --require-all allows no skip: {reason}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count the skipped tests by what they lacked."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"skipped {count}: {reason}")


@pytest.fixture
def root() -> Path:
    """The checkout that the tests lie in."""
    return Path(__file__).resolve().parent.parent
