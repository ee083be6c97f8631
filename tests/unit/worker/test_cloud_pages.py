"""The examples of the pages about workers in clouds are configurations that are taken."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.plugins import util, worker
from tests.support.clouds import libvirt_module

PAGES = ("docs/reference/cloud-workers.rst", "docs/howto/latent-workers.rst")
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", re.MULTILINE)
ROOT = Path(__file__).resolve().parents[3]

EXAMPLES = [
    pytest.param(textwrap.dedent(block), id=f"{Path(page).stem}-{number}")
    for page in PAGES
    for number, block in enumerate(BLOCK.findall((ROOT / page).read_text(encoding="utf-8")), 1)
]


@pytest.mark.needs("boto3", "openstack", "docker")
@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_taken(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "LibVirt" in text and libvirt_module() is None:
        return  # as everywhere: without the library nothing of libvirt is tested
    monkeypatch.setattr(util.KubeInClusterConfigLoader, "kube_dir", str(tmp_path))
    names: dict[str, Any] = {"c": {}, "util": util, "worker": worker}
    exec(compile(text, "example", "exec"), names)
    made = names["c"]["workers"]
    assert made
    assert len({each.name for each in made}) == len(made)


def test_all_classes_have_an_example() -> None:
    text = "".join(param.values[0] for param in EXAMPLES)
    for name in ("EC2LatentWorker", "LibVirtWorker", "OpenStackLatentWorker", "KubeLatentWorker"):
        assert f"worker.{name}(" in text


@pytest.mark.parametrize(
    ("make", "command"),
    [
        (lambda: worker.EC2LatentWorker("w", "pw", "m5.large", "ami-1"), "'boto3': pip install 'buildmaster-ci[ec2]'"),
        (lambda: worker.LibVirtWorker("w", "pw"), "'libvirt-python': pip install 'buildmaster-ci[libvirt]'"),
        (
            lambda: worker.OpenStackLatentWorker("w", "pw", "m1", image="i", os_auth_args={}),
            "'openstacksdk': pip install 'buildmaster-ci[openstack]'",
        ),
    ],
)
def test_a_missing_library_is_named_with_the_command(make: Any, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigErrors, match=re.escape(f"needs the package {command}")):
        make()
