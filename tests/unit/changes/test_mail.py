"""Mails of commit hooks in a real maildir, and what comes of them."""

from __future__ import annotations

import os

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.changes import mail
from buildmaster.config.builder import BuilderConfig
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.testing.master import MemoryMaster
from buildmaster.worker.base import Worker

CVS = """\
From: Ann <ann@example.org>
Date: Thu, 01 Jan 2015 10:00:00 +0000
Subject: cvs update for project P

Cvsmode: 1.12
Category: None
CVSROOT: :ext:cvs:/root
Files: a.c,1.1,1.2 b c.h,NONE,1.1
Path: trunk/src
Project: P
Tag: B_one

Log Message:
The message,
in lines.
"""

SVN = """\
From: svn@example.org
Date: Thu, 01 Jan 2015 10:00:00 +0000

Author: jones
Date: 2015-01-01
New Revision: 42

Added:
   trunk/new.c
Modified:
   trunk/old.c   (props changed)
   other/x
Log:
What was done.

Added: trunk/new.c
==============================================================================
+Log:
"""

BZR = """\
From: noreply@launchpad.net
Date: Thu, 01 Jan 2015 10:00:00 +0000
X-Launchpad-Project: maria
X-Launchpad-Branch: ~team/maria/5.1

------------------------------------------------------------
revno: 2730 [merge]
committer: kim@example.org
branch nick: work
timestamp: Thu 2009-06-11 13:42:34 +0200
message:
  First line: with a colon

  more
added:
  sql/new.cc
renamed:
  a => b
    ------------------------------------------------------------
    revno: 1.2
    committer: other
    message:
      inner
--
Subscribed
"""


def put(directory, name, text):
    for part in ("tmp", "new", "cur"):
        os.makedirs(directory / part, exist_ok=True)
    (directory / "tmp" / name).write_text(text)
    (directory / "tmp" / name).rename(directory / "new" / name)


@pytest.fixture
def started(tmp_path):
    made = []

    def start(source):
        def config():
            return {
                "change_source": [source(str(tmp_path / "mail"))],
                "protocols": {"pb": {"port": "tcp:0"}},
                "workers": [Worker("w", "secret")],
                "builders": [BuilderConfig(name="b", workernames=["w"], factory=BuildFactory())],
                "schedulers": [Triggerable(name="t", builderNames=["b"])],
            }

        (tmp_path / "master").mkdir()
        kit = MemoryMaster(tmp_path / "master", config).start()
        made.append(kit)
        return kit

    yield start
    for kit in made:
        kit.stop()


def changes(kit, *keys):
    return [tuple(change[key] for key in keys) for change in kit.get("changes", order=("changeid",))]


def test_mails_become_changes_once(started, tmp_path):
    directory = tmp_path / "mail"
    put(directory, "1", CVS)
    kit = started(lambda path: mail.CVSMaildirSource(path, prefix="trunk/", properties={"p": 1}))
    kit.advance(1)
    keys = ("author", "files", "comments", "branch", "project", "repository", "when_timestamp", "category")
    assert changes(kit, *keys) == [
        (
            "ann",
            ["src/a.c", "src/b c.h"],
            "The message,\nin lines.",
            "B_one",
            "P",
            ":ext:cvs:/root",
            1420106400,
            None,
        )
    ]
    assert changes(kit, "properties") == [({"p": (1, "Change")},)]
    assert os.listdir(directory / "cur") == ["1"]
    # a master that died between commit and move finds the message again
    (directory / "cur" / "1").rename(directory / "new" / "1")
    put(directory, "2", CVS.replace("trunk/src", "elsewhere"))
    put(directory, "3", "no mail at all")
    kit.advance(11)
    assert len(changes(kit, "author")) == 1
    assert sorted(os.listdir(directory / "cur")) == ["1", "2", "3"]


def test_a_directory_that_is_not_there_is_waited_for(started, tmp_path):
    kit = started(mail.SVNCommitEmailMaildirSource)
    kit.advance(1)
    put(tmp_path / "mail", "1", SVN)
    kit.advance(10)
    assert changes(kit, "author", "files", "comments", "revision", "branch") == [
        ("jones", ["trunk/new.c", "trunk/old.c", "other/x"], "What was done.", "42", None)
    ]


def parsed(source, text, prefix=None):
    from io import BytesIO

    return source.parse_file(BytesIO(text.encode()), prefix)


def test_subversions_mails():
    kind, change = parsed(mail.SVNCommitEmailMaildirSource("m"), SVN, "trunk/")
    assert (kind, change["files"]) == ("svn", ["new.c", "old.c"])
    assert parsed(mail.SVNCommitEmailMaildirSource("m"), SVN, "no/") is None


@pytest.mark.parametrize(
    ("kwargs", "branch"),
    [
        ({}, "lp:~team/maria/5.1"),
        ({"branchMap": {"~team/maria/5.1": "5.1"}}, "5.1"),
        ({"branchMap": {"lp:~team/maria/5.1": "five"}, "defaultBranch": "x"}, "five"),
        ({"branchMap": {"lp:other": "five"}, "defaultBranch": "x"}, "x"),
    ],
)
def test_launchpads_mails(kwargs, branch):
    kind, change = parsed(mail.BzrLaunchpadEmailMaildirSource("m", **kwargs), BZR)
    assert kind == "bzr"
    assert change == {
        "author": "kim@example.org",
        "files": ["sql/new.cc", "b"],
        "comments": "First line: with a colon\n\nmore",
        "when_timestamp": 1244720554,
        "revision": "2730",
        "branch": branch,
        "repository": "",
        "project": "maria",
    }


def test_launchpad_has_no_prefixes():
    with pytest.raises(ConfigErrors, match="there is no prefix to take off"):
        mail.BzrLaunchpadEmailMaildirSource("m", prefix="x/")


def test_older_cvs_tells_the_directory_with_the_files():
    text = CVS.replace("1.12", "1.11").replace("Files: ", "Files: mod/dir ").replace("Path: trunk/src\n", "")
    _, change = parsed(mail.CVSMaildirSource("m"), text)
    assert change["files"] == ["mod/dir/a.c", "mod/dir/b c.h"]
