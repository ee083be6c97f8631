"""MasterShellCommand: commands on the master."""

from __future__ import annotations

import pytest

from buildmaster.base.aio import sleep
from buildmaster.base.results import CANCELLED, FAILURE, SUCCESS
from buildmaster.properties import Interpolate
from buildmaster.steps.master import MasterShellCommand
from tests.support.farm import Farm
from tests.support.real_reactor import reactor

pytestmark = pytest.mark.needs("buildbot-worker")


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    made = Farm(tmp_path_factory.mktemp("farm"))
    with made.live:
        yield made


def test_a_command_runs_in_the_masters_directory(farm):
    build = farm.build(MasterShellCommand(["sh", "-c", "pwd; echo error >&2"], logEnviron=False))
    assert build["results"] == SUCCESS
    assert farm.log(build) == (
        "hsh -c pwd; echo error >&2\n"
        f"hin dir {farm.basedir} (on the master)\n"
        "hargv: ['sh', '-c', 'pwd; echo error >&2']\n"
        f"o{farm.basedir}\n"
        "eerror\n"
        "hprogram finished with exit code 0\n"
    )


def test_a_text_is_for_the_shell_in_the_directory_given(farm, tmp_path):
    build = farm.build(MasterShellCommand("echo $(pwd) | tr a-z A-Z", workdir=str(tmp_path), logEnviron=False))
    assert f"o{str(tmp_path).upper()}\n" in farm.log(build)


def test_the_environment_is_the_masters_with_changes(farm, monkeypatch):
    monkeypatch.setenv("E2_A", "a")
    monkeypatch.setenv("E2_GONE", "x")
    env = {"E2_LIST": ["x", "${E2_A}", "${E2_NONE}"], "E2_GONE": None, "E2_PROP": Interpolate("%(prop:buildername)s")}
    build = farm.build(MasterShellCommand("echo $E2_LIST $E2_A $E2_GONE $E2_PROP", env=env))
    log = farm.log(build)
    assert "ox:a: a b\n" in log
    assert "h  E2_LIST=x:a:\n" in log


def test_a_failure_tells_the_exit_code(farm):
    build = farm.build(MasterShellCommand("exit 4"))
    assert (build["results"], build["state_string"]) == (FAILURE, "failed failed (4) (failure)")


def test_a_program_that_is_missing_is_a_failure_that_names_it(farm):
    build = farm.build(MasterShellCommand(["no-such-program"]))
    assert build["results"] == FAILURE
    assert "ecannot run 'no-such-program' in" in farm.log(build)


def test_stopping_the_build_ends_the_command(farm):
    async def stop_soon():
        master = farm.live.master
        while True:
            await sleep(reactor, 0.05)
            (build,) = await master.data.get(("builds",), order=("-buildid",), limit=1)
            if not build["complete"]:
                steps = await master.data.get(("builds", build["buildid"], "steps"))
                if any(step["name"] == "MasterShellCommand" and step["started_at"] for step in steps):
                    break
        await sleep(reactor, 0.2)
        await master.data.control("stop", {"reason": "enough"}, ("builds", build["buildid"]))

    from buildmaster.base.aio import as_deferred

    reactor.callLater(0.1, lambda: as_deferred(stop_soon()))
    build = farm.build(MasterShellCommand("sleep 1000 & sleep 1000", interruptSignal="TERM"))
    assert build["results"] == CANCELLED
    assert "hcommand was interrupted\n" in farm.log(build)
