"""docs/howto/github.cfg as it is printed, with a real worker and repository, and a server that plays GitHub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import treq

from tests.support.git_repo import GitRepo
from tests.support.hook_payloads import github_commit, github_pull_request, github_push
from tests.support.hooks import signature
from tests.support.printed import printed_config
from tests.support.real_workers import Site
from tests.support.web_service import serving

pytestmark = pytest.mark.needs("buildbot-worker", "git")


def test_a_push_and_a_pull_request_are_built_and_told(tmp_path: Path, root: Path) -> None:
    keep = tmp_path / "secrets"
    keep.mkdir()
    for name, value in (("hook", "the secret"), ("token", "the token")):
        (keep / name).write_text(value + "\n")
        (keep / name).chmod(0o600)
    repository = GitRepo(tmp_path / "engine")
    with serving() as github:
        github.answers = {"GET *": (200, []), "POST *": (201, {})}
        stands_for = {
            '"secrets")': f"{str(keep)!r})",
            "tcp:8010": "tcp:0",
            'f"{REPOSITORY}.git"': repr(str(repository.path)),
            '["make", "test"]': '["test", "-f", "good"]',
            "treeStableTimer=30": "treeStableTimer=None",
            '"github": {': f'"github": {{"github_api_endpoint": {github.url!r},',
            'token=util.Secret("token")': f'token=util.Secret("token"), baseURL={github.url!r}',
        }
        config = printed_config(root / "docs" / "howto" / "github.cfg", stands_for)
        site = Site(tmp_path, config)
        site.run(push_and_pull(site, repository, github))


async def push_and_pull(site: Site, repository: GitRepo, github: Any) -> None:
    pushed = repository.commit("first", {"good": "yes"})
    repository.git("checkout", "-q", "-b", "topic")
    proposed = repository.commit("second", {"good": None, "bad": "yes"})
    repository.git("update-ref", "refs/pull/50/merge", proposed)
    repository.git("checkout", "-q", "main")
    commit = github_commit(pushed)
    push = github_push(commits=[commit], head_commit=commit, after=pushed)
    pull = github_pull_request()
    pull["pull_request"]["head"]["sha"] = proposed
    await site.start()
    try:
        await site.attached("here")
        assert await post(site, "push", push, "wrong") == (403, "Hash mismatch")
        assert await post(site, "push", push) == (200, "1 change found")
        assert await post(site, "pull_request", pull) == (200, "1 change found")
        await site.until(lambda: len(ended(github)) == 2, "GitHub is told of both builds")
        builds = await site.get("builds", order=["buildid"])
        properties = await site.get("builds", builds[1]["buildid"], "properties")
    finally:
        await site.stop()
    path = "/repos/analytical/engine/statuses"
    assert ended(github) == {f"{path}/{pushed}": "success", f"{path}/{proposed}": "failure"}
    statuses = [asked for asked in github.asked if asked.method == "POST"]
    assert {asked.headers["authorization"] for asked in statuses} == {"token the token"}
    assert {asked.json["context"] for asked in statuses} == {"ci/tests"}
    assert (properties["github.title"][0], properties["basename"][0]) == ("Count backwards", "main")


async def post(site: Site, event: str, payload: Any, secret: str = "the secret") -> tuple[int, str]:
    body = json.dumps(payload).encode()
    response = await treq.post(
        f"http://127.0.0.1:{site.master.www.getPortnum()}/change_hook/github",
        data=body,
        headers={
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-Hub-Signature-256": signature(body, secret),
        },
        persistent=False,
    )
    return response.code, (await response.text()).partition(":")[0]


def ended(github: Any) -> dict[str, str]:
    """The last state of each commit for which there is more than ``pending``."""
    said = {asked.path: asked.json["state"] for asked in github.asked if asked.method == "POST"}
    return {path: state for path, state in said.items() if state != "pending"}
