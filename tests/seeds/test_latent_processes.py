"""Text 002, "Writing a New Latent Worker Implementation": instances that are real buildbot-worker processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import SUCCESS
from buildmaster.plugins import steps, util
from tests.support.commands import free_port, lives
from tests.support.connections import worker_program
from tests.support.seed_run import SeedRun, program_of

pytestmark = [pytest.mark.needs("buildbot-worker"), pytest.mark.timeout(120)]

GUIDE = program_of("latent_processes")


class Noting(GUIDE.ProcessWorker):  # type: ignore[misc, name-defined]
    """Notes what is called."""

    calls: list[Any] = []

    async def start_instance(self, build: Any) -> Any:
        self.calls.append("start")
        words = await super().start_instance(build)
        self.calls.append(int(words[1]))
        return words

    async def stop_instance(self, fast: bool = False) -> None:
        self.calls.append(("stop", fast))
        await super().stop_instance(fast)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeedRun]:
    Noting.calls.clear()
    monkeypatch.setattr(GUIDE, "ProcessWorker", Noting)
    port = free_port()
    say = util.BuildFactory([steps.ShellCommand(name="say", command="echo $LANG", logEnviron=False)])
    config = {
        "workers": GUIDE.workers(port, os.fspath(tmp_path), worker_program(), wait=1),
        "protocols": {"pb": {"port": f"tcp:{port}:interface=127.0.0.1"}},
    }
    made = SeedRun(tmp_path, {"say": say}, config=config)
    made.start_master()
    yield made
    made.stop()


def test_each_start_has_its_stop(run: SeedRun) -> None:
    outcomes = run.build(("say", {}), ("say", {}))
    assert [(each.results, each.last.logs["stdio"].count("oC\n")) for each in outcomes] == [(SUCCESS, 1)] * 2
    start, first = Noting.calls
    assert start == "start" and lives(first)

    [other] = run.build(("say", {"language": "C.UTF-8"}))  # it waits for a process of its own
    assert other.results == SUCCESS and "oC.UTF-8\n" in other.last.logs["stdio"]
    second = Noting.calls[-1]
    assert Noting.calls == ["start", first, ("stop", False), "start", second]
    assert (lives(first), lives(second)) == (False, True)

    run.stop()
    assert Noting.calls[5:] == [("stop", True)]
    assert not lives(second)
