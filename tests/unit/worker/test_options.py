"""The arguments of a worker, checked when the configuration is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors, capture_config_errors
from buildmaster.plugins import util
from buildmaster.worker import Worker
from buildmaster.worker.local import LocalWorker

LOCK = util.MasterLock("l")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": ""}, "name must be a non-empty text"),
        ({"password": 5}, "password must be a text or a secret"),
        ({"max_builds": -1}, "max_builds must be a number of at least 0"),
        ({"max_builds": "many"}, "max_builds must be a number"),
        ({"notify_on_missing": ["a@b", 5]}, "notify_on_missing must hold mail addresses, not 5"),
        ({"notify_on_missing": 5}, "notify_on_missing must be a mail address"),
        ({"missing_timeout": "soon"}, "missing_timeout must be a number"),
        ({"properties": ["a"]}, "properties must be a dictionary"),
        ({"defaultProperties": {1: 2}}, "defaultProperties must be a dictionary"),
        ({"locks": "l"}, "locks must be a list"),
        ({"locks": ["l"]}, "locks must hold lock accesses"),
        ({"keepalive_interval": -5}, "keepalive_interval must be a number"),
    ],
)
def test_a_mistake_is_told_with_its_place(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigErrors, match=words):
        Worker(**{"name": "w", "password": "pw", **arguments})


def test_all_mistakes_are_told_together() -> None:
    with capture_config_errors() as errors:
        Worker("w", 5, max_builds=-1, locks="x")
    assert len(errors.errors) == 3
    assert all("'w'" in error for error in errors.errors)


def test_honest_arguments_are_taken() -> None:
    made = Worker("w", "pw", max_builds=2, notify_on_missing="a@b", locks=[LOCK.access("counting"), LOCK])
    assert made.workername == "w"
    assert made.notify_on_missing == ["a@b"]
    assert [access.mode for access in made.access] == ["counting", "counting"]
    assert Worker(name="w", password=util.Secret("pw")).password is not None
    assert Worker("w", None).password is None


def test_a_local_worker_needs_no_password_but_a_name_for_its_directory() -> None:
    assert LocalWorker("w").name == "w"
    assert LocalWorker("a b", workdir="x").name == "a b"
    for name in ("a/b", "..", "a b"):
        with pytest.raises(ConfigErrors, match="not fit to be a directory"):
            LocalWorker(name)


def test_equal_workers_are_equal() -> None:
    assert Worker("w", "pw", max_builds=1) == Worker("w", "pw", max_builds=1)
    assert Worker("w", "pw", max_builds=1) != Worker("w", "pw", max_builds=2)


def test_properties_are_known_as_soon_as_the_worker_is_made() -> None:
    """A configuration may sort its workers by them."""
    made = Worker("w", "p", properties={"platform": "bsd"}, defaultProperties={"jobs": 2})
    assert made.properties.asDict() == {"platform": ("bsd", "Worker"), "workername": ("w", "Worker")}
    assert made.defaultProperties.getProperty("jobs") == 2
