"""What all steps that run git on a worker share: its version, its command line, and secrets that are there only while
the step runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.interfaces import WorkerSetupError
from buildmaster.net import git, git_credential
from buildmaster.process import remotecommand
from buildmaster.process.buildstep import BuildStepFailed


class GitStepAuth:
    """Puts the secrets of one step on its worker, beside the workdir, and takes them away again.

    The arguments may be renderables; ``git_credential_options`` is a :class:`~.git_credential.GitCredentialOptions`.
    """

    def __init__(
        self,
        step: Any,
        ssh_private_key: Any = None,
        ssh_host_key: Any = None,
        ssh_known_hosts: Any = None,
        git_credential_options: git_credential.GitCredentialOptions | None = None,
    ) -> None:
        self.step = step
        self.ssh_private_key = ssh_private_key
        self.ssh_host_key = ssh_host_key
        self.ssh_known_hosts = ssh_known_hosts
        self.git_credential_options = git_credential_options
        self._directory: str | None = None
        self._ssh = git.SshFiles()
        self._store: tuple[str, bool | None] | None = None

    @property
    def is_auth_needed(self) -> bool:
        """Whether there are any secrets."""
        return self.ssh_private_key is not None or self.git_credential_options is not None

    def is_auth_needed_for_git_command(self, git_command: str) -> bool:
        """Whether this command of git's needs them."""
        return self.is_auth_needed and git_command in git.NEED_CREDENTIALS

    @deferred
    async def download_auth_files_if_needed(self, workdir: str, download_wrapper_script: bool = False) -> int:
        """Put the secrets on the worker, readable by its user only."""
        if not self.is_auth_needed:
            return git.RC_SUCCESS
        render = self.step.build.render
        directory = self._make_names(workdir)
        await self.step.runMkdir(directory)
        if self.ssh_private_key is not None:
            await self._download_ssh(directory, render, download_wrapper_script)
        if self.git_credential_options is not None:
            options = await git_credential.render_options(self.git_credential_options, render)
            text = git_credential.store_file(options.credentials, options.use_http_path)
            self._store = (await self._download(directory, "credentials", text, git.PRIVATE), options.use_http_path)
        return git.RC_SUCCESS

    async def _download_ssh(self, directory: str, render: Any, with_wrapper: bool) -> None:
        key_text = git.ensureSshKeyNewline(await maybe(render, self.ssh_private_key))
        key = await self._download(directory, "key", key_text, git.PRIVATE)
        hosts_text = None
        if self.ssh_known_hosts is not None:
            hosts_text = await maybe(render, self.ssh_known_hosts)
        elif self.ssh_host_key is not None:
            hosts_text = git.getSshKnownHostsContents(await maybe(render, self.ssh_host_key))
        hosts = None
        if hosts_text is not None:
            hosts = await self._download(directory, "known_hosts", hosts_text, git.PRIVATE)
        wrapper = None
        if with_wrapper:
            script = git.getSshWrapperScriptContents(key, hosts)
            wrapper = await self._download(directory, "ssh", script, git.PRIVATE_PROGRAM)
        self._ssh = git.SshFiles(key, hosts, wrapper)

    @deferred
    async def remove_auth_files_if_needed(self, workdir: str) -> int:
        """Take the secrets away."""
        directory, self._directory = self._directory, None
        if directory is not None:
            await self.step.runRmdir(directory, abandonOnFailure=False)
        return git.RC_SUCCESS

    def adjust_git_command_params_for_auth(
        self, full_command: list[Any], full_env: dict[str, Any], workdir: str, git_mixin: Any
    ) -> None:
        """Make a command line (after ``git``) and its environment use the secrets."""
        self._ssh.adjust(git_mixin.git_features, full_command, full_env)
        if self._store is not None:
            full_command[:0] = git_credential.store_config(*self._store)

    def _make_names(self, workdir: str) -> str:
        """A directory beside the workdir, never in it: a clean-up of the source would take it along."""
        paths = self.step.build.path_module
        parent, name = paths.split(paths.normpath(workdir))
        self._directory = paths.join(parent, f".{name}.git-auth")
        return self._directory

    async def _download(self, directory: str, name: str, text: str, mode: int) -> str:
        """Write a file; its absolute path on the worker."""
        step = self.step
        await step.downloadFileContentToWorker(name, text, abandonOnFailure=True, mode=mode, workdir=directory)
        paths = step.build.path_module
        builder_directory = step.build.builder.config.workerbuilddir
        return paths.join(step.worker.worker_basedir, builder_directory, directory, name)


class GitStepMixin:
    """For steps that run git: call :meth:`setupGitStep` in the constructor and :meth:`checkFeatureSupport` first in
    run.
    """

    git_features = git.GitFeatures((0,))
    repourl: Any
    port: Any = 22
    config: Any = None
    _git_auth: GitStepAuth
    _environ_logged = False

    def setupGitStep(self) -> None:
        """Report what is missing in the configuration."""
        if not self.repourl:
            error(f"{type(self).__name__}: must provide repourl")
        if self.config is not None and not isinstance(self.config, dict):
            error(f"{type(self).__name__}: config= must be a dictionary of git settings, not {self.config!r}")

    def setup_repourl(self) -> None:
        """Have ssh use ``port``, which git's short form ``user@host:path`` cannot say."""
        if self.port != 22 and isinstance(self.repourl, str):
            self.repourl = git.scp_style_to_url_syntax(self.repourl, self.port)

    def setup_git_auth(
        self,
        ssh_private_key: Any,
        ssh_host_key: Any,
        ssh_known_hosts: Any,
        git_credential_options: git_credential.GitCredentialOptions | None = None,
    ) -> None:
        """Keep the secrets for the step's run."""
        git.check_ssh_config(type(self).__name__, ssh_private_key, ssh_host_key, ssh_known_hosts)
        if isinstance(ssh_host_key, str) and not ssh_host_key.strip():
            error(f"{type(self).__name__}: sshHostKey must not be empty")
        self._git_auth = GitStepAuth(self, ssh_private_key, ssh_host_key, ssh_known_hosts, git_credential_options)

    @deferred
    async def checkFeatureSupport(self) -> bool:
        """Learn git's version on the worker; raises WorkerSetupError if there is none, or it is too old for the
        secrets.
        """
        output = await self._dovccmd(["--version"], collectStdout=True, abandonOnFailure=False)
        version = git.parse_version(output) if isinstance(output, str) else None
        if version is None:
            raise WorkerSetupError("git is not installed on worker")
        self.git_features = git.GitFeatures(version)
        if self._git_auth.git_credential_options is not None and not self.git_features.credential_store:
            raise WorkerSetupError("git on the worker is too old for credentials; it must be 1.7.9 or later")
        return True

    @deferred
    async def _dovccmd(
        self,
        command: Sequence[Any],
        abandonOnFailure: bool = True,
        collectStdout: bool = False,
        initialStdin: str | None = None,
    ) -> Any:
        """Run git with these arguments in the workdir; a Deferred of its exit code, or of its output.

        With ``abandonOnFailure`` a failure raises BuildStepFailed.
        """
        step: Any = self
        args = list(command)
        env = dict(step.env or {})
        if self._git_auth.is_auth_needed_for_git_command(args[0]):
            env.setdefault("GIT_TERMINAL_PROMPT", "0")
            self._git_auth.adjust_git_command_params_for_auth(args, env, step.workdir, self)
        remote = remotecommand.RemoteShellCommand(
            step.workdir,
            ["git", *git.config_args(self.config), *args],
            env=env,
            logEnviron=step.logEnviron and not self._environ_logged,
            timeout=step.timeout,
            collectStdout=collectStdout,
            initialStdin=initialStdin,
        )
        self._environ_logged = True  # the same for all commands of the step
        remote.useLog(step.stdio_log, False)
        await step.runCommand(remote)
        if abandonOnFailure and remote.didFail():
            raise BuildStepFailed()
        return remote.stdout if collectStdout else remote.rc


def credential_options(
    step: str, auth_credentials: Any, git_credentials: Any, repourl: Any
) -> git_credential.GitCredentialOptions | None:
    """Both ways of giving credentials as one; reports what has not their form."""
    if auth_credentials is not None and (not isinstance(auth_credentials, tuple | list) or len(auth_credentials) != 2):
        error(f"{step}: auth_credentials must be a pair (user name, password)")
        return None
    if git_credentials is not None and not isinstance(git_credentials, git_credential.GitCredentialOptions):
        error(f"{step}: git_credentials must be a GitCredentialOptions")
        return None
    pair = None if auth_credentials is None else (auth_credentials[0], auth_credentials[1])
    return git_credential.options_for(pair, git_credentials, repourl)
