"""What is wrong in the arguments of a DockerLatentWorker is told before anything is started."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.plugins import worker


class Swarm(worker.DockerLatentWorker):
    """Written for Buildbot's class, with its inner methods."""

    def _thd_start_instance(self, *args: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": None}, "give an image, or a dockerfile to build one from"),
        ({"custom_context": True}, "custom_context needs a dockerfile"),
        ({"master_protocol": "carrier-pigeon"}, "master_protocol must be one of pb"),
        ({"hostconfig": "host"}, "hostconfig must be a dictionary, not 'host'"),
        ({"buildargs": ["a"]}, "buildargs must be a dictionary"),
        ({"volumes": ["/only"]}, "volume"),
    ],
)
def test_a_mistake_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigErrors) as told:
        worker.DockerLatentWorker("w", None, "unix:///nowhere", **{"image": "debian", **options})
    (error,) = told.value.errors
    assert error.startswith("worker 'w': ")
    assert message in error


def test_a_subclass_is_told_what_to_override_instead_of_an_inner_method() -> None:
    with pytest.raises(ConfigErrors) as told:
        Swarm("w", None, "unix:///nowhere", image="debian")
    mend = "worker 'w': Swarm._thd_start_instance is never called here; override start_instance instead"
    assert told.value.errors == [mend]
