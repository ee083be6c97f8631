"""Commit, tag and push from a git repository on the worker."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.base.results import SUCCESS
from buildmaster.process.buildstep import BuildStep, BuildStepFailed
from buildmaster.steps.source.base import environment_of
from buildmaster.steps.source.git_mixin import GitStepMixin, credential_options
from buildmaster.steps.worker import CompositeStepMixin


class _GitStep(BuildStep, GitStepMixin, CompositeStepMixin):
    """What the three share: a workdir with a repository, and how git is run there."""

    description: Any = None
    descriptionDone: Any = None
    descriptionSuffix: Any = None

    def __init__(
        self,
        workdir: Any = None,
        env: Any = None,
        timeout: float | None = 20 * 60,
        logEnviron: bool = True,
        config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.env = env
        self.timeout = timeout
        self.logEnviron = logEnviron
        self.config = config
        if workdir is not None:
            kwargs["workdir"] = workdir
        super().__init__(**kwargs)
        self.setup_git_auth(None, None, None)
        self.setupGitStep()

    def setupGitStep(self) -> None:
        """These steps need no repository but the one in the workdir."""
        if self.config is not None and not isinstance(self.config, dict):
            error(f"{type(self).__name__}: config= must be a dictionary of git settings, not {self.config!r}")

    async def _begin(self) -> None:
        self.env = await environment_of(self)
        self.stdio_log = await self.addLogForRemoteCommands("stdio")
        await self.checkFeatureSupport()


def _check_texts(step: str, name: str, value: Any) -> None:
    """Report what is neither a renderable nor a list of texts (or renderables)."""
    if IRenderable.providedBy(value):
        return
    if not isinstance(value, list):
        error(f"{step}: {name} must be a list, not {value!r}")
    elif not value:
        error(f"{step}: {name} must not be empty")
    elif not all(isinstance(item, str) or IRenderable.providedBy(item) for item in value):
        error(f"{step}: {name} must be a list of texts")


class GitCommit(_GitStep):
    """Commits the files ``paths`` of the repository in ``workdir`` to the branch that is checked out.

    ``messages`` are the paragraphs of the message.  ``emptyCommits`` says what happens when nothing was changed:
    ``disallow`` fails, ``create-empty-commit`` commits nonetheless, ``ignore`` succeeds without a commit.
    ``no_verify`` passes git's hooks over.
    """

    name = "gitcommit"
    renderables = ["paths", "messages"]

    def __init__(
        self,
        workdir: Any = None,
        paths: Any = None,
        messages: Any = None,
        env: Any = None,
        timeout: float | None = 20 * 60,
        logEnviron: bool = True,
        emptyCommits: str = "disallow",
        config: dict[str, Any] | None = None,
        no_verify: bool = False,
        **kwargs: Any,
    ) -> None:
        self.paths = paths
        self.messages = messages
        self.emptyCommits = emptyCommits
        self.no_verify = no_verify
        super().__init__(workdir, env, timeout, logEnviron, config, **kwargs)
        _check_texts("GitCommit", "messages", messages)
        _check_texts("GitCommit", "paths", paths)
        if not isinstance(no_verify, bool):
            error(f"GitCommit: no_verify must be True or False, not {no_verify!r}")
        allowed = ("disallow", "create-empty-commit", "ignore")
        if emptyCommits not in allowed:
            error(f"GitCommit: emptyCommits must be one of {', '.join(allowed)}, not {emptyCommits!r}")

    @deferred
    async def run(self) -> int:
        await self._begin()
        branch = await self._dovccmd(["symbolic-ref", "HEAD"], abandonOnFailure=False, collectStdout=True)
        if not branch.strip():
            await self.stdio_log.addStderr("no branch is checked out: there is nothing to commit to\n")
            raise BuildStepFailed()
        await self._dovccmd(["add", "--", *self.paths])
        if self.emptyCommits == "ignore" and await self._nothing_staged():
            return SUCCESS
        args = ["commit"]
        for message in self.messages:
            args += ["-m", message]
        if self.emptyCommits == "create-empty-commit":
            args.append("--allow-empty")
        if self.no_verify:
            args.append("--no-verify")
        await self._dovccmd(args)
        return SUCCESS

    async def _nothing_staged(self) -> bool:
        output = await self._dovccmd(["status", "--porcelain=v1"], collectStdout=True)
        return not any(line[:1] not in ("", " ", "?", "!") for line in output.splitlines())


class GitTag(_GitStep):
    """Tags what is checked out in ``workdir`` with ``tagName``.

    With ``annotated`` the tag has the paragraphs ``messages``; ``force`` moves a tag that exists.
    """

    name = "gittag"
    renderables = ["repourl", "tagName", "messages"]

    def __init__(
        self,
        workdir: Any = None,
        tagName: Any = None,
        annotated: bool = False,
        messages: Any = None,
        force: bool = False,
        env: Any = None,
        timeout: float | None = 20 * 60,
        logEnviron: bool = True,
        config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.tagName = tagName
        self.annotated = annotated
        self.messages = messages
        self.force = force
        self.repourl = " "  # an ancient name among the renderables; there is nothing to say by it
        super().__init__(workdir, env, timeout, logEnviron, config, **kwargs)
        if not tagName:
            error("GitTag: must provide tagName")
        if annotated:
            _check_texts("GitTag", "messages", messages)
        elif messages:
            error("GitTag: messages are for an annotated tag; add annotated=True")

    @deferred
    async def run(self) -> int:
        await self._begin()
        args: list[str] = ["tag"]
        if self.annotated:
            args.append("-a")
        args.append(self.tagName)
        if self.annotated:
            for message in self.messages:
                args += ["-m", message]
        if self.force:
            args.append("--force")
        await self._dovccmd(args)
        return SUCCESS


class GitPush(_GitStep):
    """Pushes the branch ``branch`` of the repository in ``workdir`` to ``repourl``.

    ``force`` overwrites what is there.  ``port`` and the secrets are as for :class:`~buildmaster.steps.source.git.Git`.
    """

    name = "gitpush"
    renderables = ["repourl", "branch"]

    def __init__(
        self,
        workdir: Any = None,
        repourl: Any = None,
        port: int = 22,
        branch: Any = None,
        force: bool = False,
        env: Any = None,
        timeout: float | None = 20 * 60,
        logEnviron: bool = True,
        sshPrivateKey: Any = None,
        sshHostKey: Any = None,
        sshKnownHosts: Any = None,
        auth_credentials: tuple[Any, Any] | None = None,
        git_credentials: Any = None,
        config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.repourl = repourl
        self.port = port
        self.branch = branch
        self.force = force
        super().__init__(workdir, env, timeout, logEnviron, config, **kwargs)
        options = credential_options("GitPush", auth_credentials, git_credentials, repourl)
        self.setup_git_auth(sshPrivateKey, sshHostKey, sshKnownHosts, options)
        if not repourl:
            error("GitPush: must provide repourl")
        if not branch:
            error("GitPush: must provide branch")

    @deferred
    async def run(self) -> int:
        self.setup_repourl()
        await self._begin()
        try:
            wrapper = not self.git_features.ssh_command_variable
            await self._git_auth.download_auth_files_if_needed(self.workdir, wrapper)
            args = ["push", self.repourl, self.branch]
            if self.force:
                args.append("--force")
            await self._dovccmd(args)
            return SUCCESS
        finally:
            await self._git_auth.remove_auth_files_if_needed(self.workdir)
