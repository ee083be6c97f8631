"""Workers of libvirt: its own test driver, whose machines are in libvirt's memory, held to libvirt by its authors."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import EXCEPTION, RETRY, SUCCESS
from buildmaster.plugins import util, worker
from buildmaster.worker.latent import States
from buildmaster.worker.libvirt import METADATA, arranged
from tests.support.clouds import CloudKit, config, libvirt_module
from tests.support.real_workers import Site

pytestmark = pytest.mark.taken_with("libvirt")

URI = "test:///default"
XML = "<domain type='test'><name>{name}</name><memory>1000</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
def hypervisor() -> Iterator[Any]:
    """A connection that keeps the driver's memory."""
    libvirt = libvirt_module()
    connection = libvirt.open(URI)
    for domain in connection.listAllDomains():
        if domain.isActive():
            domain.destroy()
        if domain.name() != "test" and domain.isPersistent():
            domain.undefine()
    connection.defineXML(XML.format(name="w1"))
    yield connection
    connection.close()


@pytest.fixture
def begin(tmp_path: Path, hypervisor: Any) -> Iterator[Callable[..., CloudKit]]:
    kits = []

    def begin(*args: Any, **options: Any) -> CloudKit:
        def make() -> Any:
            return worker.LibVirtWorker("w1", "pw", *args, **{"uri": URI, "masterFQDN": "m:9989", **options})

        (tmp_path / "master").mkdir(exist_ok=True)
        kit = CloudKit(tmp_path / "master", lambda: config(make))
        kits.append(kit)
        kit.start()
        return kit

    yield begin
    for kit in kits:
        kit.end()


def running(hypervisor: Any) -> list[str]:
    return sorted(domain.name() for domain in hypervisor.listAllDomains() if domain.isActive())


def test_a_build_starts_the_machine_which_shuts_down_when_it_is_idle(begin: Any, hypervisor: Any) -> None:
    kit = begin(build_wait_timeout=60)
    kit.change()
    assert running(hypervisor) == ["w1"]
    metadata = hypervisor.lookupByName("w1").metadata(2, METADATA[1], 0)
    assert ElementTree.fromstring(metadata).attrib == {"username": "w1", "password": "pw", "master": "m:9989"}
    kit.connect()
    assert kit.results() == [SUCCESS]
    kit.advance(65)
    assert running(hypervisor) == []
    assert kit.w1.state is States.NOT_SUBSTANTIATED


def test_a_machine_is_made_from_its_description(begin: Any, hypervisor: Any) -> None:
    kit = begin(xml=XML.format(name="made"), build_wait_timeout=0)
    kit.change()
    assert running(hypervisor) == ["made"]
    kit.connect()
    kit.advance(5)
    assert running(hypervisor) == []
    assert "made" not in [domain.name() for domain in hypervisor.listAllDomains()]


def test_a_machine_that_runs_already_is_left_alone(begin: Any, hypervisor: Any) -> None:
    hypervisor.lookupByName("w1").create()
    kit = begin()
    kit.change()
    assert kit.results() == [RETRY]
    assert "runs already" in kit.told()
    kit.advance(5)
    assert running(hypervisor) == ["w1"]


def test_a_machine_that_is_not_defined_ends_the_build(begin: Any, hypervisor: Any) -> None:
    hypervisor.lookupByName("w1").undefine()
    kit = begin()
    kit.change()
    assert kit.results() == [EXCEPTION]
    assert f"{URI} has no domain 'w1'; define it there, or give xml" in kit.told()


def test_a_machine_that_dies_before_it_connects_is_told(begin: Any, hypervisor: Any) -> None:
    kit = begin()
    kit.change()
    hypervisor.lookupByName("w1").destroy()
    kit.advance(11)
    assert kit.results() == [RETRY]
    assert "the domain 'w1' does not run" in kit.told()


def test_stopping_the_master_destroys_the_machine(begin: Any, hypervisor: Any) -> None:
    kit = begin(build_wait_timeout=-1)
    kit.change()
    kit.connect()
    assert running(hypervisor) == ["w1"]
    kit.stop()
    assert running(hypervisor) == []


def test_what_a_killed_master_has_left_is_stopped_by_the_next(begin: Any, hypervisor: Any) -> None:
    kit = begin()
    kit.change()
    first = hypervisor.lookupByName("w1").ID()
    following = kit.next_life()
    following.advance(3)
    assert hypervisor.lookupByName("w1").ID() > first  # the build that was lost has started it again
    assert following.w1.latent_instance.leftover is None
    following.end()


def test_without_qemu_img_there_is_no_base_image(begin: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    kit = begin(str(tmp_path / "hd.img"), str(tmp_path / "base.img"))
    kit.change()
    assert kit.results() == [EXCEPTION]
    assert "base_image needs qemu-img on the master's host" in kit.told()


@pytest.mark.needs("qemu-img")
def test_a_disk_is_made_on_top_of_another_and_removed_then(hypervisor: Any, tmp_path: Path) -> None:
    base, disk = tmp_path / "base.img", tmp_path / "vm.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "1M"], check=True)

    def config_of() -> dict[str, Any]:
        made = worker.LibVirtWorker("w1", "pw", str(disk), str(base), uri=URI, build_wait_timeout=0)
        return config(lambda: made)

    site = Site(tmp_path, config_of)

    async def story() -> None:
        await site.start()
        await site.master.data.updates.addChange(author="me", revision="1", files=["f"], comments="c")
        await site.until(lambda: running(hypervisor) == ["w1"], "the machine runs")
        said = json.loads(subprocess.run(["qemu-img", "info", "--output=json", str(disk)], capture_output=True).stdout)
        assert (said["format"], said["backing-filename"]) == ("qcow2", str(base))
        await site.stop()
        assert running(hypervisor) == []
        assert not disk.exists()

    site.run(story())


# -- where the connection is given -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((None, "hd", "base", "system:///", None), ("system:///", "hd", "base", None)),
        ((None, util.Connection("a:b"), "hd", "system:///", None), ("a:b", "hd", None, None)),
        ((None, util.Connection("a:b"), "hd", "base", "<x/>"), ("a:b", "hd", "base", "<x/>")),
        ((util.Connection("a:b"), "hd", None, "system:///", None), ("a:b", "hd", None, None)),
        ((None, "hd", None, util.Connection("a:b"), None), ("a:b", "hd", None, None)),
    ],
)
def test_the_connection_may_stand_where_it_used_to(given: Any, found: Any) -> None:
    assert arranged(*given) == found


def test_connections_to_one_address_are_equal() -> None:
    assert util.Connection("a:b") == util.Connection("a:b")
    assert util.Connection("a:b") != util.Connection("a:c")
    assert len({util.Connection("a:b"), util.Connection("a:b")}) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_image": "/b"}, "base_image needs hd_image"),
        ({"uri": 5}, "uri must be a hypervisor's address or a util.Connection, not 5"),
        ({"hd_image": 5}, "hd_image must be a path, not 5"),
    ],
)
def test_mistakes_are_told(options: Any, words: str) -> None:
    libvirt_module()
    with pytest.raises(ConfigErrors, match=words):
        worker.LibVirtWorker("w1", "pw", **options)
