"""Reviews at Gerrit: votes and messages, by Gerrit's commands over ``ssh``.

Source: "gerrit review" and "gerrit version" of Gerrit's documentation (command line tools).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.mq.failing import TryLater
from buildmaster.net.childprocess import run_process
from buildmaster.net.ssh import quoted, ssh_command
from buildmaster.properties import Properties
from buildmaster.reporters.base import ReporterBase
from buildmaster.reporters.gerrit_reviews import (
    DEFAULT_REVIEW,
    DEFAULT_SUMMARY,
    GERRIT_LABEL_REVIEWED,
    GERRIT_LABEL_VERIFIED,
    GerritBuildEndStatusGenerator,
    GerritBuildSetStatusGenerator,
    GerritBuildStartStatusGenerator,
    defaultReviewCB,
    defaultSummaryCB,
    makeReviewResult,
)

__all__ = [
    "DEFAULT_REVIEW",
    "DEFAULT_SUMMARY",
    "GERRIT_LABEL_REVIEWED",
    "GERRIT_LABEL_VERIFIED",
    "GERRIT_VERSION_CACHE_TIMEOUT",
    "GerritBuildEndStatusGenerator",
    "GerritBuildSetStatusGenerator",
    "GerritBuildStartStatusGenerator",
    "GerritStatusPush",
    "defaultReviewCB",
    "defaultSummaryCB",
    "extract_project_revision",
    "makeReviewResult",
]

log = Logger()

GERRIT_VERSION_CACHE_TIMEOUT = 600
"""Seconds for which Gerrit's version is believed."""

COMMAND_SECONDS = 60.0
SSH_FAILED = 255  # what ssh itself ends with

_VERSION = re.compile(r"gerrit version (\d+)\.(\d+)")
_DOWNLOAD = re.compile(r"(?<!\S)([^\s/-][^\s]*)[ /](\d+/\d+)(?!\S)")
_PROJECT, _REVISION = re.compile(r"[\w./+-]+"), re.compile(r"[0-9a-f]+")
_LABELS_SINCE = (2, 6)
_TAG_SINCE = (2, 13)


class GerritStatusPush(ReporterBase):
    """Reviews the patch sets that builds are of.

    :param server: the host
    :param username: who reviews
    :param port: the port of Gerrit's ssh
    :param identity_file: a private key, if it is not the usual one
    :param notify: whom Gerrit tells: ``NONE``, ``OWNER``, ``OWNER_REVIEWERS`` or ``ALL``
    :param generators: :class:`GerritBuildSetStatusGenerator`, :class:`GerritBuildStartStatusGenerator` or
        :class:`GerritBuildEndStatusGenerator`; by default one review sums a buildset up

    The patch set is the one of :class:`~buildmaster.changes.gerritchangesource.GerritChangeSource`, or the first of the
    property ``repo_downloads`` (a list of ``PROJECT CHANGE/PATCHSET``) that the step ``Repo`` has downloaded.
    """

    name: Any = "GerritStatusPush"
    gerrit_server: str | None = None
    gerrit_username: str | None = None
    gerrit_port: int | None = None
    gerrit_version: tuple[int, int] | None = None
    gerrit_version_time: float | None = None
    gerrit_identity_file: str | None = None
    _gerrit_notify: str | None = None

    def checkConfig(  # type: ignore[override]
        self,
        server: str,
        username: str,
        port: int = 29418,
        identity_file: str | None = None,
        notify: str | None = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        for what, given in (("server", server), ("username", username)):
            if not isinstance(given, str) or not given or given.startswith("-"):
                error(f"GerritStatusPush: {what} must be a name, not {given!r}")
        if notify is not None and not re.fullmatch(r"[A-Z_]+", str(notify)):
            error(f"GerritStatusPush: notify must be NONE, OWNER, OWNER_REVIEWERS or ALL, not {notify!r}")
        super().checkConfig(generators=self._create_generators(generators), **kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        server: str,
        username: str,
        port: int = 29418,
        identity_file: str | None = None,
        notify: str | None = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take these arguments over."""
        await super().reconfigService(generators=self._create_generators(generators), **kwargs)
        self.gerrit_server, self.gerrit_username, self.gerrit_port = server, username, port
        self.gerrit_identity_file, self._gerrit_notify = identity_file, notify
        self.gerrit_version = self.gerrit_version_time = None

    @staticmethod
    def _create_generators(generators: Any) -> Any:
        if generators is not None:
            return generators
        return [GerritBuildSetStatusGenerator(DEFAULT_SUMMARY, None, None, False, False)]

    def _gerritCmd(self, *args: str) -> list[str]:
        """The program and its arguments for a command of Gerrit."""
        assert self.gerrit_username is not None and self.gerrit_server is not None and self.gerrit_port is not None
        where = (self.gerrit_username, self.gerrit_server, self.gerrit_port, self.gerrit_identity_file)
        return ssh_command(*where, ["gerrit", *args])

    async def _run(self, *args: str) -> str | None:
        """What a command of Gerrit prints; None, with a line in the log, if it failed."""
        command = self._gerritCmd(*args)
        try:
            done = await run_process(self.master.reactor, command, timeout=COMMAND_SECONDS)
        except FileNotFoundError:
            raise RuntimeError("there is no program ssh in PATH: install it to send reviews to Gerrit")
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:500]
        if done.rc == SSH_FAILED:
            raise TryLater(f"ssh to {self.gerrit_server}: {said}", unreachable=True)
        if done.rc != 0:
            log.error(
                "reporter {n!r}: gerrit {what} ended with {rc}: {s}", n=self.name, what=args[0], rc=done.rc, s=said
            )
            return None
        return done.stdout.decode("utf-8", "replace")

    async def _version(self) -> tuple[int, int]:
        now = self.master.reactor.seconds()
        asked = self.gerrit_version_time
        if self.gerrit_version is None or asked is None or now - asked > GERRIT_VERSION_CACHE_TIMEOUT:
            found = _VERSION.search(await self._run("version") or "")
            self.gerrit_version = (int(found.group(1)), int(found.group(2))) if found else _TAG_SINCE
            self.gerrit_version_time = now
        return self.gerrit_version

    @deferred
    async def send_code_review(
        self, project: str, revision: str, message: str | None, labels: Mapping[str, Any] | None
    ) -> None:
        """Review a revision of a project with this message and these votes."""
        version = await self._version()
        command = ["review", f"--project {project}"]
        if version >= _TAG_SINCE:
            command.append("--tag autogenerated:buildbot")
        if self._gerrit_notify is not None:
            command.append(f"--notify {self._gerrit_notify}")
        if message:
            command.append(f"--message {quoted(message)}")
        for label, value in (labels or {}).items():
            command.append(label_argument(label, value, version >= _LABELS_SINCE))
        await self._run(*command, revision)

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Send the first report's review."""
        report = reports[0]
        if report["body"] is None:
            return
        project, revision = await maybe(extract_project_revision, self.master, report)
        if project is None or revision is None:
            log.info("reporter {name!r}: the builds are not of a patch set", name=self.name)
            return
        await self.send_code_review(project, revision, report["body"], (report.get("extra_info") or {}).get("labels"))


def label_argument(label: str, value: Any, new: bool) -> str:
    """A vote as an argument of ``gerrit review``; Gerrit before 2.6 had an option for each label."""
    value = int(value)
    return f"--label {label}={value}" if new else f"--{label.lower()} {value}"


def extract_project_revision(master: Any, report: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Project and revision of the patch set that a report's builds are of, or two Nones."""
    for build in report["builds"]:
        props = Properties.fromDict(build.get("properties") or {})
        for project, revision in (*downloaded(props), of_event(props)):
            if project and revision and _PROJECT.fullmatch(str(project)) and _REVISION.fullmatch(str(revision)):
                return project, revision
    return None, None


def of_event(props: Properties) -> tuple[Any, Any]:
    """The patch set of an event of Gerrit's; what was checked out, if the event does not tell the revision."""
    revision = props.getProperty("event.patchSet.revision") or props.getProperty("got_revision")
    return props.getProperty("event.change.project"), revision


def downloaded(props: Properties) -> Iterator[tuple[str, str]]:
    """What the step :class:`~buildmaster.steps.source.repo.Repo` has downloaded of what ``repo_downloads`` asks for."""
    wanted = props.getProperty("repo_downloads")
    done = str(props.getProperty("repo_downloaded") or "").split()
    texts = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list | tuple) else []
    projects = {change: project for text in texts for project, change in _DOWNLOAD.findall(str(text))}
    for change, revision in zip(done[::2], done[1::2], strict=False):
        if change in projects:
            yield projects[change], revision
