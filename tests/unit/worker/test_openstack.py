"""Workers on OpenStack: a real openstacksdk asks a cloud of the test's own over HTTP; the master's clock is a fake."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import EXCEPTION, RETRY, SUCCESS
from buildmaster.plugins import util, worker
from buildmaster.worker.latent import States
from buildmaster.worker.openstack import MARK, auth_of, device, nova_parts
from tests.support.clouds import CloudKit, OpenStack, config, openstack

pytestmark = [
    pytest.mark.needs("openstack"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


@pytest.fixture
def cloud() -> Iterator[OpenStack]:
    with openstack() as cloud:
        yield cloud


@pytest.fixture
def begin(tmp_path: Path, cloud: OpenStack) -> Iterator[Callable[..., CloudKit]]:
    kits = []

    def begin(**options: Any) -> CloudKit:
        arguments = {
            "flavor": "m1.small",
            "image": "debian",
            "os_username": "me",
            "os_password": "secret",
            "os_tenant_name": "builds",
            "os_auth_url": f"{cloud.url}/identity/v3",
            "os_user_domain": "default",
            "os_project_domain": "default",
            "region": "here",
            **options,
        }
        (tmp_path / "master").mkdir(exist_ok=True)
        kit = CloudKit(
            tmp_path / "master", lambda: config(lambda: worker.OpenStackLatentWorker("w1", "pw", **arguments))
        )
        kits.append(kit)
        kit.start()
        return kit

    yield begin
    for kit in kits:
        kit.end()


def test_a_build_makes_a_server_that_is_deleted_when_it_is_idle(begin: Any, cloud: OpenStack) -> None:
    kit = begin(
        meta={"builder": util.Property("buildername")},
        nova_args={"nics": [{"net-id": "net-1"}], "userdata": "#!start", "key_name": "key"},
        block_devices=[{"uuid": "img-1"}],
        build_wait_timeout=60,
    )
    kit.change()
    [server] = cloud.servers.values()
    mark = server["metadata"].pop(MARK)
    assert len(mark) == 32
    assert {key: value for key, value in server.items() if key not in ("id", "status")} == {
        "name": "w1",
        "imageRef": "img-1",
        "flavorRef": "fl-1",
        "networks": [{"uuid": "net-1"}],
        "user_data": base64.b64encode(b"#!start").decode(),
        "key_name": "key",
        "metadata": {"builder": "b"},
        "block_device_mapping_v2": [
            {
                "uuid": "img-1",
                "source_type": "image",
                "destination_type": "volume",
                "delete_on_termination": True,
                "boot_index": 0,
                "volume_size": 4,
            }
        ],
    }
    [login] = [body["auth"] for method, path, body in cloud.asked if path.endswith("/auth/tokens")]
    assert login["identity"]["password"]["user"]["name"] == "me"
    assert login["scope"]["project"]["name"] == "builds"
    kit.advance(6)
    kit.connect()
    assert kit.results() == [SUCCESS]
    kit.advance(66)
    assert cloud.servers == {}
    assert kit.w1.state is States.NOT_SUBSTANTIATED


def test_a_function_chooses_the_image(begin: Any, cloud: OpenStack) -> None:
    kit = begin(image=lambda images: max(images, key=lambda image: image.name))
    kit.change()
    assert [server["imageRef"] for server in cloud.servers.values()] == ["img-1"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image": "windows"}, "the cloud has no image 'windows'"),
        ({"flavor": "huge"}, "the cloud has no flavor 'huge'"),
    ],
)
def test_what_the_cloud_does_not_have_ends_the_build(begin: Any, options: Any, words: str) -> None:
    kit = begin(**options)
    kit.change()
    assert kit.results() == [EXCEPTION]
    assert words in kit.told()


def test_a_cloud_that_is_full_is_told_and_the_build_is_done_again(begin: Any, cloud: OpenStack) -> None:
    cloud.refusal = (403, {"forbidden": {"code": 403, "message": "Quota exceeded for instances"}})
    kit = begin()
    kit.change()
    assert kit.results() == [RETRY]
    assert "the cloud says 403: Quota exceeded for instances" in kit.told()


def test_a_server_that_fails_is_deleted(begin: Any, cloud: OpenStack) -> None:
    cloud.becomes = "ERROR"
    kit = begin()
    kit.change()
    kit.advance(12)
    assert kit.results() == [RETRY]
    assert "ERROR" in kit.told()
    assert cloud.servers == {}


def test_what_a_killed_master_has_left_is_deleted_by_the_next(begin: Any, cloud: OpenStack) -> None:
    kit = begin()
    kit.change()
    cloud.servers["other"] = {"id": "other", "name": "w1", "status": "ACTIVE", "metadata": {MARK: "another"}}
    following = kit.next_life()
    following.advance(1)
    assert "srv-1" not in cloud.servers
    assert "other" in cloud.servers
    following.end()


# -- the pure part ---------------------------------------------------------------------------------------------------


def test_names_of_novaclient() -> None:
    assert nova_parts({"nics": "auto", "security_groups": ["a"], "meta": {"x": "y"}, "max_count": 1, "y": None}) == {
        "networks": "auto",
        "security_groups": [{"name": "a"}],
        "metadata": {"x": "y"},
        "max_count": 1,
    }
    assert nova_parts({"nics": [{"port-id": "p", "v4-fixed-ip": "10.0.0.1"}]}) == {
        "networks": [{"port": "p", "fixed_ip": "10.0.0.1"}]
    }


def test_a_device_as_the_cloud_has_it() -> None:
    assert device(
        {"uuid": "u", "source_type": "volume", "boot_index": "1", "volume_size": "5", "device_name": "vdb"}
    ) == {
        "uuid": "u",
        "device_name": "vdb",
        "source_type": "volume",
        "destination_type": "volume",
        "delete_on_termination": True,
        "boot_index": 1,
        "volume_size": 5,
    }


def test_domains_are_ids_or_names() -> None:
    own = dict.fromkeys(("os_username", "os_password", "os_tenant_name", "os_auth_url"), "x")
    made = auth_of({**own, "os_user_domain": "default", "os_project_domain": "Other"})
    assert made["user_domain_id"] == "default"
    assert made["project_domain_name"] == "Other"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give an image, or block_devices"),
        ({"image": "i"}, "os_username is missing; give it, or os_auth_args"),
        ({"image": "i", "os_auth_args": 5}, "os_auth_args must be a dictionary"),
        ({"image": "i", "os_auth_args": {}, "meta": 5}, "meta must be a dictionary"),
        ({"image": "i", "os_auth_args": {}, "block_devices": 5}, "block_devices must be a list"),
    ],
)
def test_mistakes_are_told(options: Any, words: str) -> None:
    with pytest.raises(ConfigErrors, match=words):
        worker.OpenStackLatentWorker("w1", "pw", "m1", **options)
