"""What to write instead of a name that Buildbot or Python 2 had and that is gone.

Asked only when a configuration has failed already: it adds the mend to the message, and decides nothing.
"""

from __future__ import annotations

import re

_REPORTERS = "reporters of buildbot.plugins, put into c['services'], took the place of status targets"
_SITE = "the web server is configured by c['www'], logins by c['www']['auth'] and c['www']['authz']"
_PLUGIN_WORKER = "write: from buildbot.plugins import worker, and worker.Worker(name, password)"

MODULES = {
    "buildbot.buildslave": _PLUGIN_WORKER,
    "buildbot.reporters.notifier": "derive from buildbot.reporters.base.ReporterBase; generators decide what is told",
    "buildbot.scheduler": "write: from buildbot.plugins import schedulers",
    "buildbot.status": _REPORTERS,
    "buildbot.status.html": _SITE,
    "buildbot.status.web": _SITE,
    "buildbot.steps.slave": "it is called buildbot.steps.worker",
    "ConfigParser": "in Python 3 it is called configparser",
    "Queue": "in Python 3 it is called queue",
    "StringIO": "in Python 3 write: from io import StringIO",
    "commands": "in Python 3 write: from subprocess import getstatusoutput, getoutput",
    "cPickle": "in Python 3 it is called pickle",
    "httplib": "in Python 3 it is called http.client",
    "imp": "Python 3.12 has it no more; importlib.reload does what imp.reload did",
    "urllib2": "in Python 3 it is called urllib.request",
    "urlparse": "in Python 3 it is called urllib.parse",
}
"""Module → mend; a row speaks for the modules below it that have no row of their own."""

_SOURCES = "write: from buildbot.plugins import steps, and steps.{name}(…); mode is 'incremental' or 'full'"

MEMBERS = {
    "locks.SlaveLock": "it is called WorkerLock",
    "plugins.buildslave": _PLUGIN_WORKER,
    "plugins.db": "plugins are found by entry points of installed packages, group buildbot.www, buildbot.steps, …",
    "plugins.status": _REPORTERS,
    "reporters.ReporterBase": "write: from buildbot.reporters.base import ReporterBase",
    "status.html": _SITE,
    "status.web": _SITE,
    "urllib.quote": "in Python 3 it is called urllib.parse.quote",
    "urllib.unquote": "in Python 3 it is called urllib.parse.unquote",
    "urllib.urlencode": "in Python 3 it is called urllib.parse.urlencode",
    "urllib.urlopen": "in Python 3 it is called urllib.request.urlopen",
    "util.BasicAuth": "c['www']['auth'] = util.UserPasswordAuth([(user, password)]) takes its place",
    "util.SlaveLock": "it is called WorkerLock",
    "util.none_or_str": "str() does it",
    "util.unicode2NativeString": "it is called bytes2unicode",
    "worker.BuildSlave": "it is called Worker",
    "zope.interface.implements": "in Python 3 write @implementer(…) above the class; import implementer",
    **{f"steps.source.{name}": _SOURCES.format(name=name) for name in ("Bzr", "CVS", "Git", "Mercurial", "P4", "SVN")},
    **{f"itertools.{name}": f"in Python 3 {name[1:]} itself does it" for name in ("ifilter", "imap", "izip")},
}
"""Module (its end) and name → mend, for ``from module import name`` and ``module.name``."""

NAMES = {
    "basestring": "in Python 3 write str",
    "BuildslaveChoiceParameter": "it is called WorkerChoiceParameter",
    "buildslave": _PLUGIN_WORKER,
    "execfile": "in Python 3 write: exec(open(filename).read()), or import the file as a module",
    "long": "in Python 3 write int",
    "raw_input": "in Python 3 it is called input; a configuration should not ask, though",
    "reload": "in Python 3 write: from importlib import reload; local modules are read anew at a reconfig without it",
    "status": _REPORTERS,
    "unicode": "in Python 3 write str",
    "unichr": "in Python 3 it is called chr",
    "xrange": "in Python 3 it is called range",
}
"""Global name → mend."""

METHODS = {
    "decode": "in Python 3 a text needs no decoding: leave it out",
    "has_key": "in Python 3 write: key in dictionary",
    "iteritems": "in Python 3 it is called items",
    "iterkeys": "in Python 3 it is called keys",
    "itervalues": "in Python 3 it is called values",
    "slavename": "it is called workername",
}
"""Attribute → mend."""

ARGUMENTS = {
    "maxCountForSlave": "it is called maxCountForWorker",
    "mergeRequests": "it is called collapseRequests",
    "nextSlave": "it is called nextWorker; it gets (builder, workers, buildrequest)",
    "category": "builders have tags=[…] in its place",
    "slavebuilddir": "it is called workerbuilddir",
    "slavename": "it is called workername",
    "slavenames": "it is called workernames",
}
"""Argument that no class has any more → mend."""

CALLS = {
    "Authz": (
        "auth cancelAllPendingBuilds cancelPendingBuild forceAllBuilds forceBuild gracefulShutdown pauseSlave "
        "pingBuilder stopAllBuilds stopBuild",
        "write allowRules=[…] and roleMatchers=[…]",
    ),
    "BuildFactory": ("*", "it takes a step: addStep(steps.ShellCommand(command=…)), not a class and its arguments"),
    "MessageFormatter": (
        "subject_filename template_dir template_filename template_name",
        "the template is given as a text: template=open(filename).read()",
    ),
    "Scheduler": (
        "branch project repository revision",
        "write codebases=[util.CodebaseParameter(codebase='', branch=…, revision=…, repository=…, project=…)]",
    ),
}
"""End of the class's name → arguments that it had (``*``: any), and the mend."""

MISSING = {
    "PasswordManhole": "its logins are by ssh now; ssh_hostkey_dir is a directory with the master's keys",
    "SVNPoller": "svnurl is called repourl",
}
"""Class → mend where an argument is missing."""

PYTHON_2 = re.compile(
    r"\s*print\b(?!\s*[(=])|\s*except\s+[\w.]+\s*,\s*\w+\s*:|\s*raise\s+[\w.]+\s*,|\s*exec\s+[^(\s]"
    r"|.*\blambda\s*\(|.*(?<![\w.])0[0-7]+\b|.*`|.*<>|.*\bur['\"]"
)
"""A line that is Python 2 and nothing in Python 3."""


def mend_of(raised: BaseException) -> str:
    """What to write instead, or an empty text when the exception is about no retired name."""
    if isinstance(raised, SyntaxError):
        return _of_syntax(raised.text or "")
    if isinstance(raised, ModuleNotFoundError):
        return _of_module(raised.name or "")
    if isinstance(raised, ImportError):
        return _of_member(raised.name or "", str(raised))
    if isinstance(raised, NameError):
        return NAMES.get(raised.name or "", "")
    if isinstance(raised, AttributeError):
        return METHODS.get(raised.name or "", "") or _of_attribute(str(raised))
    return _of_argument(str(raised)) if type(raised) is TypeError else ""


def _of_syntax(line: str) -> str:
    return "this is Python 2: write the file for Python 3, 2to3 does most of it" if PYTHON_2.match(line) else ""


def _of_attribute(text: str) -> str:
    found = re.match(r"module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'", text) or re.match(
        r"no plugin (?P<module>\w+)\.(?P<name>\w+)", text
    )
    if not found:
        return ""
    slaves = "there are no slaves any more: say Worker" if found["name"].endswith("BuildSlave") else ""
    return _member(f"{found['module']}.{found['name']}") or slaves


def _member(name: str) -> str:
    return next((mend for member, mend in MEMBERS.items() if f".{name}".endswith(f".{member}")), "")


def _of_module(name: str) -> str:
    while name:
        if name in MODULES:
            return MODULES[name]
        name = name.rpartition(".")[0]
    return ""


def _of_member(module: str, text: str) -> str:
    found = re.match(r"cannot import name '(\w+)'", text)
    name = f"{module}.{found[1]}" if found else ""
    return _member(name) or (_of_module(name.replace("buildmaster.compat.", "buildbot.", 1)) if name else "")


def _of_argument(text: str) -> str:
    found = re.match(r"(?P<of>[\w.]+?)(?:\.\w+)?\(\) got an unexpected keyword argument '(?P<name>\w+)'", text)
    if not found:
        return _of_missing(text)
    for cls, (names, mend) in CALLS.items():
        if found["of"].endswith(cls) and (names == "*" or found["name"] in names.split()):
            return mend
    return ARGUMENTS.get(found["name"], "")


def _of_missing(text: str) -> str:
    found = re.match(r"(?P<of>[\w.]+)\.\w+\(\) missing \d+ required positional argument", text)
    return MISSING.get(found["of"], "") if found else ""
