"""Workers on virtual machines that libvirt runs: one is started for the builds and stopped after them."""

from __future__ import annotations

import os
import socket
from typing import Any
from xml.sax.saxutils import quoteattr

from twisted.logger import Logger

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import LatentWorkerCannotSubstantiate, LatentWorkerFailedToSubstantiate
from buildmaster.net.childprocess import run_process
from buildmaster.worker.cloud import Start, ask, bound, check_library, until
from buildmaster.worker.latent import AbstractLatentWorker

log = Logger()

METADATA = ("buildbot", "http://buildbot.net/")
"""Prefix and namespace of the element in a domain's metadata that tells its worker how to connect."""

IMAGE_DEADLINE = 600.0
"""Seconds that making a disk image may take."""

SHUTDOWN_SECONDS = 60.0
"""How long a machine may take to shut down by itself before it is destroyed."""

POLL_INTERVAL = 2.0


class Connection:
    """A hypervisor by its address, as in ``qemu:///system`` or ``qemu+ssh://user@host/system``."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def __repr__(self) -> str:
        return f"Connection({self.uri!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Connection) and other.uri == self.uri

    def __hash__(self) -> int:
        return hash(self.uri)


class LibVirtWorker(AbstractLatentWorker):
    """A worker on a virtual machine of libvirt.

    ``uri`` names the hypervisor; a :class:`Connection` may be given for it, by name or in the third place, before
    ``hd_image``, as older configurations do.  The machine is the defined domain of the worker's name, or one that is
    made from ``xml``, the text of a domain's description, at each start.  With ``base_image``, before each start
    ``hd_image`` is made anew by ``qemu-img`` on this host, as a copy-on-write image on top of it, and removed after the
    end; the machine must have ``hd_image`` as its disk.

    The machine must start ``buildbot-worker`` by itself.  Its domain's metadata has an element
    ``<auth username=… password=… master=…/>`` of the namespace ``http://buildbot.net/``, from which it can learn how to
    connect: ``master`` is ``masterFQDN``, by default this host's full name.  Without a ``password`` one is made up.

    The machine is asked to shut down, and destroyed if it does not within a minute; when the master stops it is
    destroyed at once.

    Needs the package ``libvirt-python`` (``pip install buildmaster-ci[libvirt]``, or the system's own).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._generated = self.getRandomPass()
        self._hypervisor: Any = None
        self._start: Start | None = None
        self._domain: str | None = None
        super().__init__(*args, **kwargs)

    def checkConfig(  # type: ignore[override]
        self,
        name: str,
        password: Any,
        hd_image: Any = None,
        base_image: str | None = None,
        uri: Any = "system:///",
        xml: str | None = None,
        masterFQDN: str | None = None,
        connection: Connection | None = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments, reporting all mistakes."""
        super().checkConfig(name, self._generated if password is None else password, **kwargs)
        place = f"worker {self.name!r}"
        check_library(place, LibVirtWorker, "libvirt", "libvirt", "libvirt-python")
        uri, hd_image, base_image, xml = arranged(connection, hd_image, base_image, uri, xml)
        if not isinstance(uri, str):
            error(f"{place}: uri must be a hypervisor's address or a util.Connection, not {uri!r}")
        if base_image is not None and hd_image is None:
            error(f"{place}: base_image needs hd_image, the path of the image that is made on top of it")
        for what, value in (("hd_image", hd_image), ("base_image", base_image)):
            if value is not None and not isinstance(value, str | os.PathLike):
                error(f"{place}: {what} must be a path, not {value!r}")

    @deferred
    async def reconfigService(self, *args: Any, **kwargs: Any) -> None:
        """Take these arguments over; a machine that was started with others goes when it is idle."""
        own = bound(LibVirtWorker.checkConfig, (self, *args), kwargs)
        given = [own[name] for name in ("connection", "hd_image", "base_image", "uri", "xml")]
        self.uri, self.image, self.base_image, self.xml = arranged(*given)
        self.masterFQDN = own["masterFQDN"] or socket.getfqdn()
        password = self._generated if own["password"] is None else own["password"]
        await super().reconfigService(own["name"], password, **own["kwargs"])

    # -- the disk ----------------------------------------------------------------------------------------------------

    async def _prepare_image(self) -> None:
        """Make ``hd_image`` on top of ``base_image``."""
        if self.base_image is None:
            return
        base, image = os.path.abspath(self.base_image), os.fspath(self.image)
        kind = await self._qemu_img("info", "--output=json", base)
        argv = ["create", "-q", "-f", "qcow2", "-F", _format_of(kind), "-b", base, image]
        await self._qemu_img(*argv)

    async def _qemu_img(self, *args: str) -> bytes:
        try:
            ended = await run_process(self.master.reactor, ["qemu-img", *args], timeout=IMAGE_DEADLINE)
        except FileNotFoundError as missing:
            raise LatentWorkerCannotSubstantiate(
                f"worker {self.workername!r}: base_image needs qemu-img on the master's host: {missing}"
            ) from missing
        if ended.rc != 0:
            said = ended.stderr.decode("utf-8", "replace").strip()
            raise LatentWorkerFailedToSubstantiate(f"worker {self.workername!r}: qemu-img {args[0]}: {said}")
        return ended.stdout

    async def _remove_image(self) -> None:
        if self.base_image is not None and os.path.exists(self.image):
            await self.master.in_thread(os.remove, self.image)

    # -- what is asked of libvirt, in threads ------------------------------------------------------------------------

    def _connected(self, uri: str) -> Any:
        """libvirt's connection, made anew if the last one is dead."""
        import libvirt

        libvirt.registerErrorHandler(_say_nothing, None)  # errors are raised too; by default they also go to stderr
        kept = self._hypervisor
        if kept is None or kept[0] != uri or not kept[1].isAlive():
            self._hypervisor = kept = (uri, libvirt.open(uri))
        return kept[1]

    def _find(self, uri: str, name: str) -> Any:
        """The domain of this name; None if there is none."""
        import libvirt

        try:
            return self._connected(uri).lookupByName(name)
        except libvirt.libvirtError as refusal:
            if refusal.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def _auth(self) -> str:
        values = {"username": self.workername, "password": self.password, "master": self.masterFQDN}
        return "<auth " + " ".join(f"{name}={quoteattr(str(value))}" for name, value in values.items()) + "/>"

    def _create(self, start: Start) -> None:
        """Start the machine."""
        import libvirt

        start.check(self.workername)
        element = (libvirt.VIR_DOMAIN_METADATA_ELEMENT, self._auth(), *METADATA)
        if self.xml is not None:
            domain = self._connected(start.place).createXML(self.xml, 0)
            self._domain = str(domain.name())
            domain.setMetadata(*element, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        else:
            domain = self._find(start.place, self.workername)
            if domain is None:
                raise LatentWorkerCannotSubstantiate(
                    f"worker {self.workername!r}: {start.place} has no domain {self.workername!r}; define it there, or "
                    "give xml"
                )
            domain.setMetadata(*element, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
            domain.create()
            self._domain = str(domain.name())
        if start.given_up:
            domain.destroy()
        start.check(self.workername)

    def _runs(self, uri: str, name: str) -> bool:
        domain = self._find(uri, name)
        return domain is not None and bool(domain.isActive())

    def _end(self, uri: str, name: str, destroy: bool) -> None:
        import libvirt

        domain = self._find(uri, name)
        if domain is None or not domain.isActive():
            return
        try:
            (domain.destroy if destroy else domain.shutdown)()
        except libvirt.libvirtError:
            if self._runs(uri, name):
                raise

    def _disconnect(self) -> None:
        kept, self._hypervisor = self._hypervisor, None
        if kept is not None:
            kept[1].close()

    # -- the instance ------------------------------------------------------------------------------------------------

    @deferred
    async def start_instance(self, build: Any) -> list[str]:
        """Make the disk and start the machine."""
        self._start = start = Start(self.uri)
        name = self.workername if self.xml is None else _name_in(self.xml)
        if await ask(self, "its state", self._runs, start.place, name):  # somebody else's, which is left alone
            raise LatentWorkerFailedToSubstantiate(
                f"worker {self.workername!r}: the domain {name!r} of {start.place} runs already"
            )
        await self.save_instance({"uri": start.place, "domain": name, "image": self._image_to_remove()})
        await self._prepare_image()
        await ask(self, "the start", self._create, start)
        return [name]

    def _image_to_remove(self) -> str | None:
        return None if self.base_image is None else os.fspath(self.image)

    @deferred
    async def stop_instance(self, fast: bool = False) -> None:
        """Shut the machine down, or with ``fast`` destroy it; then remove its disk."""
        start, self._start = self._start, None
        name, self._domain = self._domain, None
        uri = self.uri
        if start is not None:
            start.give_up()
            uri = start.place
        try:
            if name is not None:
                await self._stop_domain(uri, name, fast)
        finally:
            await ask(self, "the end of a connection", self._disconnect)
        await self._remove_image()

    async def _stop_domain(self, uri: str, name: str, fast: bool) -> None:
        async def gone() -> bool | None:
            return None if await ask(self, "its state", self._runs, uri, name) else True

        if not fast:
            await ask(self, "its shutdown", self._end, uri, name, False)
            clock = self.master.reactor
            limit = clock.seconds() + SHUTDOWN_SECONDS

            async def gone_or_late() -> bool | None:
                return True if clock.seconds() >= limit else await gone()

            await until(self, "its shutdown", gone_or_late, POLL_INTERVAL)
        await ask(self, "its end", self._end, uri, name, True)
        await until(self, "its end", gone, POLL_INTERVAL, SHUTDOWN_SECONDS)

    @deferred
    async def check_instance(self) -> tuple[bool, str]:
        """Whether the machine runs."""
        if self._domain is None or self._start is None:
            return (True, "")
        runs = await ask(self, "its state", self._runs, self._start.place, self._domain)
        return (runs, "" if runs else f"the domain {self._domain!r} does not run")

    @deferred
    async def recover_instance(self, saved: Any) -> bool:
        """Find the machine that an earlier process of this master has left."""
        if not saved:
            return False
        self._start, self._domain = Start(saved["uri"]), saved["domain"]
        if await ask(self, "what an earlier process has left", self._runs, saved["uri"], saved["domain"]):
            return True
        self._start = self._domain = None
        image = saved["image"]
        if image is not None and image == self._image_to_remove():
            await self._remove_image()
        return False


def _say_nothing(context: Any, told: Any) -> None:
    """libvirt's error handler."""


def arranged(connection: Any, hd_image: Any, base_image: Any, uri: Any, xml: Any) -> tuple[Any, Any, Any, Any]:
    """Address, image, base image and description, wherever the Connection was given."""
    if isinstance(hd_image, Connection):  # (name, password, connection, hd_image, base_image, xml)
        connection, hd_image, base_image = hd_image, base_image, uri if uri != "system:///" else None
    if connection is None and isinstance(uri, Connection):
        connection = uri
    return (connection.uri if isinstance(connection, Connection) else uri), hd_image, base_image, xml


def _name_in(xml: str) -> str:
    """The name of the domain that a description makes."""
    from xml.etree import ElementTree

    try:
        name = ElementTree.fromstring(xml).findtext("name")
    except ElementTree.ParseError as mistake:
        raise LatentWorkerCannotSubstantiate(f"xml of the domain can't be read: {mistake}") from mistake
    if not name:
        raise LatentWorkerCannotSubstantiate("xml of the domain has no <name>")
    return name.strip()


def _format_of(info: bytes) -> str:
    """The format of an image, from what ``qemu-img info --output=json`` says."""
    import json

    return str(json.loads(info)["format"])
