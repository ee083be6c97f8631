"""Repo, Android's tool for many git repositories at once: init, sync, and downloads of Gerrit's changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe, sleep
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable, WorkerSetupError
from buildmaster.base.results import SUCCESS
from buildmaster.process import remotecommand
from buildmaster.process.buildstep import BuildStepFailed
from buildmaster.steps.source.checkout import Checkout

COMPRESSION = {
    "bz2": ["-j"],
    "gz": ["-z"],
    "lzma": ["--lzma"],
    "lzop": ["--lzop"],
    "pigz": ["--use-compress-program", "pigz"],
}
"""Suffix of a tarball → tar's option."""


@implementer(IRenderable)
class RepoDownloadsFromProperties(ComparableMixin):
    """The changes that the properties ``names`` tell, for ``repoDownloads``.

    Each is found in the texts as ``repo download PROJECT CHANGE/PATCHSET``, ``PROJECT CHANGE/PATCHSET`` or
    ``PROJECT/CHANGE/PATCHSET``.
    """

    compare_attrs = ("names",)
    parse_download_re = (
        re.compile(r"repo download ([^ ]+) ([0-9]+/[0-9]+)"),
        re.compile(r"([^ ]+) ([0-9]+/[0-9]+)"),
        re.compile(r"([^ ]+)/([0-9]+/[0-9]+)"),
    )

    def __init__(self, names: Sequence[str]) -> None:
        if isinstance(names, str):
            error("RepoDownloadsFromProperties: names must be a list of names of properties")
            names = [names]
        self.names = list(names)

    def getRenderingFor(self, props: Any) -> list[str]:
        """The arguments of ``repo download``."""
        found: list[str] = []
        for name in self.names:
            text = props.getProperty(name)
            if text is not None:
                found += self.parseDownloadProperty(str(text))
        return found

    def parseDownloadProperty(self, s: str) -> list[str]:
        """The downloads in a text: the first of the forms that is there."""
        for pattern in self.parse_download_re:
            if matches := pattern.findall(s):
                return [f"{project} {change}" for project, change in matches if not project.startswith("-")]
        return []


@implementer(IRenderable)
class RepoDownloadsFromChangeSource(ComparableMixin):
    """The changes of Gerrit's that the build is for, for ``repoDownloads``; of one ``codebase``, if it is given."""

    compare_attrs = ("codebase",)

    def __init__(self, codebase: str | None = None) -> None:
        self.codebase = codebase

    def getRenderingFor(self, props: Any) -> list[str]:
        """The arguments of ``repo download``."""
        build = props.getBuild()
        if self.codebase is None:
            changes = list(build.allChanges())
        else:
            stamp = build.getSourceStamp(self.codebase)
            changes = list(stamp.changes) if stamp is not None else []
        found = []
        for change in changes:
            properties = change.properties
            if properties.getProperty("event.type") != "patchset-created":
                continue
            project, number, patch_set = (
                properties.getProperty(f"event.{key}") for key in ("change.project", "change.number", "patchSet.number")
            )
            text = f"{project} {number}/{patch_set}"
            if text not in found:
                found.append(text)
        return found


class Repo(Checkout):
    """Fetches all repositories of a manifest by ``repo init`` and ``repo sync``.

    ``manifestURL`` is the manifest's repository, ``manifestBranch`` its branch, ``manifestFile`` the file in it;
    ``manifestOverrideUrl`` is another manifest to take instead: a file in the workdir or a URL.  ``jobs`` fetches so
    many repositories at a time; ``syncAllBranches`` fetches more than the branch that is needed, ``depth`` is how much
    history (0: all), ``submodules`` fetches submodules, ``syncQuietly`` says less.

    ``tarball`` is a file on the worker, which keeps ``.repo`` for the first checkout; it is made anew when it is older
    than ``updateTarballAge`` seconds (None: never).  Its suffix (bz2, gz, lzma, lzop, pigz) says how it is compressed.

    ``repoDownloads`` is a list of arguments of ``repo download``, run last (``-c PROJECT CHANGE/PATCHSET`` for
    example); :class:`RepoDownloadsFromProperties` and :class:`RepoDownloadsFromChangeSource` find them.  A change that
    the mirror does not have yet is waited for: ten times a minute.  What was downloaded is kept in the property
    ``repo_downloaded``.

    A checkout that cannot be brought up to date is made anew.
    """

    name = "repo"
    renderables = [
        "manifestURL",
        "manifestBranch",
        "manifestFile",
        "tarball",
        "jobs",
        "syncAllBranches",
        "updateTarballAge",
        "manifestOverrideUrl",
        "repoDownloads",
        "depth",
        "submodules",
    ]
    program = "repo"
    methods = ()
    ref_not_found_re = re.compile(r"fatal: [Cc]ouldn't find remote ref")
    cherry_pick_error_re = re.compile(
        r"Automatic cherry-pick failed|error: fatal: possibly due to conflict resolution."
    )
    re_change = re.compile(r".* refs/changes/\d\d/(\d+)/(\d+) -> FETCH_HEAD$")
    re_head = re.compile(r"^HEAD is now at ([0-9a-f]+)...")
    mirror_sync_retry = 10
    mirror_sync_sleep = 60.0

    def __init__(
        self,
        manifestURL: Any = None,
        manifestBranch: Any = "master",
        manifestFile: Any = "default.xml",
        tarball: Any = None,
        jobs: Any = None,
        syncAllBranches: Any = False,
        updateTarballAge: Any = 7 * 24.0 * 3600.0,
        manifestOverrideUrl: Any = None,
        repoDownloads: Any = None,
        depth: Any = 0,
        submodules: Any = False,
        syncQuietly: bool = False,
        mode: Any = "update",
        **kwargs: Any,
    ) -> None:
        self.manifestURL = manifestURL
        self.manifestBranch = manifestBranch
        self.manifestFile = manifestFile
        self.manifestOverrideUrl = manifestOverrideUrl
        self.tarball = tarball
        self.jobs = jobs
        self.syncAllBranches = syncAllBranches
        self.updateTarballAge = updateTarballAge
        self.repoDownloads = repoDownloads
        self.depth = depth
        self.submodules = submodules
        self.syncQuietly = syncQuietly
        super().__init__(mode="incremental" if mode == "update" else mode, **kwargs)
        if manifestURL is None:
            error("Repo: must provide manifestURL")
        if mode not in ("update", "incremental"):
            error(f"Repo: mode must be update, not {mode!r}")
        if (
            repoDownloads is not None
            and not isinstance(repoDownloads, list)
            and not IRenderable.providedBy(repoDownloads)
        ):
            error("Repo: repoDownloads must be a list of texts, or a renderable of one")

    @deferred
    async def run_vc(self, branch: Any, revision: Any, patch: Any) -> int:
        result = await maybe(super().run_vc, branch, revision, patch)
        await self._download()
        return result if result is not None else SUCCESS

    async def _prepare(self) -> None:
        if await self._run_in(self.workdir, ["repo", "--version"]) != 0:
            raise WorkerSetupError("repo is not installed on worker")

    async def _is_updatable(self) -> bool:
        return await self.pathExists(self.build.path_module.join(self.workdir, ".repo"))

    async def _check_out(self) -> None:
        await self.runMkdir(self.workdir)
        if self.tarball and await self.pathExists(self.tarball):
            await self._run_checked(["tar", *self._compression(), "-xf", self.tarball])
        await self._sync()

    async def _update(self) -> None:
        try:
            reset = ["forall", "-c", "git", "reset", "--hard", "--quiet"]
            await self._vc(reset, abandon=False)  # what was downloaded, or changed, by an earlier build
            await self._sync()
        except BuildStepFailed:
            if self.stopped:
                raise
            await maybe(self.clobber)

    async def _purge(self, ignored: bool) -> None:
        await self._vc(["forall", "-c", "git", "clean", "-f", "-d", *(["-x"] if ignored else [])])

    async def _sync(self) -> None:
        depth = ["--depth", str(self.depth)] if self.depth else []
        modules = ["--submodules"] if self.submodules else []
        init = ["init", "-u", self.manifestURL, "-b", self.manifestBranch, "-m", self.manifestFile]
        await self._vc([*init, *depth, *modules])
        if self.manifestOverrideUrl:
            await self._override_manifest()
        sync = ["sync", "--force-sync", "--detach"]
        for wanted, options in (
            (self.jobs, [f"-j{self.jobs}"]),
            (not self.syncAllBranches, ["-c"]),
            (self.submodules, ["--fetch-submodules"]),
            (self.syncQuietly, ["-q"]),
        ):
            if wanted:
                sync += options
        await self._vc(sync)
        await self._update_tarball()

    async def _override_manifest(self) -> None:
        url, here = self.manifestOverrideUrl, "manifest_override.xml"
        if await self.pathExists(self.build.path_module.join(self.workdir, url)):
            await self._run_checked(["cp", "-f", url, here])
        else:
            await self._run_checked(["wget", url, "-O", here])
        await self._run_checked(["ln", "-sf", f"../{here}", ".repo/manifest.xml"])

    async def _update_tarball(self) -> None:
        if not self.tarball or self.updateTarballAge is None:
            return
        args = {"file": self.tarball, "logEnviron": self.logEnviron}
        age: list[float] = []

        def look(command: Any) -> None:
            if not command.didFail():
                age.append(self.master.reactor.seconds() - command.updates["stat"][-1][8])

        await self.runRemoteCommand("stat", args, abandonOnFailure=False, evaluateCommand=look)
        if not age or age[0] > float(self.updateTarballAge):
            await self._run_checked(["tar", *self._compression(), "-cf", self.tarball, ".repo"])

    def _compression(self) -> list[str]:
        return COMPRESSION.get(str(self.tarball).rpartition(".")[2], [])

    async def _run_checked(self, command: list[Any]) -> None:
        if await self._run_in(self.workdir, command) != 0:
            raise BuildStepFailed()

    async def _find_revision(self) -> str:
        """The manifest with the revision of each repository."""
        return await self._vc(["manifest", "-r"], collect=True)

    @deferred
    async def parseGotRevision(self, _: Any = None) -> Any:
        """Keep the manifest with all revisions as the log ``manifest``; it is no revision that could be asked for."""
        await self.addCompleteLog("manifest", await self._find_revision())

    # -- Gerrit's changes

    async def _download(self) -> None:
        done = []
        for arguments in self.repoDownloads or []:
            output = await self._download_one(arguments)
            lines = output.splitlines()
            changes = [match for line in lines if (match := self.re_change.match(line))]
            heads = [match for line in lines if (match := self.re_head.match(line))]
            if changes and heads:
                done.append(f"{changes[-1].group(1)}/{changes[-1].group(2)} {heads[-1].group(1)}")
        if done:
            self.setProperty("repo_downloaded", " ".join(done), "Source")

    async def _download_one(self, arguments: str) -> str:
        """Download a change, when the mirror has it; what repo printed."""
        for left in range(self.mirror_sync_retry, -1, -1):
            rc, output = await self._repo_download(arguments)
            if self.cherry_pick_error_re.search(output):
                await self._say(f"repo download {arguments}: the change does not apply\n")
                raise BuildStepFailed()
            if rc == 0:
                return output
            if not left or self.stopped or not self.ref_not_found_re.search(output):
                break
            await self._say(f"The change is not there yet; trying again in {self.mirror_sync_sleep:g} seconds\n")
            await sleep(self.master.reactor, self.mirror_sync_sleep)
        raise BuildStepFailed()

    async def _say(self, text: str) -> None:
        await self.stdio_log.addHeader(text)

    async def _repo_download(self, arguments: str) -> tuple[int, str]:
        command = remotecommand.RemoteShellCommand(
            self.workdir,
            ["repo", "download", *arguments.split()],
            env=self.env,
            logEnviron=False,
            timeout=self.timeout,
            collectStdout=True,
            collectStderr=True,
        )
        command.useLog(self.stdio_log, False)
        await self.runCommand(command)
        return command.rc or 0, command.stdout + command.stderr
