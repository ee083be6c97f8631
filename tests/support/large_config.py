"""Write a large configuration in the manner of big public users.

``python -m tests.support.large_config DIRECTORY 1000`` writes one of a thousand builders.

The directory gets a ``master.cfg`` and what such files bring along: a package of local modules (settings, workers,
steps, factories, builders, schedulers, reporters, web), an INI and a YAML file and a directory of secrets.  Builders
are made in loops over projects, platforms and variants; the number of projects follows from the number of builders
that is asked for.  With ``--mistakes`` the files get one mistake of each sort, whose reports are
:func:`reports`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

PLATFORMS = ("debian", "fedora", "freebsd", "windows", "macos")
VARIANTS = ("debug", "release", "asan", "docs")
PER_PROJECT = len(PLATFORMS) * len(VARIANTS)
"""Builders of one project; each project adds a few more (its trigger and its nightly package)."""

SETTINGS_INI = """\
[master]
title = Works
url = http://127.0.0.1:{web}/
web_port = tcp:{web}:interface=127.0.0.1
worker_port = tcp:{pb}:interface=127.0.0.1
[mail]
from = builds@example.org
relay = mail.example.org
"""

MASTER_CFG = """\
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from buildbot.plugins import secrets, util
from works import builders, reporting, scheduling, settings, web, workers

c = BuildmasterConfig = {}
c["title"] = settings.title
c["titleURL"] = "https://example.org/"
c["buildbotURL"] = settings.url
c["db"] = {"db_url": "sqlite:///state.sqlite"}
c["protocols"] = {"pb": {"port": settings.worker_port}}
c["secretsProviders"] = [secrets.SecretInAFile(dirname=os.path.join(settings.here, "secrets"))]
c["workers"] = workers.make()
c["builders"] = builders.make()
c["schedulers"] = scheduling.make(c["builders"])
c["change_source"] = scheduling.sources()
c["services"] = reporting.make()
c["www"] = web.make()
c["collapseRequests"] = builders.same_platform
c["prioritizeBuilders"] = builders.by_age
c["codebaseGenerator"] = scheduling.codebase_of
c["properties"] = {"site": "example"}
c["caches"] = {"Changes": 500, "Builds": 200}
c["configurators"] = [util.JanitorConfigurator(logHorizon=settings.keep, hour=3, dayOfWeek=6)]
"""

MODULES = {
    "__init__.py": "",
    "settings.py": '''\
"""What other modules share: the INI file and the fleet."""
import configparser
import datetime
import os

import yaml

here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ini = configparser.ConfigParser()
_ini.read(os.path.join(here, "settings.ini"))
title = _ini.get("master", "title")
url = _ini.get("master", "url")
web_port = _ini.get("master", "web_port")
worker_port = _ini.get("master", "worker_port")
mail_from = _ini.get("mail", "from")
mail_relay = _ini.get("mail", "relay")
keep = datetime.timedelta(weeks=8)
with open(os.path.join(here, "fleet.yaml")) as f:
    fleet = yaml.safe_load(f)
''',
    "workers.py": '''\
"""The fleet: some machines a platform, a lock for what they share."""
from buildbot.plugins import util, worker

from works import settings

disk = util.WorkerLock("disk", maxCount=2, maxCountForWorker={"debian-1": 4})
licence = util.MasterLock("licence", maxCount=3)


def names(platform):
    return ["%s-%d" % (platform, n + 1) for n in range(settings.fleet["platforms"][platform]["machines"])]


def make():
    made = []
    for platform, about in settings.fleet["platforms"].items():
        for name in names(platform):
            made.append(worker.Worker(name, util.Secret("worker"), max_builds=about.get("builds", 1),
                                      properties={"platform": platform, "jobs": about["jobs"]},
                                      notify_on_missing=["admin@example.org"], missing_timeout=600))
    return made
''',
    "steps.py": '''\
"""Steps of our own."""
import re

from buildbot.plugins import steps, util
from buildbot.process import buildstep, logobserver, results
from twisted.internet import defer


class Cases(logobserver.LogLineObserver):
    """Counts the lines of passed and failed cases."""

    wanted = re.compile(r"^(ok|not ok) \\\\d+")

    def __init__(self):
        super().__init__()
        self.seen = 0

    def outLineReceived(self, line):
        if self.wanted.match(line):
            self.seen += 1
            self.step.setProgress("cases", self.seen)


class Cook(buildstep.ShellMixin, steps.BuildStep):
    """Configure with the options of a variant, then make."""

    name = "cook"
    renderables = ["target", "options"]
    haltOnFailure = True

    def __init__(self, target="all", options=(), **kwargs):
        self.target, self.options = target, options
        kwargs = self.setupShellMixin(kwargs, prohibitArgs=["command"])
        super().__init__(**kwargs)

    @defer.inlineCallbacks
    def run(self):
        for words in (["./configure", *self.options], ["make", self.target]):
            cmd = yield self.makeRemoteShellCommand(command=words)
            yield self.runCommand(cmd)
            if cmd.didFail():
                return results.FAILURE
        return results.SUCCESS


class Check(steps.ShellCommand):
    """Run the cases and say how many there were."""

    name = "check"
    command = ["make", "check"]
    warnOnFailure = True
    progressMetrics = (*steps.ShellCommand.progressMetrics, "cases")

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.cases = Cases()
        self.addLogObserver("stdio", self.cases)

    def getResultSummary(self):
        return {"step": "%d cases" % self.cases.seen}


class Fan(steps.BuildStep):
    """One more step for each directory that the build has found."""

    name = "fan"

    async def run(self):
        found = self.getProperty("directories") or ""
        self.build.addStepsAfterCurrentStep(
            [steps.ShellCommand(name="in " + d, command=["make", "-C", d]) for d in found.split()])
        return results.SUCCESS


@util.renderer
def jobs(props, factor=1):
    return "-j%d" % (int(props.getProperty("jobs", 1)) * factor)


def on_main(step):
    return step.getProperty("branch") in (None, "", "main")


def unless_skipped(result, step):
    return result == results.SKIPPED
''',
    "factories.py": '''\
"""What is done in a build."""
from buildbot.plugins import steps, util

from works import steps as own
from works import workers

OPTIONS = {"debug": ["--debug"], "release": [], "asan": ["--debug", "--with-asan"], "docs": ["--only-docs"]}


class Factory(util.BuildFactory):
    """Check out, cook, and what the variant needs."""

    def __init__(self, project, platform, variant):
        super().__init__()
        self.addStep(steps.Git(repourl="https://git.example.org/%s.git" % project, codebase=project,
                               mode="full", method="clobber", submodules=True, shallow=True, retry=(30, 2),
                               sshPrivateKey=util.Secret("deploy"), sshHostKey="git.example.org ssh-ed25519 AAAA",
                               getDescription={"tags": True, "always": True}))
        self.addStep(steps.SetPropertyFromCommand(command="git rev-parse --short HEAD", property="short",
                                                  hideStepIf=own.unless_skipped))
        env = {"CI": "1", "BRANCH": util.Interpolate("%(src:" + project + ":branch:-main)s"),
               "TOKEN": util.Secret("upload")}
        self.addStep(own.Cook(options=OPTIONS[variant], env=env, timeout=1800,
                              locks=[workers.disk.access("counting")]))
        getattr(self, "do_" + variant, self.do_checks)(project, platform, env)

    def do_checks(self, project, platform, env):
        self.addStep(own.Check(env=env, logfiles={"cases": "cases.log"}, lazylogfiles=True, maxTime=7200))
        self.addStep(steps.SetPropertiesFromEnv(variables=["HOSTNAME"]))
        self.addSteps([own.Fan(), steps.ShellCommand(command=["make", "tidy"], alwaysRun=True)])

    def do_release(self, project, platform, env):
        self.do_checks(project, platform, env)
        name = util.Interpolate(project + "-%(prop:short)s-" + platform + "%(prop:suffix:-.tar.gz)s")
        self.addSteps([
            steps.ShellCommand(command=["make", "dist", own.jobs.withArgs(2)], doStepIf=own.on_main,
                               locks=[workers.licence.access("counting")]),
            steps.FileUpload(workersrc=name, masterdest=util.Interpolate("public/" + project + "/%(prop:short)s"),
                             mode=0o644, url=util.Interpolate("https://dl.example.org/%(prop:short)s"),
                             doStepIf=own.on_main),
            steps.Trigger(schedulerNames=["package " + project], waitForFinish=False, doStepIf=own.on_main,
                          set_properties={"from": platform, "short": util.Property("short")}),
        ])

    def do_docs(self, project, platform, env):
        self.addSteps([
            steps.ShellSequence(name="pages", commands=[
                util.ShellArg(command=["make", kind], logname=kind) for kind in ("html", "pdf")]),
            steps.DirectoryUpload(workersrc="html", masterdest="public/docs/" + project, compress="gz"),
        ])


def package(project):
    factory = util.BuildFactory([
        steps.StringDownload(util.Interpolate("%(prop:from)s %(prop:short)s"), workerdest="what.txt"),
        steps.ShellCommand(command=["./package", project, util.Interpolate("%(kw:key)s", key=util.Secret("sign"))]),
        steps.MasterShellCommand(command=["./publish", project, util.Interpolate("%(prop:short)s")]),
    ])
    factory.workdir = "package"
    return factory
''',
    "builders.py": '''\
"""Hundreds of builders, in loops."""
from buildbot.plugins import util

from works import factories, settings, workers


def same_platform(master, builder, req1, req2):
    return req1["submitted_at"] <= req2["submitted_at"]


def by_age(buildmaster, builders):
    return sorted(builders, key=lambda b: b.name)


def oldest(builder, requests):
    return requests[0]


def pick(builder, workers, request):
    return workers[0] if workers else None


def make():
    made = []
    for project in settings.fleet["projects"]:
        for platform in settings.fleet["platforms"]:
            for variant in settings.fleet["variants"]:
                made.append(util.BuilderConfig(
                    name="-".join((project, platform, variant)),
                    workernames=workers.names(platform),
                    factory=factories.Factory(project, platform, variant),
                    tags=[project, platform, variant],
                    properties={"variant": variant},
                    env={"LANG": "C.UTF-8"},
                    nextBuild=oldest, nextWorker=pick,
                    collapseRequests=variant != "release",
                    locks=[workers.licence.access("counting")] if platform == "windows" else [],
                ))
        made.append(util.BuilderConfig(name="package-" + project, workernames=workers.names("debian"),
                                       factory=factories.package(project), tags=["package"]))
    return made
''',
    "scheduling.py": '''\
"""Which change leads to which builds."""
from buildbot.plugins import changes, schedulers, util

from works import settings

BRANCHES = {"main": 60, "stable": 300, "next": 30}


def url(project):
    return "https://git.example.org/%s.git" % project


def codebase_of(change):
    return change["repository"].rsplit("/", 1)[-1].removesuffix(".git")


def important(change):
    return any(not name.endswith((".md", ".txt")) for name in change.files)


def sources():
    return [changes.GitPoller(repourl=url(project), branches=list(BRANCHES), pollInterval=600, project=project,
                              pollRandomDelayMax=300) for project in settings.fleet["projects"]]


def make(builders):
    made = []
    for project in settings.fleet["projects"]:
        own = [b.name for b in builders if project in b.tags]
        codebases = {project: {"repository": url(project), "branch": "main", "revision": None}}
        for branch, calm in BRANCHES.items():
            made.append(schedulers.SingleBranchScheduler(
                name="%s %s" % (project, branch), treeStableTimer=calm, builderNames=own, codebases=codebases,
                fileIsImportant=important,
                change_filter=util.ChangeFilter(project=project, branch=branch, category_not_eq=["no-ci"])))
        made.append(schedulers.AnyBranchScheduler(
            name=project + " pull requests", builderNames=[n for n in own if n.endswith("debug")],
            codebases=codebases, treeStableTimer=None,
            change_filter=util.ChangeFilter(project=project, branch_re=r"refs/pull/.*")))
        made.append(schedulers.Triggerable(name="package " + project, builderNames=["package-" + project]))
        made.append(schedulers.Nightly(name=project + " nightly", builderNames=own, codebases=codebases,
                                       hour=range(0, 24, 8), minute=len(made) % 60, onlyIfChanged=True))
        made.append(schedulers.ForceScheduler(
            name="force-" + project, builderNames=own, buttonName="Build " + project,
            codebases=[util.CodebaseParameter(project, branch=util.ChoiceStringParameter(
                name="branch", choices=list(BRANCHES), default="main"))],
            properties=[util.BooleanParameter(name="clean", label="From scratch"),
                        util.NestedParameter(name="more", fields=[util.IntParameter(name="jobs", default=2)])]))
    return made
''',
    "reporting.py": '''\
"""Who is told what."""
from buildbot.plugins import reporters, util
from buildbot.util import service

from works import settings


class Tally(service.BuildbotService):
    """Keeps a number of finished builds."""

    name = "tally"

    def checkConfig(self, limit=10, **kwargs):
        if limit < 1:
            from buildbot import config
            config.error("tally: limit must be positive")

    async def reconfigService(self, limit=10, **kwargs):
        self.limit, self.seen = limit, 0


class Subject(reporters.MessageFormatter):
    def buildAdditionalContext(self, master, ctx):
        ctx["site"] = "example"


def make():
    trouble = reporters.BuildStatusGenerator(mode=("failing", "exception"), tags=list(settings.fleet["projects"]),
                                             add_logs=True, message_formatter=Subject(template="{{ site }}"))
    return [
        Tally(limit=5),
        reporters.MailNotifier(fromaddr=settings.mail_from, relayhost=settings.mail_relay, smtpUser="builds",
                               smtpPassword=util.Secret("mail"), extraRecipients=["dev@example.org"],
                               sendToInterestedUsers=True, lookup="example.org", generators=[trouble]),
        reporters.GitHubStatusPush(token=util.Secret("github"), context=util.Interpolate("ci/%(prop:buildername)s"),
                                   generators=[reporters.BuildStartEndStatusGenerator()]),
    ]
''',
    "web.py": '''\
"""The site: who may do what."""
from buildbot.plugins import util

from works import settings


def make():
    return {
        "port": settings.web_port,
        "auth": util.UserPasswordAuth({"admin": "admin"}),
        "authz": util.Authz(
            allowRules=[
                util.ForceBuildEndpointMatcher(role="developers"),
                util.StopBuildEndpointMatcher(role="owner"),
                util.AnyControlEndpointMatcher(role="admins"),
            ],
            roleMatchers=[
                util.RolesFromUsername(roles=["admins"], usernames=["admin"]),
                util.RolesFromOwner(role="owner"),
                util.RolesFromDomain(developers=["example.org"]),
            ]),
        "plugins": {"waterfall_view": {}, "console_view": {}, "grid_view": {}},
        "change_hook_dialects": {"github": {"secret": util.Secret("hook"), "strict": True}},
        "ui_default_config": {"Builders.buildFetchLimit": 500},
    }
''',
}

SECRETS = ("worker", "deploy", "upload", "sign", "mail", "github", "hook")


class Mistake(NamedTuple):
    """A mistake to be put in: in ``file`` the text ``good``, which is there once, becomes ``bad``."""

    file: str
    good: str
    bad: str
    message: str
    """What a report says of it, after the place; ``N`` stands for the number of a project."""
    where: tuple[str, str] | None = None
    """File and text of the line that the report names, if it is another than that of the mistake."""


MISTAKES = (
    Mistake("master.cfg", 'c["caches"]', 'c["cashes"]', "Unknown BuildmasterConfig key cashes; did you mean 'caches'?"),
    Mistake("works/workers.py", "maxCount=2", "maxCount=0", "WorkerLock 'disk': maxCount must be 1 or more, not 0"),
    Mistake(
        "works/factories.py",
        'mode="full"',
        'mode="ful"',
        "Git: mode must be incremental or full, not 'ful'",
        where=("works/factories.py", "self.addStep(steps.Git("),
    ),
    Mistake(
        "works/factories.py",
        "own.Check(env=env",
        "own.Check(environment=env",
        "invalid Check argument 'environment'",
        where=("works/steps.py", "super().__init__(**kwargs)\n        self.cases"),
    ),
    Mistake(
        "works/builders.py",
        'workers.names("debian")',
        '["debain-1"]',
        "builder 'package-projectN' uses unknown workers 'debain-1'; did you mean 'debian-1'?",
    ),
    Mistake(
        "works/scheduling.py",
        'builderNames=["package-" + project]',
        'builderNames=["package-" + project, "pakcage-" + project]',
        "Unknown builder 'pakcage-projectN' in scheduler 'package projectN'; did you mean 'package-projectN'?",
    ),
    Mistake(
        "works/scheduling.py",
        "hour=range(0, 24, 8), minute=len(made) % 60",
        "hour=25, minute=0",
        "scheduler 'projectN nightly': minute, hour, dayOfMonth, month and dayOfWeek say '0 25 * * *', "
        "which is no time: [0 25 * * *] is not acceptable, out of range",
        where=("works/scheduling.py", "made.append(schedulers.Nightly("),
    ),
    Mistake(
        "works/reporting.py",
        "Tally(limit=5)",
        "Tally(limit=0)",
        "tally: limit must be positive",
        where=("works/reporting.py", 'config.error("tally'),
    ),
    Mistake(
        "works/reporting.py",
        "fromaddr=settings.mail_from",
        "fromaddr=None",
        "MailNotifier: fromaddr must be a mail address, not None",
    ),
    Mistake(
        "works/web.py",
        '"ui_default_config"',
        '"ui_default_configuration"',
        "unknown www configuration parameter(s) ui_default_configuration",
        where=("master.cfg", 'c["www"]'),
    ),
)
"""Each of another sort, in another place."""


def write(directory: Path, builders: int = 1000, mistakes: bool = False, web: int = 8010, pb: int = 9989) -> Path:
    """Write the configuration with at least so many builders; returns the path of ``master.cfg``."""
    package = directory / "works"
    package.mkdir(parents=True, exist_ok=True)
    (directory / "secrets").mkdir(mode=0o700, exist_ok=True)
    for name in SECRETS:
        secret = directory / "secrets" / name
        secret.write_text(f"{name}-secret\n")
        secret.chmod(0o600)
    (directory / "settings.ini").write_text(SETTINGS_INI.format(web=web, pb=pb))
    (directory / "fleet.yaml").write_text(fleet(builders))
    (directory / "master.cfg").write_text(MASTER_CFG)
    for name, text in MODULES.items():
        (package / name).write_text(text)
    for mistake in MISTAKES if mistakes else ():
        file = directory / mistake.file
        file.write_text(file.read_text().replace(mistake.good, mistake.bad, 1))
    return directory / "master.cfg"


def reports(directory: Path) -> set[str]:
    """What is to be reported of the configuration with mistakes: ``file:line: message``, without callers."""
    expected = set()
    for mistake in MISTAKES:
        file, text = mistake.where or (mistake.file, mistake.bad)
        before, found, _ = (directory / file).read_text().partition(text)
        assert found, f"{file} has no {text!r}"
        expected.add(f"{file}:{before.count(chr(10)) + 1}: {mistake.message}")
    return expected


def fleet(builders: int) -> str:
    """The YAML file: as many projects as give that number of builders."""
    projects = -(-builders // (PER_PROJECT + 1))
    lines = ["projects:", *(f"  - project{n}" for n in range(projects)), "platforms:"]
    lines += [f"  {p}: {{machines: 4, jobs: 8, builds: 2}}" for p in PLATFORMS]
    return "\n".join([*lines, f"variants: [{', '.join(VARIANTS)}]", ""])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("builders", type=int, nargs="?", default=1000)
    parser.add_argument("--mistakes", action="store_true")
    given = parser.parse_args()
    print(write(given.directory, given.builders, given.mistakes))


if __name__ == "__main__":
    main()
