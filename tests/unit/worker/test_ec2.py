"""Workers on EC2: a real boto3 asks moto's server over HTTP; the master's clock is a fake."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors, capture_config_errors
from buildmaster.base.results import EXCEPTION, RETRY, SUCCESS
from buildmaster.plugins import util, worker
from buildmaster.worker.ec2 import RUNNING, TERMINATED
from buildmaster.worker.ec2_request import best_image, bid, block_devices, owners, read_id_file
from buildmaster.worker.latent import States
from tests.support.clouds import CloudKit, config, ec2

REGION = "eu-west-1"

pytestmark = pytest.mark.needs("boto3", "moto")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cloud's address and one session with it: each new session reads all of boto3's tables again."""
    import boto3

    with ec2() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        session = boto3.session.Session("id", "secret", region_name=REGION)
        yield SimpleNamespace(address=address, session=session, resource=session.resource("ec2"))


@pytest.fixture
def cloud(server: Any) -> Any:
    """boto3's resource of an empty cloud."""
    urllib.request.urlopen(urllib.request.Request(f"{server.address}/moto-api/reset", method="POST")).close()
    return server.resource


def make(**options: Any) -> Any:
    cls = options.pop("cls", worker.EC2LatentWorker)
    return cls("w1", "pw", "m5.large", **{"ami": "ami-12345678", **options})


@pytest.fixture
def begin(tmp_path: Path, server: Any, cloud: Any) -> Iterator[Callable[..., CloudKit]]:
    kits = []

    def begin(**options: Any) -> CloudKit:
        kit = CloudKit(tmp_path / "master", lambda: config(make, **{"session": server.session, **options}))
        (tmp_path / "master").mkdir(exist_ok=True)
        kits.append(kit)
        kit.start()
        return kit

    yield begin
    for kit in kits:
        kit.end()


def live(cloud: Any) -> list[Any]:
    return [each for each in cloud.instances.all() if each.state["Name"] == RUNNING]


def test_a_build_starts_an_instance_that_is_terminated_when_it_is_idle(begin: Any, cloud: Any) -> None:
    group = cloud.create_security_group(GroupName="workers", Description="w").id
    cloud.create_key_pair(KeyName="key")
    kit = begin(
        keypair_name="key",
        security_name="workers",
        user_data="#!start",
        tags={"team": "ci"},
        placement="b",
        block_device_map={"/dev/xvdb": {"size": 7, "volume_type": "gp3"}},
        build_wait_timeout=60,
    )
    kit.change()
    kit.advance(6)
    [instance] = live(cloud)
    assert kit.w1.instance.id == instance.id
    assert instance.key_name == "key"
    assert [each["GroupId"] for each in instance.security_groups] == [group]
    assert instance.tags == [{"Key": "team", "Value": "ci"}]
    assert instance.placement["AvailabilityZone"] == "eu-west-1b"
    assert {volume.size for volume in instance.volumes.all()} >= {7}
    kit.connect()
    assert kit.results() == [SUCCESS]
    kit.advance(61)
    kit.advance(10)
    assert kit.w1.state is States.NOT_SUBSTANTIATED
    assert live(cloud) == []


def test_volumes_and_an_address_are_given_to_it(begin: Any, cloud: Any) -> None:
    volume = cloud.create_volume(AvailabilityZone="eu-west-1a", Size=1)
    address = cloud.meta.client.allocate_address(Domain="vpc")["PublicIp"]
    kit = begin(volumes=[(volume.id, "/dev/sdz")], elastic_ip=address, placement="a")
    kit.change()
    kit.advance(6)
    [instance] = live(cloud)
    volume.reload()
    assert [(each["InstanceId"], each["Device"]) for each in volume.attachments] == [(instance.id, "/dev/sdz")]
    assert instance.public_ip_address == address


def test_a_group_is_named_in_the_vpc_of_a_subnet_too(begin: Any, cloud: Any) -> None:
    vpc = cloud.create_vpc(CidrBlock="10.0.0.0/16")
    subnet = cloud.create_subnet(VpcId=vpc.id, CidrBlock="10.0.1.0/24")
    group = cloud.create_security_group(GroupName="inner", Description="w", VpcId=vpc.id)
    kit = begin(subnet_id=subnet.id, security_name="inner")
    kit.change()
    kit.advance(6)
    [instance] = live(cloud)
    assert instance.subnet_id == subnet.id
    assert [each["GroupId"] for each in instance.security_groups] == [group.id]


def test_a_spot_instance_is_bid_for(begin: Any, cloud: Any) -> None:
    kit = begin(spot_instance=True, max_spot_price=0.5, price_multiplier=None)
    kit.change()
    kit.advance(6)
    [instance] = live(cloud)
    assert instance.instance_lifecycle == "spot"


def test_a_spot_instance_that_is_too_dear_is_not_asked_for(begin: Any, cloud: Any) -> None:
    class Dear(worker.EC2LatentWorker):
        def _spot_prices(self) -> list[float]:
            return [0.2, 0.4]  # moto knows none

    kit = begin(cls=Dear, spot_instance=True, max_spot_price=0.35)
    kit.change()
    assert kit.results() == [RETRY]
    assert "would cost 0.3600 $ an hour; max_spot_price is 0.35" in kit.told()
    assert list(cloud.instances.all()) == []


def test_a_mistake_of_the_configuration_ends_the_build(begin: Any) -> None:
    kit = begin(subnet_id="subnet-00000000")
    kit.change()
    assert kit.results() == [EXCEPTION]
    assert "InvalidSubnetID" in kit.told()


def test_an_instance_that_dies_before_it_connects_is_told(begin: Any, cloud: Any) -> None:
    kit = begin()
    kit.change()
    kit.advance(6)
    [instance] = live(cloud)
    instance.terminate()
    kit.advance(15)
    assert kit.results()[0] == RETRY
    assert f"instance {instance.id} is {TERMINATED}" in kit.told()


def test_what_a_killed_master_has_left_is_terminated_by_the_next(begin: Any, cloud: Any) -> None:
    kit = begin()
    kit.change()
    kit.advance(6)
    assert len(live(cloud)) == 1
    following = kit.next_life()
    following.advance(5)
    assert len([each for each in cloud.instances.all() if each.state["Name"] == TERMINATED]) == 1
    following.end()


def test_a_subclass_chooses_its_image(begin: Any, cloud: Any) -> None:
    class Own(worker.EC2LatentWorker):
        def get_image(self) -> Any:
            return self.ec2.Image("ami-87654321")

    kit = begin(cls=Own, ami=None)
    kit.change()
    kit.advance(6)
    assert [each.image_id for each in live(cloud)] == ["ami-87654321"]


# -- the pure part ---------------------------------------------------------------------------------------------------


def image(id: str, location: str) -> Any:
    return SimpleNamespace(id=id, image_location=location)


@pytest.mark.parametrize(
    ("pattern", "best"),
    [
        (r"me/worker-(\d+)", "ami-3"),
        (r"me/worker-(.*)", "ami-2"),
        (r"me/", "ami-2"),
        (None, "ami-4"),
        (r"other/", None),
    ],
)
def test_the_best_image(pattern: str | None, best: str | None) -> None:
    images = [
        image("ami-1", "me/worker-2"),
        image("ami-2", "me/worker-9"),
        image("ami-3", "me/worker-10"),
        image("ami-4", "you/x"),
    ]
    if pattern == r"me/worker-(.*)":
        images[0] = image("ami-1", "me/worker-2b")
    found = best_image(images, pattern)
    assert (found and found.id) == best


def test_older_names_of_block_devices() -> None:
    assert block_devices({"/dev/a": {"size": 3, "iops": 5}, "/dev/b": {"ephemeral_name": "ephemeral0"}}) == [
        {"DeviceName": "/dev/a", "Ebs": {"DeleteOnTermination": True, "VolumeSize": 3, "Iops": 5}},
        {"DeviceName": "/dev/b", "VirtualName": "ephemeral0"},
    ]
    own = [{"DeviceName": "/dev/c", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}}]
    assert block_devices(own) == own


def test_small_rules(tmp_path: Path) -> None:
    assert owners(12345) == ["12345"]
    assert owners(["self", 1]) == ["self", "1"]
    assert bid([0.1, 0.3], 1.5, 9) == pytest.approx(0.3)
    assert bid([], 1.5, 9) == 9
    path = tmp_path / "id"
    path.write_text("one\ntwo\n")
    assert read_id_file(str(path)) == ("one", "two")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ami": None}, "give either ami, or one or both of valid_ami_owners"),
        ({"valid_ami_owners": 1}, "give either ami"),
        ({"identifier": "id"}, "give both or neither"),
        ({"aws_id_file_path": "/not/there"}, "there is no file '/not/there'"),
        ({"volumes": ["vol-1"]}, "volumes must hold pairs"),
        ({"block_device_map": ["/dev/a"]}, "block_device_map must be a list of"),
        ({"tags": ["a"]}, "tags must be a dictionary"),
        ({"security_group_ids": "sg-1"}, "security_group_ids must be a list"),
    ],
)
def test_mistakes_are_told(options: Any, words: str) -> None:
    with pytest.raises(ConfigErrors, match=words):
        make(**options)


def test_all_mistakes_are_told_at_once() -> None:
    with capture_config_errors() as told:
        make(volumes=5, tags=[1], block_device_map=7)
    assert len(told.errors) == 3


def test_keys_may_be_secrets(begin: Any, cloud: Any) -> None:
    keys = {"identifier": util.Transform(lambda: "one"), "secret_identifier": util.Transform(lambda: "two")}
    kit = begin(session=None, region=REGION, **keys)
    kit.change()
    kit.advance(6)
    assert len(live(cloud)) == 1
    found = kit.w1.session.get_credentials()
    assert (found.access_key, found.secret_key) == ("one", "two")
