"""What is asked of Amazon EC2 for one instance: pure functions from a worker's arguments to boto3's.

Names and shapes are those of the EC2 interface's ``RunInstances`` (Amazon EC2 API Reference, version 2016-11-15).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from buildmaster.base.errors import error

EBS_NAMES = {
    "size": "VolumeSize",
    "volume_size": "VolumeSize",
    "volume_type": "VolumeType",
    "iops": "Iops",
    "throughput": "Throughput",
    "encrypted": "Encrypted",
    "kms_key_id": "KmsKeyId",
    "snapshot_id": "SnapshotId",
    "delete_on_termination": "DeleteOnTermination",
}
"""The older names, with underscores, of what a volume is made from."""

DEVICE_NAMES = {"ephemeral_name": "VirtualName", "no_device": "NoDevice"}


def block_devices(given: Any) -> list[dict[str, Any]]:
    """``block_device_map`` as boto3 takes it.

    It may be a list of boto3's own mappings (``{"DeviceName": …, "Ebs": {…}}``), or a dictionary from device names to
    what the volume is made from, under boto3's names or the older ones with underscores.  Volumes that do not say
    otherwise are deleted with their instance.
    """
    devices = [dict(each) for each in given] if not isinstance(given, Mapping) else _by_name(given)
    for device in devices:
        if "Ebs" in device:
            device["Ebs"] = {"DeleteOnTermination": True, **device["Ebs"]}
    return devices


def _by_name(given: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    devices = []
    for name, parts in given.items():
        ebs = dict(parts.get("Ebs", {}))
        device: dict[str, Any] = {"DeviceName": name}
        for key, value in parts.items():
            if key in ("VirtualName", "NoDevice") or key in DEVICE_NAMES:
                device[DEVICE_NAMES.get(key, key)] = value
            elif key != "Ebs":
                ebs[EBS_NAMES.get(key, key)] = value
        devices.append({**device, "Ebs": ebs} if ebs else device)
    return devices


def check_block_devices(place: str, given: Any) -> None:
    """Report a ``block_device_map`` of another shape."""
    if given is None:
        return
    if isinstance(given, Mapping):
        good = all(isinstance(name, str) and isinstance(parts, Mapping) for name, parts in given.items())
    else:
        good = isinstance(given, list | tuple) and all(
            isinstance(each, Mapping) and "DeviceName" in each for each in given
        )
    if not good:
        error(
            f"{place}: block_device_map must be a list of {{'DeviceName': …, 'Ebs': {{…}}}} or a dictionary from "
            f"device names to dictionaries, not {given!r}"
        )


def check_volumes(place: str, volumes: Any) -> None:
    """Report ``volumes`` that are no pairs."""
    if not isinstance(volumes, list | tuple | None):
        error(f"{place}: volumes must be a list of pairs (volume id, device name), not {volumes!r}")
        return
    for volume in volumes or ():
        if not (isinstance(volume, list | tuple) and len(volume) == 2):
            error(f"{place}: volumes must hold pairs (volume id, device name), not {volume!r}")


def owners(given: Any) -> list[str]:
    """``valid_ami_owners``: one account's number or name, or several."""
    several = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    return [str(each) for each in several]


def best_image(images: Iterable[Any], pattern: str | None) -> Any:
    """The image whose location matches the pattern and is the last in order; None if none matches.

    They are ordered by the number in the pattern's first group if all have one there, else by that group's text,
    then by location and id; without a group by location and id.
    """
    found = []
    for image in images:
        location = image.image_location or ""
        match = re.match(pattern, location) if pattern is not None else None
        if pattern is None or match is not None:
            group = match.group(1) or "" if match is not None and match.re.groups else ""
            found.append((group, location, image.id, image))
    if not found:
        return None
    numeric = all(re.fullmatch(r"\d+", each[0]) for each in found)
    return max(found, key=lambda each: (int(each[0]) if numeric else each[0], each[1], each[2]))[3]


def read_id_file(path: str) -> tuple[str, str]:
    """The identifier and the secret identifier: the first two lines of a file."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split()
    if len(lines) < 2:
        raise ValueError(f"{path}: it must hold the identifier in its first line and the secret one in its second")
    return lines[0], lines[1]


def bid(prices: Sequence[float], multiplier: float | None, most: float) -> float:
    """What to bid for a spot instance: the mean of the last day's prices times ``multiplier``.

    Without a multiplier, or where there are no prices, it is the most that may be paid.
    """
    if multiplier is None or not prices:
        return most
    return sum(prices) / len(prices) * multiplier


def without_nothing(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """These arguments without those that say nothing."""
    return {name: value for name, value in arguments.items() if value not in (None, [], {}, "")}
