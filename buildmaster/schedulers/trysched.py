"""Schedulers that build patches of developers before they are committed: the master's side of ``try``.

Jobs come as files in a directory, or over a PB port.  Each is stored as one buildset whose source stamp carries the
patch; a job file is built once, whatever dies in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import ConfigErrors, error
from buildmaster.base.interfaces import IRenderable
from buildmaster.net.maildir import MaildirService
from buildmaster.net.pb import normal_port
from buildmaster.net.pbtry import RemoteBuild, RemoteBuildRequest, RemoteBuildSetStatus, TryPerspective
from buildmaster.properties import Properties
from buildmaster.schedulers import tryjob
from buildmaster.schedulers.base import ReconfigurableBaseScheduler
from buildmaster.schedulers.machinery import Added
from buildmaster.schedulers.tryjob import BadJobfile, Job

__all__ = [
    "BadJobfile",
    "JobdirService",
    "RemoteBuild",
    "RemoteBuildRequest",
    "RemoteBuildSetStatus",
    "TryBase",
    "Try_Jobdir",
    "Try_Userpass",
    "Try_Userpass_Perspective",
]

log = Logger()

SOURCE = "try build"
"""The source of properties that a developer gives."""

Try_Userpass_Perspective = TryPerspective


class TryBase(ReconfigurableBaseScheduler):
    """What both try schedulers share."""

    def filterBuilderList(self, builderNames: Sequence[str]) -> Sequence[str]:
        """The builders to use: those that are asked for, all of this scheduler's if none is asked for.

        Empty if one is asked for that is not among this scheduler's.
        """
        own = list(self.builderNames)
        if not builderNames:
            return own
        return list(builderNames) if set(builderNames) <= set(own) else []

    async def available_builders(self) -> Sequence[str]:
        """The builders that may be asked for."""
        rendered = await self.properties.render(self.builderNames)
        return list(rendered)

    async def build(self, job: Job, who: str | None = None, key: str | None = None) -> Added:
        """Store a job; (buildset id, request id by builder id).

        ``who`` has logged in; the same ``key`` stores nothing again.  Raises ValueError for a job that cannot be built.
        """
        if not self.enabled:
            raise ValueError(f"the scheduler {self.name} is switched off")
        available = await self.available_builders()
        unknown = sorted(set(job.builder_names) - set(available))
        if unknown:
            raise ValueError(f"{self.name} does not build on {', '.join(unknown)}; it builds on {', '.join(available)}")
        by = job.who or who
        properties = Properties()
        properties.update(dict(job.properties), SOURCE)
        return await self.addBuildsetForSourceStamps(
            sourcestamps=[_stamp(job, who)],
            reason=f"'try' job by user {by}" if by else "'try' job",
            external_idstring=job.job_id,
            properties=properties,
            builderNames=job.builder_names or available,
            idempotency_key=key,
        )


def _stamp(job: Job, who: str | None) -> dict[str, Any]:
    """A job's source stamp, in the documented form."""
    stamp = {
        "codebase": "",
        "branch": job.branch,
        "revision": job.base_revision,
        "repository": job.repository,
        "project": job.project,
    }
    if job.patch_body is None:
        return stamp
    return stamp | {
        "patch_level": job.patch_level,
        "patch_body": job.patch_body,
        "patch_subdir": "",
        "patch_author": job.who or who or "",
        "patch_comment": job.comment,
    }


class JobdirService(MaildirService):
    """Looks for job files of a Try_Jobdir scheduler."""

    name = "JobdirService"

    def __init__(self, scheduler: Any, basedir: str | None = None, **kwargs: Any) -> None:
        self.scheduler = scheduler
        super().__init__(basedir, **kwargs)

    @deferred
    async def messageReceived(self, filename: str) -> None:
        """Build a job, and move its file to ``cur``."""
        with self.open_message(filename) as file:
            await as_deferred(self.scheduler.handleJobFile(filename, file))
        self.moveToCurDir(filename).close()


class Try_Jobdir(TryBase):
    """Builds the patches that are put as job files into a directory, by ``tryserver``.

    :param jobdir: the directory, with ``new``, ``cur`` and ``tmp``; a relative one is seen from the master's
    """

    compare_attrs: Sequence[str] = ("jobdir",)

    def checkConfig(self, builderNames: Any, jobdir: str, **kwargs: Any) -> None:  # type: ignore[override]
        """Check the arguments and report mistakes."""
        super().checkConfig(builderNames, **kwargs)
        if not isinstance(jobdir, str) or not jobdir:
            error(f"scheduler {self.name!r}: jobdir must be a directory, not {jobdir!r}")
        self.jobdir = jobdir
        self._watcher: JobdirService | None = None

    @deferred
    async def reconfigService(self, builderNames: Any, jobdir: str, **kwargs: Any) -> None:  # type: ignore[override]
        """Take over these arguments."""
        await maybe(super().reconfigService, builderNames, **kwargs)
        self.jobdir = jobdir

    @deferred
    async def activate(self) -> None:
        """Begin to look for jobs."""
        await maybe(super().activate)
        if self.enabled:
            await self._watch()

    @deferred
    async def deactivate(self) -> None:
        """Look no more."""
        await self._watch_no_more()
        await maybe(super().deactivate)

    def enabled_changed(self) -> None:
        """Jobs that come while the scheduler is switched off wait."""
        as_deferred(self._watch() if self.enabled else self._watch_no_more())

    async def _watch(self) -> None:
        if self._watcher is None:
            self._watcher = JobdirService(self, self.jobdir, name=f"jobs of {self.name}")
            await as_deferred(self._watcher.setServiceParent(self))

    async def _watch_no_more(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            await as_deferred(watcher.disownServiceParent())

    def parseJob(self, f: BinaryIO) -> dict[str, Any]:
        """What a job file says, as a dictionary.  Raises :class:`BadJobfile`."""
        return tryjob.parse(f.read()).as_dict()

    @deferred
    async def handleJobFile(self, filename: str, f: BinaryIO) -> None:
        """Build the job in a file; one that makes no sense is told in the log, and not built."""
        try:
            job = Job.from_dict(self.parseJob(f))
            await self.build(job, key=f"try:{self.name}:{filename}")
        except ValueError as e:
            log.error("{me}: the try job {file} is not built: {why}", me=self.name, file=filename, why=e)


class Try_Userpass(TryBase):
    """Builds the patches that clients send over a PB port.

    :param port: the port, a number or strports text; it may be the workers'
    :param userpass: a list of pairs of user name and password
    """

    compare_attrs: Sequence[str] = ("name", "builderNames", "port", "userpass", "properties")

    def checkConfig(self, builderNames: Any, port: Any, userpass: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Check the arguments and report mistakes."""
        super().checkConfig(builderNames, **kwargs)
        self.port, self.userpass = port, userpass
        self.registrations: list[Any] = []
        try:
            normal_port(port)
        except ConfigErrors as e:
            error(f"scheduler {self.name!r}: {e}")
        pairs = userpass if isinstance(userpass, list | tuple) else []
        for pair in pairs:
            if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
                error(f"scheduler {self.name!r}: userpass must be a list of pairs (user name, password)")
            elif not isinstance(pair[1], str | bytes) and not IRenderable.providedBy(pair[1]):
                error(f"scheduler {self.name!r}: the password of {pair[0]!r} must be a text or a secret")
        if not pairs:
            error(f"scheduler {self.name!r}: userpass must name at least one user, as a pair (user name, password)")

    @deferred
    async def reconfigService(self, builderNames: Any, port: Any, userpass: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Take over these arguments."""
        await maybe(super().reconfigService, builderNames, **kwargs)
        self.port, self.userpass = port, userpass

    @deferred
    async def activate(self) -> None:
        """Let clients in."""
        await maybe(super().activate)
        for user, password in self.userpass:
            secret = await self.renderSecrets(password)
            registration = await self.master.pbmanager.register(self.port, user, secret, self._perspective)
            self.registrations.append(registration)

    @deferred
    async def deactivate(self) -> None:
        """Let no more clients in."""
        registrations, self.registrations = self.registrations, []
        for registration in registrations:
            await registration.unregister()
        await maybe(super().deactivate)

    def _perspective(self, mind: Any, username: str) -> TryPerspective:
        return TryPerspective(self, username)

    def job_of(
        self,
        branch: Any,
        revision: Any,
        patch: Any,
        repository: Any,
        project: Any,
        builderNames: Any,
        who: Any,
        comment: Any,
        properties: Any,
    ) -> Job:
        """A job from what a client sent; raises ValueError for what makes no sense."""
        if not isinstance(patch, list | tuple) or len(patch) != 2:
            raise ValueError("a patch must be a pair (level, difference)")
        given: Mapping[str, Any] = {
            "branch": branch,
            "baserev": revision,
            "patch_level": patch[0],
            "patch_body": patch[1],
            "repository": repository,
            "project": project,
            "builderNames": builderNames,
            "who": who,
            "comment": comment,
            "properties": properties,
        }
        return Job.from_dict(given)
