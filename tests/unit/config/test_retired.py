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
        (PLUGINS + "worker.Worker('a', 'b').slavename", "it is called workername"),
        (PLUGINS + "buildslave.BuildSlave('a', 'b')", "worker.Worker(name, password)"),
        (PLUGINS + "util.BuilderConfig(name='a', slavenames=['b'])", "it is called workernames"),
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


def test_other_mistakes_get_no_mend(directory):
    (message,) = directory.errors(PLUGINS + "util.BuilderConfig(name='a', nonesuch=1)\n")
    assert message.splitlines()[0].endswith("got an unexpected keyword argument 'nonesuch'")
