"""What all source steps share: which revision to fetch, how to patch it, and what to tell the build of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred, maybe, sleep
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.process import remotecommand
from buildmaster.process.buildstep import BuildStep, BuildStepFailed
from buildmaster.steps.worker import CompositeStepMixin

PATCHED = ".buildbot-patched"
"""A file in the workdir that says: a patch was applied here, clean up before the next checkout."""


async def environment_of(step: Any) -> dict[str, Any] | None:
    """The environment of a step's commands: the builder's, rendered, and over it the step's own."""
    of_builder = getattr(step.build.builder.config, "env", None)
    return {**await maybe(step.build.render, of_builder), **(step.env or {})} if of_builder else step.env


class Source(BuildStep, CompositeStepMixin):
    """The base of all source steps.

    ``workdir`` is where the source goes.  ``alwaysUseLatest`` ignores the branch and revision that the build asks
    for.  ``timeout`` is in seconds, of silence, for each command.  ``retry`` is a pair: how many seconds to wait
    before a failed full checkout is tried again, and how often.  ``env`` and ``logEnviron`` are for the commands.
    ``codebase`` says which of the build's source stamps this step is for.

    A subclass defines ``run_vc(branch, revision, patch)``, which returns a Deferred of the result (or is a coroutine);
    ``branch`` is its default branch.
    """

    renderables = ["description", "descriptionDone", "descriptionSuffix", "workdir", "env"]

    description: Any = None
    descriptionDone: Any = None
    descriptionSuffix: Any = None
    haltOnFailure = True
    flunkOnFailure = True
    branch: Any = None

    def __init__(
        self,
        workdir: Any = None,
        mode: Any = "update",
        alwaysUseLatest: Any = False,
        timeout: float | None = 20 * 60,
        retry: tuple[float, int] | None = None,
        env: Any = None,
        logEnviron: bool = True,
        description: Any = None,
        descriptionDone: Any = None,
        descriptionSuffix: Any = None,
        codebase: Any = "",
        **kwargs: Any,
    ) -> None:
        if workdir is not None:
            kwargs["workdir"] = workdir
        super().__init__(**kwargs)
        self.mode = mode
        self.alwaysUseLatest = alwaysUseLatest
        self.timeout = timeout
        self.retry = _checked_retry(type(self).__name__, retry)
        self.env = env
        self.logEnviron = logEnviron
        self.codebase = codebase
        if self.codebase and isinstance(self.name, str):
            self.name = " ".join((self.name, str(self.codebase)))
        self._describe("description", description, ["updating"])
        self._describe("descriptionDone", descriptionDone, ["update"])
        self._describe("descriptionSuffix", descriptionSuffix, None)
        self.sourcestamp: Any = None
        self.stdio_log: Any = None

    def _describe(self, name: str, given: Any, default: Any) -> None:
        if given is not None:
            value = given
        elif (of_class := getattr(type(self), name)) is not None:
            value = of_class
        elif default is not None and self.codebase:
            value = [*default, str(self.codebase)]
        else:
            value = default
        setattr(self, name, [value] if isinstance(value, str) else value)

    # -- for subclasses

    def computeSourceRevision(self, changes: Sequence[Any]) -> Any:
        """The revision that contains all these changes, for a build that asks for none; None for the newest."""

    def updateSourceProperty(self, name: str, value: Any, source: str = "") -> None:
        """Set a build property; in a build with several codebases it is a dictionary by codebase."""
        source = source or type(self).__name__
        if not self.codebase:
            assert not isinstance(self.getProperty(name, None), dict)
            self.setProperty(name, value, source)
            return
        of_all = dict(self.getProperty(name, None) or {})
        of_all[self.codebase] = value
        self.setProperty(name, of_all, source)

    @deferred
    async def sourcedirIsPatched(self) -> bool:
        """Whether a patch was applied to what is in the workdir."""
        path = self.build.path_module.join(self.workdir, PATCHED)
        return not await self.runRemoteCommand("stat", {"file": path, "logEnviron": self.logEnviron}, False)

    @deferred
    async def applyPatch(self, patch: Sequence[Any]) -> Any:
        """Apply (level, difference, directory) by the program ``patch``; a Deferred of its exit code."""
        args = ["patch", f"-p{patch[0]}", "--remove-empty-files", "--force", "--forward", "-i", ".buildbot-diff"]
        return await self._run_in(self.workdir, args)

    @deferred
    async def patch(self, patch: Sequence[Any] | None) -> int | None:
        """Put the difference on the worker and apply it; a Deferred of the result.  Fails the step if it cannot be."""
        if not patch:
            return None
        diff, root = patch[1], patch[2] if len(patch) > 2 else None
        await self.downloadFileContentToWorker(PATCHED, "patched\n", abandonOnFailure=True)
        top, self.workdir = self.workdir, await self._patch_directory(root)
        try:
            await self.downloadFileContentToWorker(".buildbot-diff", diff, abandonOnFailure=True)
            if await maybe(self.applyPatch, patch) != 0:
                raise BuildStepFailed()
        finally:
            self.workdir = top
        return SUCCESS

    async def _patch_directory(self, root: str | None) -> str:
        """Where to apply a patch; a patch may not lead out of the source."""
        paths = self.build.path_module
        top = paths.normpath(self.workdir)
        directory = paths.normpath(paths.join(top, root or "."))
        if directory != top and not directory.startswith(top + paths.sep):
            await self.addCompleteLog("patch", f"The patch's directory {root!r} is outside of the source.\n")
            raise BuildStepFailed()
        return directory

    async def _run_in(self, workdir: str, command: list[Any], **kwargs: Any) -> int | None:
        """Run a command on the worker; its exit code."""
        remote = remotecommand.RemoteShellCommand(
            workdir, command, env=self.env, logEnviron=self.logEnviron, timeout=self.timeout, **kwargs
        )
        remote.useLog(self.stdio_log, False)
        await self.runCommand(remote)
        return remote.rc

    # -- what the build calls

    @deferred
    async def run(self) -> int:
        branch, revision, patch = self.branch, None, None
        self.env = await environment_of(self)
        if not self.alwaysUseLatest:
            stamp = self.build.getSourceStamp(self.codebase)
            self.sourcestamp = stamp
            if self.codebase and stamp is None:
                await self.addCompleteLog(
                    "stdio", f"No sourcestamp found in build for codebase {self.codebase!r}; check codebases=\n"
                )
                self.descriptionDone = [f"Codebase {self.codebase} not in build"]
                return FAILURE
            if stamp is not None:
                branch, revision, patch = await self._wanted(stamp)
        return await maybe(self.run_vc, branch, revision, patch)  # type: ignore[attr-defined]

    async def _wanted(self, stamp: Any) -> tuple[Any, Any, Any]:
        """Branch, revision and patch that a source stamp asks for."""
        revision = stamp.revision
        if not revision and stamp.changes:
            revision = await maybe(self.computeSourceRevision, stamp.changes)
        return stamp.branch or self.branch, revision, stamp.patch

    async def _before_retry(self) -> bool:
        """Wait for the next try of a full checkout; False if there is none left."""
        if self.retry is None or self.stopped:
            return False
        delay, repeats = self.retry
        if repeats <= 0:
            return False
        self.retry = (delay, repeats - 1)
        await self.stdio_log.addHeader(
            f"Checkout failed, trying again in {delay:g} seconds; {repeats - 1} more after that\n"
        )
        await sleep(self.master.reactor, delay)
        return not self.stopped


def _checked_retry(step: str, retry: Any) -> tuple[float, int] | None:
    if retry is None:
        return None
    try:
        delay, repeats = retry
        return (float(delay), int(repeats))
    except (TypeError, ValueError):
        error(f"{step}: retry must be a pair (seconds to wait, how often to try again), not {retry!r}")
        return None
