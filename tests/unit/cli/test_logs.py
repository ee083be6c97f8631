"""One log for three logging systems."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from twisted.application import service
from twisted.logger import ILogObserver, Logger
from twisted.python import log as legacy

from buildmaster.cli import logs
from buildmaster.master import BuildMaster
from buildmaster.testing.master import MemoryReactor


@pytest.fixture
def log_file(tmp_path: Path):
    """A file that receives everything while the test runs."""
    file = logs.rotating_file(tmp_path / "twistd.log", rotate_length=2000, kept=2)
    observer = legacy.FileLogObserver(file)
    root, level = logging.getLogger(), logging.getLogger().level
    application = service.Application("buildmaster")
    application.setComponent(ILogObserver, observer.emit)
    master = BuildMaster(str(tmp_path), reactor=MemoryReactor())
    master.secrets_manager.given.use("hunter2", "pw")
    master.setServiceParent(application)
    used = logs.start_logging(application, tmp_path / "unused.log", daemon=False)
    yield tmp_path / "twistd.log"
    legacy.removeObserver(used)
    for handler in [h for h in root.handlers if isinstance(h, logs.FromStandardLogging)]:
        root.removeHandler(handler)
    root.setLevel(level)
    file.close()


def test_legacy_messages_arrive(log_file):
    legacy.msg("from the legacy system")
    assert "from the legacy system" in log_file.read_text()


def test_structured_messages_arrive_with_their_fields(log_file):
    Logger(namespace="here").info("built {name} in {seconds:.1f} s", name="x", seconds=2)
    assert "built x in 2.0 s" in log_file.read_text()


def test_a_failure_arrives_with_its_traceback(log_file):
    try:
        raise ValueError("broken {brace}")
    except ValueError:
        Logger(namespace="here").failure("it failed")
    text = log_file.read_text()
    assert "it failed" in text
    assert "broken {brace}" in text
    assert "test_a_failure_arrives_with_its_traceback" in text


def test_pythons_own_logging_arrives_with_the_loggers_name(log_file):
    logging.getLogger("some.library").warning("careful, %s {}", "user")
    assert "[some.library] careful, user {}" in log_file.read_text()


def test_no_secret_of_a_master_arrives_by_whatever_way(log_file):
    legacy.msg("by hunter2")
    legacy.msg(format="by %(what)s", what="hunter2")
    Logger(namespace="here").info("by {what}", what="hunter2")
    logging.getLogger("some.library").warning("by hunter2")
    try:
        raise ValueError("because of hunter2 {brace}")
    except ValueError:
        Logger(namespace="here").failure("by failure of hunter2")
        legacy.err(None, "by error of hunter2")
    text = log_file.read_text()
    assert "hunter2" not in text
    assert text.count("by <pw>") == 4
    assert text.count("because of <pw> {brace}") == 4  # in the source line that is quoted, too
    assert "by failure of <pw>" in text
    assert "by error of <pw>" in text


def test_the_file_is_begun_anew_at_its_size_and_old_ones_go(log_file):
    for n in range(200):
        legacy.msg(f"line {n} " + "x" * 50)
    names = sorted(p.name for p in log_file.parent.iterdir())
    assert names == ["twistd.log", "twistd.log.1", "twistd.log.2"]
    assert "line 199" in log_file.read_text()
