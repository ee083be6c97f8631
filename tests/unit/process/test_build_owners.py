"""Whose build it is."""

from types import SimpleNamespace

from buildmaster.process.build_properties import of_build
from buildmaster.properties import Properties


def owners(requests, sources):
    props = Properties()
    of_build(props, [SimpleNamespace(properties=asked) for asked in requests], sources, 1)
    return (props.getProperty("owners"), props.getPropertySource("owners") if "owners" in props else None)


def source(*authors):
    changes = [SimpleNamespace(who=author) for author in authors]
    return SimpleNamespace(branch="m", revision="r", repository="", codebase="", project="", changes=changes)


def test_the_authors_of_the_changes_own_the_build():
    assert owners([{}], [source("zed <z>", "bob <b>", "zed <z>")]) == (["bob <b>", "zed <z>"], "Build")


def test_who_asked_for_it_comes_first():
    assert owners([{"owner": "me"}, {"owner": "bob <b>"}], [source("al", "bob <b>")]) == (
        ["me", "bob <b>", "al"],
        "Build",
    )


def test_a_build_of_nobody_has_no_owners():
    assert owners([{}], [source()]) == (None, None)
