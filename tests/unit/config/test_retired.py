"""A configuration that uses what is gone is told what to write instead."""

from __future__ import annotations

import pytest

PLUGINS = "from buildbot.plugins import *\n"


@pytest.mark.parametrize(
    ("line", "mend"),
    [
        ("from buildbot.buildslave import BuildSlave", "worker.Worker(name, password)"),
        ("from buildbot.scheduler import Scheduler, Nightly", "write: from buildbot.plugins import schedulers"),
        ("from buildbot.locks import SlaveLock", "it is called WorkerLock"),
        ("from buildbot.reporters import ReporterBase", "from buildbot.reporters.base import ReporterBase"),
        ("from buildbot.steps.source import Git", "steps.Git(…); mode is 'incremental' or 'full'"),
        ("from buildbot.steps.slave import RemoveDirectory", "it is called buildbot.steps.worker"),
        ("from buildbot.status import html", "the web server is configured by c['www']"),
        ("from buildbot.status import words", "took the place of status targets"),
        ("import buildbot.status.mail", "took the place of status targets"),
        ("from buildbot.status.web import authz, auth", "the web server is configured by c['www']"),
        ("from buildbot.status.web.baseweb import WebStatus", "the web server is configured by c['www']"),
        ("from buildbot.plugins import buildslave", "worker.Worker(name, password)"),
        ("from buildbot.plugins import status", "took the place of status targets"),
        ("from buildbot.reporters.notifier import NotifierBase", "buildbot.reporters.base.ReporterBase"),
        ("from buildbot.util import unicode2NativeString", "it is called bytes2unicode"),
        ("import urllib2", "urllib.request"),
        ("from itertools import ifilter", "in Python 3 filter itself does it"),
        ("execfile('slaves.py')", "in Python 3 write: exec(open(filename).read())"),
        ("{}.iteritems()", "in Python 3 it is called items"),
        ("'x'.decode('utf-8')", "in Python 3 a text needs no decoding: leave it out"),
        (PLUGINS + "worker.Worker('a', 'b').slavename", "it is called workername"),
        (PLUGINS + "buildslave.BuildSlave('a', 'b')", "worker.Worker(name, password)"),
        (PLUGINS + "util.BuilderConfig(name='a', slavenames=['b'])", "it is called workernames"),
        (PLUGINS + "util.BuilderConfig(name='a', mergeRequests=False)", "it is called collapseRequests"),
        (PLUGINS + "util.BuilderConfig(name='a', nextSlave=None)", "it is called nextWorker"),
        (PLUGINS + "util.WorkerLock('a', maxCountForSlave={})", "it is called maxCountForWorker"),
        (PLUGINS + "util.SlaveLock('a')", "no plugin util.SlaveLock; it is called WorkerLock"),
        (PLUGINS + "util.BasicAuth([])", "util.UserPasswordAuth([(user, password)])"),
        (PLUGINS + "worker.DockerLatentBuildSlave", "there are no slaves any more: say Worker"),
        (PLUGINS + "changes.SVNPoller(svnurl='x')", "svnurl is called repourl"),
        (PLUGINS + "util.BuildFactory().addStep(steps.Test, command='x')", "not a class and its arguments"),
        (PLUGINS + "reporters.MessageFormatter(template_name='x')", "template=open(filename).read()"),
        ("from buildbot import locks; locks.SlaveLock('a')", "it is called WorkerLock"),
        ("from buildbot.manhole import PasswordManhole as P; P('1', 'a', 'b')", "ssh_hostkey_dir is a directory"),
        ("from zope.interface import implements", "@implementer(…) above the class"),
        ("from commands import getstatusoutput", "from subprocess import getstatusoutput"),
        ("import urllib; urllib.quote('x')", "urllib.parse.quote"),
        ("print 'x'", "this is Python 2"),
        ("raise ValueError, 'x'", "this is Python 2"),
        ("mode = 0644", "this is Python 2"),
        ("f = lambda(step): 1", "this is Python 2"),
        (PLUGINS + "util.Authz(forceBuild='auth')", "write allowRules=[…] and roleMatchers=[…]"),
        (
            PLUGINS + "schedulers.ForceScheduler(name='f', builderNames=['a'], branch=1)",
            "util.CodebaseParameter(codebase",
        ),
    ],
)
def test_the_message_has_the_mend(directory, line, mend):
    (message,) = directory.errors(line + "\n")
    told = message.splitlines()[0]
    assert "error while parsing config file: " in told
    assert mend in told


def test_a_step_is_told_the_new_name_of_an_argument(directory):
    messages = directory.errors(PLUGINS + "steps.FileUpload(slavesrc='a', masterdest='b')\n")
    told = [message for message in messages if "unexpected" in message]
    assert told == [
        "master.cfg:2: FileUpload.__init__ got unexpected keyword argument(s) ['slavesrc']; "
        "slavesrc is called workersrc"
    ]


def test_a_builder_given_as_a_dictionary_is_told_the_new_name_of_its_keys(directory):
    text = "c = BuildmasterConfig = {'builders': [{'name': 'a', 'slavename': 'b', 'factory': None}]}\n"
    (message,) = [message for message in directory.errors(text) if "dictionary" in message]
    assert message.endswith("unexpected keyword argument 'slavename'; it is called workername")


def test_other_mistakes_get_no_mend(directory):
    (message,) = directory.errors("x = = 1\n")
    assert message.splitlines()[0] == "master.cfg:1: error while parsing config file: SyntaxError: invalid syntax"
    (message,) = directory.errors(PLUGINS + "util.BuilderConfig(name='a', nonesuch=1)\n")
    assert message.splitlines()[0].endswith("got an unexpected keyword argument 'nonesuch'")
