"""Workers on virtual machines of Amazon EC2, or of any cloud that speaks its interface; through ``boto3``."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import LatentWorkerCannotSubstantiate, LatentWorkerFailedToSubstantiate
from buildmaster.worker import options
from buildmaster.worker.cloud import STOP_LIMIT, Start, ask, bound, check_library, until
from buildmaster.worker.ec2_request import (
    best_image,
    bid,
    block_devices,
    check_block_devices,
    check_volumes,
    owners,
    read_id_file,
    without_nothing,
)
from buildmaster.worker.latent import AbstractLatentWorker

log = Logger()

PENDING = "pending"
RUNNING = "running"
SHUTTINGDOWN = "shutting-down"
STOPPING = "stopping"
STOPPED = "stopped"
TERMINATED = "terminated"

ALIVE = [PENDING, RUNNING, STOPPING, STOPPED]
"""States of an instance that costs."""

POLL_INTERVAL = 5.0
"""Seconds between two looks at an instance that is starting or ending."""

ID_FILE = "~/.ec2/aws_id"

_SIMPLE = (
    "instance_type",
    "ami",
    "valid_ami_owners",
    "valid_ami_location_regex",
    "elastic_ip",
    "user_data",
    "keypair_name",
    "security_name",
    "spot_instance",
    "max_spot_price",
    "price_multiplier",
    "product_description",
    "subnet_id",
    "instance_profile_name",
)
"""The arguments that are kept as they are."""


class EC2LatentWorker(AbstractLatentWorker):
    """A worker on an EC2 instance.

    ``instance_type`` is the size (``"m5.large"``).  The image is ``ami``, or the one that :meth:`get_image` chooses
    among those of ``valid_ami_owners`` (account numbers, or ``"self"``, ``"amazon"``) whose location matches
    ``valid_ami_location_regex``: the last by the number in the pattern's first group, else by its text.  The image
    must start ``buildbot-worker`` by itself, with this name and password; ``user_data`` is a text that it can read.

    ``region`` is where (``us-east-1`` by default), ``placement`` the letter of a zone in it.  ``identifier`` and
    ``secret_identifier`` are the keys of the account and may be secrets; without them they are the two lines of
    ``aws_id_file_path`` (``~/.ec2/aws_id`` if there is one), else boto3 looks for them where it always does.
    ``session`` is a ``boto3.session.Session`` to be used instead of all these.

    ``keypair_name`` names a key pair; ``security_name`` a security group by its name, ``security_group_ids`` groups by
    their ids, ``subnet_id`` the subnet of a VPC, ``instance_profile_name`` a role.  ``tags`` is a dictionary.
    ``elastic_ip`` is an address that the instance is given, ``volumes`` are pairs of a volume's id and the device that
    it is attached as.  ``block_device_map`` says which volumes are made: a list of boto3's mappings, or a dictionary
    from device names to what each is made from.

    ``spot_instance=True`` asks for a spot instance.  The bid, in dollars an hour, is the mean price of the last 24
    hours for ``product_description`` times ``price_multiplier`` (None: as much as may be paid); if that is more than
    ``max_spot_price`` the build is done again elsewhere.

    Needs the package ``boto3`` (``pip install buildmaster-ci[ec2]``).  The account must be allowed to run, describe
    and terminate instances, and what the other arguments say.
    """

    instance_type: str
    ami: str | None
    valid_ami_owners: Any
    valid_ami_location_regex: str | None
    elastic_ip: str | None
    user_data: Any
    keypair_name: str | None
    security_name: str | None
    spot_instance: bool
    max_spot_price: float
    price_multiplier: float | None
    product_description: str
    subnet_id: str | None
    instance_profile_name: str | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.instance: Any = None
        """boto3's instance while there is one."""
        self.image: Any = None
        self._ec2: Any = None
        self._making = threading.Lock()
        self._start: Start | None = None
        super().__init__(*args, **kwargs)
        try:
            self._take(bound(EC2LatentWorker.checkConfig, (self, *args), kwargs))  # for a subclass's constructor
        except (AttributeError, TypeError, ValueError):
            log.debug("what is wrong with the arguments of {name!r} has been told", name=self.name)

    def checkConfig(  # type: ignore[override]
        self,
        name: str,
        password: Any,
        instance_type: str,
        ami: str | None = None,
        valid_ami_owners: Any = None,
        valid_ami_location_regex: str | None = None,
        elastic_ip: str | None = None,
        identifier: Any = None,
        secret_identifier: Any = None,
        aws_id_file_path: str | None = None,
        user_data: Any = None,
        region: str | None = None,
        keypair_name: str | None = None,
        security_name: str | None = None,
        spot_instance: bool = False,
        max_spot_price: float = 1.6,
        volumes: Any = None,
        placement: str | None = None,
        price_multiplier: float | None = 1.2,
        tags: dict[str, str] | None = None,
        product_description: str = "Linux/UNIX",
        subnet_id: str | None = None,
        security_group_ids: list[str] | None = None,
        instance_profile_name: str | None = None,
        block_device_map: Any = None,
        session: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, password, **kwargs)
        place = f"worker {self.name!r}"
        check_library(place, EC2LatentWorker, "boto3", "ec2")
        chooses = valid_ami_owners is not None or valid_ami_location_regex is not None
        if type(self).get_image is EC2LatentWorker.get_image and (ami is not None) == chooses:
            error(f"{place}: give either ami, or one or both of valid_ami_owners and valid_ami_location_regex")
        if (identifier is None) != (secret_identifier is None):
            error(f"{place}: identifier and secret_identifier belong together: give both or neither")
        if aws_id_file_path is not None and not os.path.exists(os.path.expanduser(aws_id_file_path)):
            error(f"{place}: aws_id_file_path: there is no file {aws_id_file_path!r}")
        if tags is not None and not isinstance(tags, dict):
            error(f"{place}: tags must be a dictionary, not {tags!r}")
        if isinstance(security_group_ids, str):
            error(f"{place}: security_group_ids must be a list of ids, not {security_group_ids!r}")
        options.check_number(place, "max_spot_price", max_spot_price)
        options.check_number(place, "price_multiplier", price_multiplier)
        check_volumes(place, volumes)
        check_block_devices(place, block_device_map)

    @deferred
    async def reconfigService(self, *args: Any, **kwargs: Any) -> None:
        """Take these arguments over; an instance that was started with others goes when it is idle."""
        own = bound(EC2LatentWorker.checkConfig, (self, *args), kwargs)
        others = own["kwargs"]
        for key in ("identifier", "secret_identifier"):
            own[key] = await self.renderSecrets(own[key])
        self._take(own)
        await super().reconfigService(own["name"], own["password"], **others)

    def _take(self, own: dict[str, Any]) -> None:
        for name in _SIMPLE:
            setattr(self, name, own[name])
        self.region = own["region"] or getattr(own["session"], "region_name", None) or "us-east-1"
        letter = own["placement"]
        self.placement = letter if letter is None or letter.startswith(self.region) else f"{self.region}{letter}"
        self.volumes, self.tags = list(own["volumes"] or ()), dict(own["tags"] or {})
        self.security_group_ids = list(own["security_group_ids"] or ())
        given = own["block_device_map"]
        self.block_device_map = None if given is None else self.create_block_device_mapping(given)
        self._account = (own["identifier"], own["secret_identifier"], own["aws_id_file_path"], own["session"])
        self._ec2 = None

    def create_block_device_mapping(self, mapping_definitions: Any) -> list[dict[str, Any]]:
        """``block_device_map`` as boto3 takes it."""
        return block_devices(mapping_definitions)

    # -- what is asked of the cloud, in threads ----------------------------------------------------------------------

    @property
    def ec2(self) -> Any:
        """boto3's ``ec2`` resource, for use in threads."""
        with self._making:
            if self._ec2 is None:
                self._ec2 = self._connect(self.region)
            return self._ec2

    @property
    def session(self) -> Any:
        """boto3's session: the one that was given, or one with the account's keys; for use in threads."""
        import boto3

        identifier, secret, path, session = self._account
        if session is not None:
            return session
        default = os.path.expanduser(ID_FILE)
        if identifier is None and (path is not None or os.path.exists(default)):
            identifier, secret = read_id_file(os.path.expanduser(path) if path is not None else default)
        return boto3.session.Session(identifier, secret, region_name=self.region)

    def _connect(self, region: str) -> Any:
        from botocore.config import Config

        limits = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 4, "mode": "standard"})
        return self.session.resource("ec2", region_name=region, config=limits)

    def get_image(self) -> Any:
        """The image to start, as boto3 has it; a subclass may choose another.  Called in a thread.

        Raises LatentWorkerCannotSubstantiate if there is none that suits.
        """
        if self.ami is not None:
            return self.ec2.Image(self.ami)
        given = {} if self.valid_ami_owners is None else {"Owners": owners(self.valid_ami_owners)}
        found = best_image(self.ec2.images.filter(**given), self.valid_ami_location_regex)
        if found is None:
            raise LatentWorkerCannotSubstantiate(
                f"worker {self.workername!r}: no image of valid_ami_owners {self.valid_ami_owners!r} has a location "
                f"that matches {self.valid_ami_location_regex!r}"
            )
        return found

    def launch_arguments(self, image: Any) -> dict[str, Any]:
        """What boto3's ``create_instances`` is called with, besides counts and token.  Called in a thread."""
        groups, names = self.security_group_ids, [self.security_name] if self.security_name else []
        if self.subnet_id and names:
            groups, names = [*groups, *self._group_ids(self.security_name)], []
        arguments: dict[str, Any] = {
            "ImageId": image.id,
            "InstanceType": self.instance_type,
            "KeyName": self.keypair_name,
            "SecurityGroups": names,
            "SecurityGroupIds": groups,
            "SubnetId": self.subnet_id,
            "UserData": self.user_data,
            "Placement": without_nothing({"AvailabilityZone": self.placement}),
            "IamInstanceProfile": without_nothing({"Name": self.instance_profile_name}),
            "BlockDeviceMappings": self.block_device_map,
        }
        if self.tags:
            tags = [{"Key": key, "Value": str(value)} for key, value in self.tags.items()]
            arguments["TagSpecifications"] = [{"ResourceType": "instance", "Tags": tags}]
        if self.spot_instance:
            once = {"MaxPrice": f"{self._bid_price_from_spot_price_history():.4f}", "SpotInstanceType": "one-time"}
            arguments["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": once}
        return without_nothing(arguments)

    def _group_ids(self, name: str | None) -> list[str]:
        """The ids of a security group of this name in the subnet's VPC, which takes no names."""
        vpc = self.ec2.Subnet(self.subnet_id).vpc_id
        asked = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc]}]
        found = [group.id for group in self.ec2.security_groups.filter(Filters=asked)]
        if not found:
            raise LatentWorkerCannotSubstantiate(
                f"worker {self.workername!r}: there is no security group {name!r} in {vpc}, the VPC of {self.subnet_id}"
            )
        return found

    def _spot_prices(self) -> list[float]:
        """The prices of the last 24 hours."""
        since = datetime.now(UTC) - timedelta(hours=24)
        asked = {
            "StartTime": since,
            "ProductDescriptions": [self.product_description],
            "InstanceTypes": [self.instance_type],
            "AvailabilityZone": self.placement,
        }
        pages = self.ec2.meta.client.get_paginator("describe_spot_price_history").paginate(**without_nothing(asked))
        return [float(each["SpotPrice"]) for page in pages for each in page["SpotPriceHistory"]]

    def _bid_price_from_spot_price_history(self) -> float:
        price = bid(self._spot_prices(), self.price_multiplier, self.max_spot_price)
        if price > self.max_spot_price:
            raise LatentWorkerFailedToSubstantiate(
                f"worker {self.workername!r}: a spot instance would cost {price:.4f} $ an hour; max_spot_price is "
                f"{self.max_spot_price:g}"
            )
        return price

    def _launch(self, start: Start) -> Any:
        from botocore.exceptions import ClientError

        try:
            image = self.get_image()
            arguments = self.launch_arguments(image)
            start.check(self.workername)
            [made] = self.ec2.create_instances(MinCount=1, MaxCount=1, ClientToken=start.token, **arguments)
        except ClientError as refusal:
            code = refusal.response.get("Error", {}).get("Code", "")
            kind = LatentWorkerCannotSubstantiate if code.startswith("Invalid") else LatentWorkerFailedToSubstantiate
            raise kind(f"worker {self.workername!r}: EC2 says: {refusal}") from refusal
        if start.given_up:
            made.terminate()
        start.check(self.workername)
        self.image = image
        return made

    def _state(self, instance: Any) -> str:
        instance.load()
        return str(instance.state["Name"])

    def _equip(self, instance: Any) -> None:
        """Give a running instance its address and its volumes."""
        client = self.ec2.meta.client
        if self.elastic_ip is not None:
            [address] = client.describe_addresses(PublicIps=[self.elastic_ip])["Addresses"]
            by = "AllocationId" if address.get("AllocationId") else "PublicIp"
            client.associate_address(InstanceId=instance.id, **{by: address[by]})
        for volume, device in self.volumes:
            client.attach_volume(VolumeId=volume, InstanceId=instance.id, Device=device)

    def _find(self, token: str, region: str) -> Any:
        """The instance that was asked for in a region with this token, if it still costs."""
        ec2 = self.ec2 if region == self.region else self._connect(region)
        asked = [{"Name": "client-token", "Values": [token]}, {"Name": "instance-state-name", "Values": ALIVE}]
        return next(iter(ec2.instances.filter(Filters=asked)), None)

    # -- the instance ------------------------------------------------------------------------------------------------

    @deferred
    async def start_instance(self, build: Any) -> list[str]:
        """Start an instance and wait until it runs."""
        self._start = start = Start(self.region)
        await self.save_instance({"token": start.token, "region": start.place})
        self.instance = made = await self.master.in_thread(self._launch, start)
        state = await until(self, "the start", lambda: self._left_pending(start, made), POLL_INTERVAL)
        if state != RUNNING:
            self.failed_to_start(made.id, state)
        await ask(self, "its address and volumes", self._equip, made)
        return [made.id, self.image.id]

    async def _left_pending(self, start: Start, instance: Any) -> str | None:
        start.check(self.workername)
        state = await ask(self, "the state of its instance", self._state, instance)
        return None if state == PENDING else str(state)

    @deferred
    async def stop_instance(self, fast: bool = False) -> None:
        """Terminate the instance and wait for its end; with ``fast`` only until it has begun to end."""
        start, self._start = self._start, None
        made, self.instance = self.instance, None
        if start is not None:
            start.give_up()
            if made is None:
                made = await ask(self, "what was started", self._find, start.token, start.place)
        if made is None:
            return
        await ask(self, "its end", made.terminate)
        good = (SHUTTINGDOWN, TERMINATED) if fast else (TERMINATED,)

        async def ended() -> bool | None:
            return True if await ask(self, "the state of its instance", self._state, made) in good else None

        await until(self, f"the end of {made.id}", ended, POLL_INTERVAL, STOP_LIMIT)

    @deferred
    async def check_instance(self) -> tuple[bool, str]:
        """Whether the instance runs."""
        if self.instance is None:
            return (True, "")
        state = await ask(self, "the state of its instance", self._state, self.instance)
        return (state in (PENDING, RUNNING), f"instance {self.instance.id} is {state}")

    @deferred
    async def recover_instance(self, saved: Any) -> bool:
        """Find the instance that an earlier process of this master has left."""
        if not saved:
            return False
        token, region = saved["token"], saved["region"]
        self.instance = await ask(self, "what an earlier process has left", self._find, token, region)
        return self.instance is not None
