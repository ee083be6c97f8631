"""pbuilder and cowbuilder: Debian packages, built in a system of their own."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from typing import Any, ClassVar

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.process import logobserver, remotecommand
from buildmaster.steps.warning_counting import WarningCountingShellCommand


class DebPbuilder(WarningCountingShellCommand):
    """Builds the Debian package in the workdir by ``pdebuild`` and pbuilder.

    The system to build in is made when it is not there, and brought up to date once a week.  ``distribution`` and
    ``architecture`` say which, ``mirror`` where from, ``othermirror`` (a text or a list) are further lines for
    ``sources.list``, ``extrapackages`` a list of packages to have beside the base system, ``keyring`` a file with the
    keys that packages are checked by, ``components`` the parts of the archive; ``basetgz`` is where it is kept, by
    default ``/var/cache/pbuilder/DISTRIBUTION[-ARCHITECTURE]-buildbot.tgz``.

    The worker's user has to be allowed to run pbuilder as root by sudo.  The file that tells of the packages is kept in
    the property ``deb-changes``.
    """

    name = "pbuilder"
    haltOnFailure = True
    flunkOnFailure = True
    description = ["building"]
    descriptionDone = ["built"]
    warningPattern: Any = r".*(warning[: ]|\sW: ).*"

    architecture: Any = None
    distribution: Any = "stable"
    basetgz: Any = None
    _default_basetgz: ClassVar[str] = "/var/cache/pbuilder/{name}-buildbot.tgz"
    mirror: Any = "http://cdn.debian.net/debian/"
    othermirror: Any = ""
    extrapackages: Any = []
    keyring: Any = None
    components: Any = None

    maxAge = 60 * 60 * 24 * 7
    pbuilder: ClassVar[str] = "/usr/sbin/pbuilder"
    baseOption: ClassVar[str] = "--basetgz"

    renderables = [
        "architecture",
        "distribution",
        "basetgz",
        "mirror",
        "othermirror",
        "extrapackages",
        "keyring",
        "components",
    ]

    def __init__(
        self,
        architecture: Any = None,
        distribution: Any = None,
        basetgz: Any = None,
        mirror: Any = None,
        othermirror: Any = None,
        extrapackages: Sequence[Any] | None = None,
        keyring: Any = None,
        components: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (
            ("architecture", architecture),
            ("distribution", distribution),
            ("mirror", mirror),
            ("othermirror", othermirror),
            ("extrapackages", extrapackages),
            ("keyring", keyring),
            ("components", components),
            ("basetgz", basetgz),
        ):
            if value:
                setattr(self, name, value)
        if not self.distribution:
            error(f"{type(self).__name__}: you must specify a distribution")
        self.addLogObserver("stdio", logobserver.LineConsumerLogObserver(self._find_changes))

    def _find_changes(self) -> Any:
        wrote = re.compile(r"dpkg-genchanges\s+.*>\s*(?:\.\./)?(.+\.changes)")
        while True:
            _, line = yield
            if match := wrote.search(line):
                self.setProperty("deb-changes", match.group(1), "DebPbuilder")

    # -- the command lines

    def _base(self) -> str:
        if self.basetgz:
            return str(self.basetgz)
        parts = [self.distribution, *([self.architecture] if self.architecture else [])]
        return self._default_basetgz.format(name="-".join(str(part) for part in parts))

    def _system_options(self) -> list[Any]:
        options: list[Any] = [self.baseOption, self._base(), "--distribution", self.distribution]
        if self.mirror:
            options += ["--mirror", self.mirror]
        other = self.othermirror
        if other:
            options += ["--othermirror", other if isinstance(other, str) else "|".join(other)]
        if self.architecture:
            options += ["--architecture", self.architecture]
        if self.extrapackages:
            options += ["--extrapackages", " ".join(self.extrapackages)]
        if self.keyring:
            options += [f"--debootstrapopts=--keyring={self.keyring}"]
        if self.components:
            options += ["--components", self.components]
        return options

    def _build_command(self) -> list[Any]:
        command: list[Any] = ["pdebuild", "--buildresult", ".", "--pbuilder", self.pbuilder]
        if self.architecture:
            command += ["--architecture", self.architecture]
        return [*command, "--", "--buildresult", ".", self.baseOption, self._base()]

    @deferred
    async def run(self) -> int:
        result = await self._have_system()
        if result != SUCCESS:
            return result
        self.command = self._build_command()
        return await super().run()

    async def _have_system(self) -> int:
        """Make the system to build in, or bring it up to date when that was long ago."""
        found = remotecommand.RemoteCommand("stat", {"file": self._base()})
        await self.runCommand(found)
        if found.didFail():
            return await self._sudo("create", self._system_options(), "made")
        status = found.updates["stat"][-1]
        is_system = stat.S_ISDIR if self.baseOption == "--basepath" else stat.S_ISREG
        if not is_system(status[stat.ST_MODE]):
            await self.addCompleteLog("problem", f"{self._base()} is there, but it is not what {self.name} writes\n")
            return FAILURE
        if status[stat.ST_MTIME] + self.maxAge > self.master.reactor.seconds():
            return SUCCESS
        return await self._sudo("update", [self.baseOption, self._base()], "updated")

    async def _sudo(self, verb: str, options: list[Any], done: str) -> int:
        command = await self.makeRemoteShellCommand(
            command=["sudo", self.pbuilder, f"--{verb}", *options], stdioLogName=verb
        )
        await self.runCommand(command)
        if command.didFail():
            self.descriptionDone = [f"the system could not be {done}"]
            return FAILURE
        return SUCCESS


class DebCowbuilder(DebPbuilder):
    """The same with cowbuilder, which keeps the system in a directory; ``basetgz`` is that directory."""

    name = "cowbuilder"
    _default_basetgz = "/var/cache/pbuilder/{name}-buildbot.cow"
    pbuilder = "/usr/sbin/cowbuilder"
    baseOption = "--basepath"


class UbuPbuilder(DebPbuilder):
    """The same for Ubuntu; ``distribution`` has no default."""

    distribution = None
    mirror = "http://archive.ubuntu.com/ubuntu/"
    components = "main universe"


class UbuCowbuilder(DebCowbuilder):
    """The same for Ubuntu with cowbuilder; ``distribution`` has no default."""

    distribution = None
    mirror = "http://archive.ubuntu.com/ubuntu/"
    components = "main universe"
