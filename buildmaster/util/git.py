"""Documented address: git command lines and credentials."""

from buildmaster.net.git import (
    check_ssh_config,
    ensureSshKeyNewline,
    escapeShellArgIfNeeded,
    getSshArgsForKeys,
    getSshCommand,
    getSshKnownHostsContents,
    getSshWrapperScriptContents,
    scp_style_to_url_syntax,
)
from buildmaster.steps.source.git_mixin import GitStepAuth, GitStepMixin

__all__ = [
    "GitStepAuth",
    "GitStepMixin",
    "check_ssh_config",
    "ensureSshKeyNewline",
    "escapeShellArgIfNeeded",
    "getSshArgsForKeys",
    "getSshCommand",
    "getSshKnownHostsContents",
    "getSshWrapperScriptContents",
    "scp_style_to_url_syntax",
]
