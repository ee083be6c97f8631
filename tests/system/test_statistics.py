"""InfluxDB as a real HTTP server plays it, on a live master; and the guide's configuration as it is printed."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from buildmaster.plugins import statistics, util
from buildmaster.testing.worker import ScriptedWorker
from tests.support.live_builds import LiveBuilds
from tests.support.live_master import LiveMaster
from tests.support.printed import printed_config
from tests.support.real_reactor import run
from tests.support.web_service import Service, serving

STAMP = {"repository": "r", "branch": "main"}


@pytest.fixture
def influx():
    with serving() as service:
        service.answers = {"POST /write": (204, b"")}
        yield service


def lines(asked: Any) -> list[str]:
    """What was written, without the time."""
    return [re.sub(r" \d{19}$", "", line) for line in asked.body.decode().split("\n")]


def storage(influx: Service, *captures: Any) -> Any:
    host, port = influx.url.removeprefix("http://").split(":")
    return statistics.InfluxStorageService(
        host, int(port), "ci", util.Interpolate("se%(kw:x)s", x="cret"), "a db", list(captures)
    )


def stats(*storages: Any) -> list[Any]:
    return [statistics.StatsService(name="stats", storage_backends=list(storages))]


def test_points_are_written_once_the_server_takes_them(influx, tmp_path, monkeypatch):
    """A wrong password, a missing database and an overloaded server are waited for; what is refused is left out."""
    monkeypatch.setattr("buildmaster.mq.failing.FIRST_PAUSE", 0.01)
    said = iter([(401, b"who?"), (404, b"database not found"), (503, b"busy"), (429, b"slow")])
    influx.answers["POST /write"] = lambda asked: next(said, (204, b""))
    captures = [statistics.CaptureBuildEndTime("good", callback=lambda end: 7), statistics.CaptureProperty("good", "p")]
    with LiveBuilds(tmp_path / "master", stats(storage(influx, *captures))) as master:
        master.build(STAMP, {"p": 'a "b"'})
        asked = influx.wait_for(5)
        influx.answers["POST /write"] = (400, b"partial write: field type conflict")
        master.build(STAMP, {"p": 1})
        influx.wait_for(6)
        influx.answers["POST /write"] = (204, b"")
        master.build(STAMP, {"p": 2.5})
        refused, last = influx.wait_for(7)[5:]
    tags = "build_number=1,builder_name=good"
    assert lines(asked[0]) == [f"good-build-times,{tags} end-time=7i", f'good-p,{tags} name="p",value="a \\"b\\""']
    assert {one.body for one in asked} == {asked[0].body}
    assert asked[0].args == {"db": "a db"}
    assert base64.b64decode(asked[0].headers["authorization"].removeprefix("Basic ")) == b"ci:secret"
    assert 'build_number=2,builder_name=good name="p",value=1i' in lines(refused)[1]
    assert lines(last)[1] == 'good-p,build_number=3,builder_name=good name="p",value=2.5'
    assert len(influx.asked) == 7


def test_a_value_may_be_written_from_any_thread(influx, tmp_path):
    """The documented method of the class, which a storage of one's own may call."""
    made = storage(influx)
    with LiveBuilds(tmp_path / "master", stats(made)) as master:
        run(master.live.master.in_thread(made.thd_postStatsValue, {"a": 1}, "own series", {"builder_name": "b"}))
    assert lines(influx.asked[0]) == ["own\\ series,builder_name=b a=1i"]


def test_the_configuration_of_the_guide(influx, tmp_path: Path, root: Path):
    """docs/howto/keep_statistics.cfg"""
    host, port = influx.url.removeprefix("http://").split(":")
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "influx-password").write_text("hidden")
    (secrets / "influx-password").chmod(0o600)
    stands_for = {
        "influx.example.org": host,
        "8086": port,
        "tcp:9989:": "tcp:0:",
        '"secrets")': f'"{secrets}")',
    }
    config = printed_config(root / "docs" / "howto" / "keep_statistics.cfg", stands_for)

    async def script(command: Any) -> None:
        command.out("87.5%\n" if "./coverage" in command.args["command"] else "1234\t.\n")
        command.rc(0)

    with LiveMaster(tmp_path / "master", config) as live:
        run(ScriptedWorker(live.master, "here", script).connect())
        live.call(live.master.data.control, "force", {}, ("forceschedulers", "force"))
        size, finished = influx.wait_for(2)
    tags = "build_number=1,builder_name=tests"
    assert lines(size) == [f"tests-size,{tags} kib=1234i"]
    duration, coverage = lines(finished)
    assert re.fullmatch(rf"tests-build-times,{tags} duration=[\d.e-]+", duration)
    assert coverage == f'tests-coverage,{tags} name="coverage",value=87.5'
    assert base64.b64decode(size.headers["authorization"].removeprefix("Basic ")) == b"ci:hidden"
