"""The built-in plugins: which name of which namespace stands for which object.

One line a plugin: *namespace*, *name* and *address*; ``setup.py`` turns the table into entry points of the groups
``buildmaster.steps``, ``buildmaster.util`` and so on, the same door that other packages use. A name with a dot lies
in a nested namespace (``util.svn.split_file_branches``).

``setup.py`` reads this file before anything is installed: it may import nothing of the package. After a change run
``pip install -e .`` again, because an installation keeps a copy of its entry points.
"""

from __future__ import annotations

PREFIX = "buildmaster."


def names(module: str, *plugins: str) -> dict[str, str]:
    """The addresses of plugins that are called as in their module."""
    return {name: f"{module}:{name}" for name in plugins}


STEPS = {
    **names("process.buildstep", "BuildStep"),
    **names(
        "steps.shell",
        "Compile",
        "Configure",
        "PerlModuleTest",
        "SetPropertyFromCommand",
        "ShellCommand",
        "Test",
        "TreeSize",
        "WarningCountingShellCommand",
    ),
    **names("steps.shellsequence", "ShellSequence"),
    **names("steps.cmake", "CMake"),
    **names("steps.cppcheck", "Cppcheck"),
    **names("steps.gitdiffinfo", "GitDiffInfo"),
    **names("steps.http", "DELETE", "GET", "HEAD", "HTTPStep", "OPTIONS", "POST", "PUT"),
    **names("steps.master", "Assert", "LogRenderable", "MasterShellCommand", "SetProperties", "SetProperty"),
    **names(
        "steps.transfer",
        "DirectoryUpload",
        "FileDownload",
        "FileUpload",
        "JSONPropertiesDownload",
        "JSONStringDownload",
        "MultipleFileUpload",
        "StringDownload",
    ),
    **names("steps.worker", "CopyDirectory", "FileExists", "MakeDirectory", "RemoveDirectory", "SetPropertiesFromEnv"),
    **names("steps.maxq", "MaxQ"),
    **names("steps.mswin", "Robocopy"),
    **names("steps.mtrlogobserver", "MTR"),
    **names("steps.package.deb.lintian", "DebLintian"),
    **names("steps.package.deb.pbuilder", "DebCowbuilder", "DebPbuilder", "UbuCowbuilder", "UbuPbuilder"),
    **names("steps.package.rpm.mock", "Mock", "MockBuildSRPM", "MockRebuild"),
    **names("steps.package.rpm.rpmbuild", "RpmBuild"),
    **names("steps.package.rpm.rpmlint", "RpmLint"),
    **names("steps.python", "BuildEPYDoc", "PyFlakes", "PyLint", "Sphinx"),
    **names("steps.python_twisted", "HLint", "RemovePYCs", "Trial"),
    **names("steps.source.bzr", "Bzr"),
    **names("steps.source.cvs", "CVS"),
    **names("steps.source.darcs", "Darcs"),
    **names("steps.source.gerrit", "Gerrit"),
    **names("steps.source.git", "Git", "GitCommit", "GitPush", "GitTag"),
    **names("steps.source.github", "GitHub"),
    **names("steps.source.gitlab", "GitLab"),
    **names("steps.source.mercurial", "Mercurial"),
    **names("steps.source.mtn", "Monotone"),
    **names("steps.source.p4", "P4"),
    **names("steps.source.repo", "Repo"),
    **names("steps.source.svn", "SVN"),
    **names("steps.subunit", "SubunitShellCommand"),
    **names("steps.trigger", "Trigger"),
    **names("steps.vstudio", "MsBuild", "MsBuild4", "MsBuild12", "MsBuild14"),
    **names("steps.vstudio", "MsBuild141", "MsBuild15", "MsBuild16", "MsBuild17"),
    **names("steps.vstudio", "VC6", "VC7", "VC8", "VC9", "VCExpress9", "VC10", "VC11", "VC12", "VC14", "VC141"),
    **names("steps.vstudio", "VS2003", "VS2005", "VS2008", "VS2010", "VS2012", "VS2013", "VS2015", "VS2017"),
    **names("steps.vstudio", "VS2019", "VS2022"),
}

NEW_STYLE = (
    *("Compile", "Configure", "PerlModuleTest", "SetPropertyFromCommand", "ShellCommand", "Test"),
    *("WarningCountingShellCommand", "HTTPStep", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"),
)
"""Steps that Buildbot 2 and 3 had under a second name, ``ShellCommandNewStyle`` and so on."""

STEPS |= {f"{name}NewStyle": STEPS[name] for name in NEW_STYLE}

CHANGES = {
    **names("changes.bitbucket", "BitbucketPullrequestPoller"),
    **names("changes.gerritchangesource", "GerritChangeSource", "GerritEventLogPoller"),
    **names("changes.github", "GitHubPullrequestPoller"),
    **names("changes.hgpoller", "HgPoller"),
    **names(
        "changes.mail",
        "BzrLaunchpadEmailMaildirSource",
        "CVSMaildirSource",
        "MaildirSource",
        "SVNCommitEmailMaildirSource",
    ),
    **names("changes.p4poller", "P4Source"),
    **names("changes.gitpoller", "GitPoller"),
    **names("changes.svnpoller", "SVNPoller"),
    **names("changes.pb", "PBChangeSource"),
}

SCHEDULERS = {
    **names("schedulers.basic", "AnyBranchScheduler", "SingleBranchScheduler"),
    **names("schedulers.dependent", "Dependent"),
    **names("schedulers.forcesched", "ForceScheduler"),
    **names("schedulers.timed", "Nightly", "NightlyTriggerable", "Periodic"),
    **names("schedulers.triggerable", "Triggerable"),
    **names("schedulers.trysched", "Try_Jobdir", "Try_Userpass"),
}

WORKER = {
    **names("worker.base", "Worker"),
    **names("worker.docker", "DockerLatentWorker"),
    **names("worker.ec2", "EC2LatentWorker"),
    **names("worker.kubernetes", "KubeLatentWorker"),
    **names("worker.libvirt", "LibVirtWorker"),
    **names("worker.local", "LocalWorker"),
    **names("worker.marathon", "MarathonLatentWorker"),
    **names("worker.openstack", "OpenStackLatentWorker"),
}

REPORTERS: dict[str, str] = {
    **names("reporters.bitbucket", "BitbucketStatusPush"),
    **names(
        "reporters.bitbucketserver",
        "BitbucketServerCoreAPIStatusPush",
        "BitbucketServerPRCommentPush",
        "BitbucketServerStatusPush",
    ),
    **names("reporters.generators.build", "BuildStartEndStatusGenerator", "BuildStatusGenerator"),
    **names("reporters.generators.buildrequest", "BuildRequestGenerator"),
    **names("reporters.generators.buildset", "BuildSetCombinedStatusGenerator", "BuildSetStatusGenerator"),
    **names("reporters.generators.worker", "WorkerMissingGenerator"),
    **names("reporters.gerrit", "GerritStatusPush"),
    **names("reporters.gerrit_verify_status", "GerritVerifyStatusPush"),
    **names("reporters.github", "GitHubCommentPush", "GitHubStatusPush"),
    **names("reporters.gitlab", "GitLabStatusPush"),
    **names("reporters.http", "HttpStatusPush"),
    **names("reporters.irc", "IRC"),
    **names("reporters.mail", "MailNotifier"),
    **names("reporters.pushjet", "PushjetNotifier"),
    **names("reporters.pushover", "PushoverNotifier"),
    **names("reporters.telegram", "TelegramBot"),
    **names("reporters.zulip", "ZulipStatusPush"),
    **names(
        "reporters.message",
        "MessageFormatter",
        "MessageFormatterEmpty",
        "MessageFormatterFunction",
        "MessageFormatterFunctionRaw",
        "MessageFormatterMissingWorker",
        "MessageFormatterRenderable",
    ),
}

SECRETS = {
    **names("secrets.providers.file", "SecretInAFile"),
    **names("secrets.providers.passwordstore", "SecretInPass"),
    **names(
        "secrets.providers.vault_hvac",
        "HashiCorpVaultKvSecretProvider",
        "VaultAuthenticatorApprole",
        "VaultAuthenticatorToken",
    ),
}

STATISTICS = {
    **names("statistics.stats_service", "StatsService"),
    **names("statistics.storage_backends.base", "StatsStorageBase"),
    **names("statistics.storage_backends.influxdb_client", "InfluxStorageService"),
    **names(
        "statistics.capture",
        "Capture",
        "CaptureBuildDuration",
        "CaptureBuildDurationAllBuilders",
        "CaptureBuildEndTime",
        "CaptureBuildEndTimeAllBuilders",
        "CaptureBuildStartTime",
        "CaptureBuildStartTimeAllBuilders",
        "CaptureData",
        "CaptureDataAllBuilders",
        "CaptureProperty",
        "CapturePropertyAllBuilders",
    ),
}

WEBHOOKS = {
    **names("www.hooks.base", "base"),
    **names("www.hooks.bitbucket", "bitbucket"),
    **names("www.hooks.bitbucketcloud", "bitbucketcloud"),
    **names("www.hooks.bitbucketserver", "bitbucketserver"),
    **names("www.hooks.github", "github"),
    **names("www.hooks.gitlab", "gitlab"),
    **names("www.hooks.gitorious", "gitorious"),
    **names("www.hooks.poller", "poller"),
}

UTIL = {
    **names("base.filters", "ChangeFilter", "SourceStampFilter"),
    **names(
        "base.results",
        "CANCELLED",
        "EXCEPTION",
        "FAILURE",
        "RETRY",
        "Results",
        "SKIPPED",
        "SUCCESS",
        "WARNINGS",
    ),
    **names("base.revlinks", "RevlinkMatch"),
    **names("changes.gerritchangesource", "GerritChangeFilter"),
    **names("config.builder", "BuilderConfig"),
    **names("config.dbconfig", "DbConfig"),
    **names("configurators.janitor", "JanitorConfigurator"),
    **names("locks", "MasterLock", "WorkerLock"),
    **names("net.git_credential", "GitCredentialInputRenderer", "GitCredentialOptions"),
    **names("net.git_credential", "GitCredentialInputRenderer", "GitCredentialOptions"),
    **names("net.manhole", "AuthorizedKeysManhole", "PasswordManhole", "TelnetManhole"),
    **names("process.builder", "enforceChosenWorker"),
    **names("process.codebase", "Codebase"),
    **names("process.build_factory", "BuildFactory"),
    **names("net.kubernetes", "KubeCtlProxyConfigLoader", "KubeHardcodedConfig", "KubeInClusterConfigLoader"),
    **names("process.logobserver", "LogLineObserver"),
    **names("process.project", "Project"),
    **names("process.users.manual", "CommandlineUserManager"),
    **names(
        "properties",
        "FlattenList",
        "Interpolate",
        "Property",
        "Secret",
        "Transform",
        "URLForBuild",
        "WithProperties",
        "renderer",
    ),
    **names(
        "schedulers.forcesched",
        "AnyPropertyParameter",
        "BooleanParameter",
        "ChoiceStringParameter",
        "CodebaseParameter",
        "FileParameter",
        "FixedParameter",
        "InheritBuildParameter",
        "IntParameter",
        "NestedParameter",
        "PatchParameter",
        "StringParameter",
        "TextParameter",
        "UserNameParameter",
        "WorkerChoiceParameter",
    ),
    "ParameterGroup": "schedulers.forcesched:NestedParameter",
    **names("schedulers.canceller", "OldBuildCanceller"),
    **names("schedulers.canceller_buildset", "FailingBuildsetCanceller"),
    **names(
        "steps.factories",
        "BasicBuildFactory",
        "BasicSVN",
        "CPAN",
        "Distutils",
        "GNUAutoconf",
        "QuickBuildFactory",
        "Trial",
    ),
    **names("steps.mtrlogobserver", "EqConnectionPool"),
    **names("steps.shellsequence", "ShellArg"),
    "repo.DownloadsFromChangeSource": "steps.source.repo:RepoDownloadsFromChangeSource",
    "repo.DownloadsFromProperties": "steps.source.repo:RepoDownloadsFromProperties",
    "svn.split_file_alwaystrunk": "changes.svnpoller:split_file_alwaystrunk",
    "svn.split_file_branches": "changes.svnpoller:split_file_branches",
    "svn.split_file_projects_branches": "changes.svnpoller:split_file_projects_branches",
    **names("worker.libvirt", "Connection"),
    **names("www.auth", "CustomAuth", "HTPasswdAuth", "RemoteUserAuth", "UserPasswordAuth"),
    **names("www.authz.authz", "Authz", "fnmatchStrMatcher", "reStrMatcher"),
    **names(
        "www.authz.endpointmatchers",
        "AnyControlEndpointMatcher",
        "AnyEndpointMatcher",
        "EnableSchedulerEndpointMatcher",
        "ForceBuildEndpointMatcher",
        "RebuildBuildEndpointMatcher",
        "StopBuildEndpointMatcher",
    ),
    **names(
        "www.authz.roles",
        "RolesFromDomain",
        "RolesFromEmails",
        "RolesFromGroups",
        "RolesFromOwner",
        "RolesFromUsername",
    ),
    **names("www.avatar", "AvatarGitHub", "AvatarGravatar"),
    **names("www.ldapuserinfo", "LdapUserInfo"),
    **names("www.oauth2", "BitbucketAuth", "GitHubAuth", "GitLabAuth", "GoogleAuth"),
}

TABLE: dict[str, dict[str, str]] = {
    "changes": CHANGES,
    "reporters": REPORTERS,
    "schedulers": SCHEDULERS,
    "secrets": SECRETS,
    "statistics": STATISTICS,
    "steps": STEPS,
    "util": UTIL,
    "webhooks": WEBHOOKS,
    "worker": WORKER,
}
"""Namespace → name → address below ``buildmaster``, as ``module:object``."""


def entry_points() -> dict[str, list[str]]:
    """The table in the form that setuptools takes."""
    return {
        f"{PREFIX}{namespace}": [f"{name} = {PREFIX}{address}" for name, address in sorted(plugins.items())]
        for namespace, plugins in TABLE.items()
        if plugins
    }
