"""Git: fetch a branch or revision into the workdir; and commit, tag and push from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import WorkerSetupError
from buildmaster.net import git
from buildmaster.net.git import RC_SUCCESS
from buildmaster.process.buildstep import BuildStepFailed
from buildmaster.steps.source.checkout import Checkout
from buildmaster.steps.source.git_mixin import GitStepMixin, credential_options
from buildmaster.steps.source.git_publish import GitCommit, GitPush, GitTag

__all__ = ["GIT_HASH_LENGTH", "RC_SUCCESS", "Git", "GitCommit", "GitPush", "GitTag", "git_describe_flags"]

GIT_HASH_LENGTH = 40


class Git(Checkout, GitStepMixin):
    """Fetches a branch, tag or revision of a git repository.

    ``repourl`` is the repository; ``port`` is for addresses of the form ``user@host:path``.  ``branch`` is what to
    fetch when the build names no branch; ``HEAD`` is the repository's default.

    ``mode`` is ``incremental`` (what earlier builds left stays) or ``full``, whose ``method`` is ``fresh`` (all that
    git does not track is removed), ``clean`` (ignored files stay), ``clobber`` (a new clone), or ``copy`` (the source
    is kept up to date in the directory ``source`` and copied).

    ``shallow`` (True, or a number of commits) fetches no older history; ``filters`` are for a partial clone;
    ``reference`` is a repository on the worker to borrow from; ``tags`` fetches all tags; ``submodules`` are fetched
    too, at their newest if ``remoteSubmodules``; ``origin`` names the remote; ``progress`` shows progress, so that
    long fetches are not taken for silent ones; ``config`` is a dictionary of git settings.

    ``retryFetch`` tries a failed fetch again, ``clobberOnFailure`` then starts over with a new clone, and ``retry``
    repeats failed clones.  ``getDescription`` (True, or a dictionary of options) keeps what ``git describe`` says in
    the property ``commit-description``.

    ``sshPrivateKey``, with ``sshHostKey`` or ``sshKnownHosts``, is for addresses that go by ssh;
    ``auth_credentials``, a pair of user name and password, and ``git_credentials`` for those that go by HTTP.

    The revision that was fetched is kept in the property ``got_revision``.
    """

    name = "git"
    program = "git"
    metadata = ".git"
    renderables = ["repourl", "reference", "branch", "codebase", "mode", "method", "origin"]

    def __init__(
        self,
        repourl: Any = None,
        port: int = 22,
        branch: Any = "HEAD",
        mode: Any = "incremental",
        method: Any = None,
        reference: Any = None,
        submodules: bool = False,
        remoteSubmodules: bool = False,
        tags: bool = False,
        shallow: bool | int = False,
        filters: Sequence[str] | None = None,
        progress: bool = True,
        retryFetch: bool = False,
        clobberOnFailure: bool = False,
        getDescription: bool | dict[str, Any] = False,
        config: dict[str, Any] | None = None,
        origin: Any = None,
        sshPrivateKey: Any = None,
        sshHostKey: Any = None,
        sshKnownHosts: Any = None,
        auth_credentials: tuple[Any, Any] | None = None,
        git_credentials: Any = None,
        **kwargs: Any,
    ) -> None:
        self.repourl = repourl
        self.port = port
        self.branch = branch
        self.reference = reference
        self.submodules = submodules
        self.remoteSubmodules = remoteSubmodules
        self.tags = tags
        self.shallow = shallow
        self.filters = filters
        self.prog = progress
        self.retryFetch = retryFetch
        self.clobberOnFailure = clobberOnFailure
        self.getDescription = getDescription
        self.config = config
        self.origin = origin
        super().__init__(mode=mode, method=method, **kwargs)
        self._wanted_ref: str = "HEAD"
        self.setupGitStep()
        self._check_arguments(mode, method)
        options = credential_options("Git", auth_credentials, git_credentials, repourl)
        self.setup_git_auth(sshPrivateKey, sshHostKey, sshKnownHosts, options)

    def _check_arguments(self, mode: Any, method: Any) -> None:
        if mode == "full" and method in ("clean", "fresh", "copy") and self.shallow:
            error("Git: in mode 'full' shallow is only possible with mode 'full' and method 'clobber'.")
        if not isinstance(self.getDescription, bool | dict):
            error(f"Git: getDescription must be a boolean or a dict, not {self.getDescription!r}")
        if not isinstance(self.shallow, int) or self.shallow < 0:
            error(f"Git: shallow must be True, False or a number of commits, not {self.shallow!r}")
        if isinstance(self.filters, str):
            error("Git: filters must be a list of texts")

    # -- the run

    @deferred
    async def run_vc(self, branch: Any, revision: Any, patch: Any) -> int:
        self._wanted_ref = branch or "HEAD"
        try:
            result: int = await super().run_vc(branch, revision, patch)
            await self.parseCommitDescription()
            return result
        finally:
            await self._git_auth.remove_auth_files_if_needed(self.workdir)

    async def _prepare(self) -> None:
        self.setup_repourl()
        await self.checkFeatureSupport()
        self._check_features()
        wrapper = not self.git_features.ssh_command_variable
        await self._git_auth.download_auth_files_if_needed(self.workdir, wrapper)

    def _check_features(self) -> None:
        """Raises WorkerSetupError where the worker's git is too old for what is configured."""
        needs = (
            (self.remoteSubmodules, self.git_features.submodule_remote, "remoteSubmodules", "1.8.2"),
            (self.filters, self.git_features.filters, "filters", "2.27"),
        )
        for wanted, possible, name, version in needs:
            if wanted and not possible:
                raise WorkerSetupError(f"git on the worker is too old for {name}; it must be {version} or later")

    @deferred
    async def clobber(self) -> None:
        """A new clone in an empty directory."""
        await self._clone_anew()

    @deferred
    async def fresh(self) -> None:
        """Remove all that git does not track, then update."""
        await self._clean_up(ignored=True)
        await self._update()
        await self._clean(["-x"])

    @deferred
    async def clean(self) -> None:
        """Remove all that git neither tracks nor ignores, then update."""
        await self._clean_up(ignored=False)
        await self._update()
        await self._clean([])

    # -- its parts

    async def _purge(self, ignored: bool) -> None:
        await self._clean(["-x"] if ignored else [], abandonOnFailure=False)

    async def _clean(self, options: list[str], abandonOnFailure: bool = True) -> None:
        clean = ["clean", "-f", "-f", "-d", *options]
        await self._dovccmd(clean, abandonOnFailure)
        if self.submodules:
            command = " ".join(["git", *clean])
            await self._dovccmd(["submodule", "foreach", "--recursive", command], abandonOnFailure)

    async def _update(self) -> None:
        """Fetch and check out; after a failure as ``clobberOnFailure`` says."""
        try:
            known = await self._has_revision()
            if not known or self.tags:
                await self._fetch_with_retry(self._wanted_ref)
            await self._check_out(known)
        except BuildStepFailed:
            if not self.clobberOnFailure or self.stopped:
                raise
            await self._clone_anew(spare=0)

    async def _has_revision(self) -> bool:
        """Whether the wanted revision is here already."""
        if self.revision is None:
            return False
        return await self._dovccmd(["cat-file", "-e", f"{self.revision}^{{commit}}"], False) == RC_SUCCESS

    async def _fetch_with_retry(self, ref: str) -> None:
        try:
            await self._fetch(ref)
        except BuildStepFailed:
            if not self.retryFetch or self.stopped:
                raise
            await self._fetch(ref)

    async def _fetch(self, ref: str, abandonOnFailure: bool = True) -> int:
        args = ["fetch", "-f", *self._depth(), *self._progress()]
        if self.tags:
            args.append("--tags")
        return await self._dovccmd([*args, self.repourl, ref], abandonOnFailure)

    async def _check_out(self, known: bool = False) -> None:
        """Check out the revision, or what was fetched last, as a branch of its name; ``known``: it is here."""
        if self.revision is not None and not known and not await self._has_revision():
            # not of that branch, or beyond the depth: many servers give any commit that is asked for by its id
            await self._fetch(self.revision, abandonOnFailure=False)
        await self._check_out_commit(self.revision or "FETCH_HEAD")
        await self._update_submodules()

    async def _check_out_commit(self, commit: str) -> None:
        name = self._branch_name()
        if name is None and self._wanted_ref == "HEAD":
            name = await self._default_branch()
        on_branch = ["checkout", "-f", "-B", name, commit] if name is not None else None
        detached = ["checkout", "-f", "--detach", commit]
        if await self._dovccmd(on_branch or detached, False) == RC_SUCCESS or self.stopped:
            return
        await self._remove_stale_locks()
        if on_branch is None or await self._dovccmd(on_branch, False) != RC_SUCCESS:
            await self._dovccmd(detached)

    async def _remove_stale_locks(self) -> None:
        """A git that was killed, with its worker say, leaves locks; nobody else works in this directory."""
        paths = self.build.path_module
        for name in ("index.lock", "HEAD.lock"):
            lock = paths.join(self.workdir, ".git", name)
            if await self.pathExists(lock):
                await self.runRmFile(lock, abandonOnFailure=False)

    def _branch_name(self) -> str | None:
        """The local branch to be on; None for what is not a branch."""
        name = git.short_branch(self._wanted_ref)
        return None if name == "HEAD" or name.startswith("refs/") else name

    async def _default_branch(self) -> str | None:
        """The name of the remote's default branch, as the clone found it; None if it found none."""
        origin = self.origin or "origin"
        args = ["symbolic-ref", "--short", f"refs/remotes/{origin}/HEAD"]
        output = await self._dovccmd(args, abandonOnFailure=False, collectStdout=True)
        return output.strip().removeprefix(f"{origin}/") or None if isinstance(output, str) else None

    async def _update_submodules(self) -> None:
        if not self.submodules:
            return
        await self._dovccmd(["submodule", "sync", "--recursive"])
        args = ["submodule", "update", "--init", "--recursive"]
        if self.git_features.submodule_force:
            args.append("--force")
        if self.remoteSubmodules:
            args.append("--remote")
        await self._dovccmd(args)

    async def _clone_anew(self, spare: int | None = None) -> None:
        """Clone into an emptied workdir; after failures ``spare`` times more at once, then as ``retry`` says."""
        if spare is None:
            spare = 1 if self.clobberOnFailure else 0
        while True:
            await self.runRmdir(self.workdir, timeout=self.timeout)
            try:
                await self._clone()
                return
            except BuildStepFailed:
                if self.stopped:
                    raise
                if spare:
                    spare -= 1
                elif not await self._before_retry():
                    raise

    async def _clone(self) -> None:
        args = ["clone", *self._depth(), *self._progress()]
        for value in self.filters or ():
            args += ["--filter", value]
        if self.reference:
            args += ["--reference", self.reference]
        if self.origin:
            args += ["--origin", self.origin]
        name = self._branch_name()
        # git clone takes branches and tags; any other reference is fetched afterwards
        other = name is None and self._wanted_ref != "HEAD"
        if name is not None:
            args += ["--branch", name]
        if other or self.revision is not None:
            args.append("--no-checkout")
        await self._dovccmd([*args, self.repourl, "."])
        if other:
            await self._fetch(self._wanted_ref)
        elif self.tags:
            await self._dovccmd(["fetch", "--tags", *self._depth(), *self._progress(), self.repourl])
        if other or self.revision is not None:
            await self._check_out()
        else:
            await self._update_submodules()

    def _depth(self) -> list[str]:
        return ["--depth", str(int(self.shallow))] if self.shallow else []

    def _progress(self) -> list[str]:
        return ["--progress"] if self.prog and self.git_features.progress else []

    # -- what the build is told

    def computeSourceRevision(self, changes: Sequence[Any]) -> Any:
        """The revision of the newest change."""
        return changes[-1].revision if changes else None

    @deferred
    async def parseGotRevision(self, _: Any = None) -> int:
        """Keep the revision that is checked out in the property ``got_revision``."""
        output = await self._dovccmd(["rev-parse", "HEAD"], collectStdout=True)
        revision = output.strip()
        if len(revision) not in (GIT_HASH_LENGTH, 64):
            raise BuildStepFailed()
        self.updateSourceProperty("got_revision", revision)
        return RC_SUCCESS

    @deferred
    async def parseCommitDescription(self, _: Any = None) -> int:
        """Keep what ``git describe`` says in the property ``commit-description``; nothing if it says nothing."""
        if self.getDescription is False:
            return RC_SUCCESS
        args = ["describe", *git.describe_args(self.getDescription)]
        if not _describes_the_worktree(self.getDescription):
            args.append("HEAD")
        output = await self._dovccmd(args, abandonOnFailure=False, collectStdout=True)
        description = output.strip() if isinstance(output, str) else ""
        if description:
            self.updateSourceProperty("commit-description", description)
        return RC_SUCCESS

    @deferred
    async def applyPatch(self, patch: Sequence[Any]) -> int:
        """Apply the difference to the files and the index; a Deferred of the exit code."""
        await self._dovccmd(["update-index", "--refresh"], abandonOnFailure=False)
        return await self._dovccmd(["apply", "--index", "-p", str(patch[0]), ".buildbot-diff"], abandonOnFailure=False)


def _describes_the_worktree(options: Any) -> bool:
    """``--dirty`` looks at the files; git then takes no commit."""
    return isinstance(options, dict) and options.get("dirty") not in (None, False)


git_describe_flags = [*((name, f"--{name}") for name in git.DESCRIBE_FLAGS)]


def isTrueOrIsExactlyZero(v: Any) -> bool:
    """Whether a value of ``getDescription`` is to be passed on: 0 is one, False is not."""
    return bool(v) or (v == 0 and v is not False)
