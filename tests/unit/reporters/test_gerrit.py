"""Which patch set a build is of; as Buildbot 4.3 answers, but for those that it does not find."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.reporters.gerrit import extract_project_revision

EVENT = {"event.change.project": "dir/p", "event.patchSet.revision": "abc"}
NOTHING = (None, None)


def asked(properties: dict[str, Any]) -> tuple[str | None, str | None]:
    build = {"properties": {name: (value, "test") for name, value in properties.items()}}
    return extract_project_revision(None, {"builds": [build]})


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        (EVENT, ("dir/p", "abc")),
        ({**EVENT, "got_revision": "def"}, ("dir/p", "abc")),
        ({"event.change.project": "p", "got_revision": "def"}, ("p", "def")),
        ({"event.change.project": "p", "got_revision": {"a": "def"}}, NOTHING),
        ({"event.change.project": "p"}, NOTHING),
        ({"got_revision": "def"}, NOTHING),
        ({**EVENT, "event.patchSet.revision": "abc; rm"}, NOTHING),
        ({"repo_downloads": ["p 12/3"], "repo_downloaded": "12/3 abc"}, ("p", "abc")),
        ({"repo_downloads": ["p 12/3", "q 13/1"], "repo_downloaded": "12/3 abc 13/1 def"}, ("p", "abc")),
        ({"repo_downloads": ["p 12/3", "q 13/1"], "repo_downloaded": "13/1 def"}, ("q", "def")),
        ({"repo_downloads": "repo download a/p 12/3", "repo_downloaded": "12/3 abc"}, ("a/p", "abc")),
        ({"repo_downloads": "a/p/12/3", "repo_downloaded": "12/3 abc"}, ("a/p", "abc")),
        ({"repo_downloads": ["p 12/3"], "repo_downloaded": "12/4 abc"}, NOTHING),
        ({"repo_downloads": ["p 12/3"], "repo_downloaded": "12/3"}, NOTHING),
        ({"repo_downloads": ["p 12/3"]}, NOTHING),
        ({"repo_downloads": 3, "repo_downloaded": "12/3 abc"}, NOTHING),
        ({"repo_downloads": ["--x 12/3"], "repo_downloaded": "12/3 abc"}, NOTHING),
        ({**EVENT, "repo_downloads": ["q 12/3"], "repo_downloaded": "12/3 ccc"}, ("q", "ccc")),
        ({**EVENT, "repo_downloads": ["q 12/3"], "repo_downloaded": ""}, ("dir/p", "abc")),
    ],
)
def test_the_patch_set_of_a_build(properties, found):
    assert asked(properties) == found
