"""The configuration of docs/howto/secrets.rst, with a real worker that has to know its password."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.results import SUCCESS
from tests.support.real_workers import PORT, Site

pytestmark = pytest.mark.needs("buildbot-worker")

SECRETS = {"w1-password": "p4ssw0rd", "api-token": "tok'123 &c", "deploy-key": "-----BEGIN KEY-----\nMIIEowIBAAKC\n"}


@pytest.fixture
def site(root: Path, tmp_path: Path) -> Iterator[Site]:
    """The master of the guide, in a directory with its secrets."""
    file = tmp_path / "secret_builds.py"
    shutil.copy(root / "docs/howto/secret_builds.py", file)
    (tmp_path / "secrets").mkdir(mode=0o700)
    for name, value in SECRETS.items():
        (tmp_path / "secrets" / name).touch(0o600)
        (tmp_path / "secrets" / name).write_text(value)

    def config() -> dict[str, Any]:
        return {**runpy.run_path(str(file))["BuildmasterConfig"], "protocols": {"pb": {"port": PORT}}}

    made = Site(tmp_path, config)
    yield made
    made.run(made.stop())


def test_the_builds_of_the_guide_use_their_secrets_and_show_none(site: Site):
    async def story() -> dict[str, str]:
        await site.start()
        site.worker("w1", SECRETS["w1-password"]).process.start()
        await site.attached("w1")
        await site.master.data.updates.addChange(author="me", revision="1", files=["f"], comments="c")
        (build,) = await site.finished()
        assert build["results"] == SUCCESS
        found = {}
        for step in await site.get("builds", build["buildid"], "steps"):
            for log in await site.get("steps", step["stepid"], "logs"):
                found[step["name"]] = (await site.get("logs", log["logid"], "contents"))["content"]
        return found

    logs = site.run(story())
    assert "\nopublish with token=<api-token>\n" in logs["publish"]
    assert "\noAuthorization: Bearer <api-token> for publish\n" in logs["call"]
    assert "\no-rw------- " in logs["deploy"]
    told = [part for part in ("p4ssw0rd", "tok'123", "123 &c", "MIIEowIBAAKC") for log in logs.values() if part in log]
    assert told == []
