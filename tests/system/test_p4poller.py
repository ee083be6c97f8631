"""P4Source with a program that answers as p4 does: the real one is not free."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.changes.p4poller import P4PollerError, P4Source, get_simple_split
from buildmaster.config.builder import BuilderConfig
from buildmaster.process.factory import BuildFactory
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.worker.base import Worker
from tests.support.live_master import LiveMaster

PROGRAM = """\
#!/bin/sh
echo "$P4PASSWD $@" >> {dir}/calls
case "$*" in
*login*) cat >> {dir}/calls; echo "User logged in.";;
*"changes -s submitted -m 1 "*) echo "Change 1 on 2006/04/13 by ann@client 'first'";;
*changes*) cat {dir}/changes;;
*"describe -s 2"*) cat <<'END'
Change 2 by bob@client on 2006/04/13 14:46:23

	short desc

	longer

Affected files ...

... //depot/p/trunk/a b#1 add
... //depot/p/stable/c#3 edit
... //depot/p/README#3 delete
... //depot/q/trunk/d#3 edit

END
;;
*) echo "no such change" >&2; exit 1;;
esac
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "p4"
    path.write_text(PROGRAM.format(dir=tmp_path))
    path.chmod(0o755)
    (tmp_path / "changes").write_text("Change 2 on 2006/04/13 by bob@client 'short desc '\n")
    return path


def test_submitted_changes_are_reported_by_branch(tmp_path, program):
    source = {
        "p4port": "p:1666",
        "p4user": "u",
        "p4passwd": "pw",
        "p4base": "//depot/p/",
        "p4bin": str(program),
        "split_file": get_simple_split,
        "pollInterval": 0,
        "project": "proj",
        "server_tz": "Europe/Berlin",
        "histmax": 7,
        "revlink": lambda branch, revision: f"http://p4/{branch}/{revision}",
        "resolvewho": lambda who: who.partition("@")[0],
    }
    config = {
        "change_source": [P4Source(**source)],
        "protocols": {"pb": {"port": "tcp:0:interface=127.0.0.1"}},
        "workers": [Worker("w", "secret")],
        "builders": [BuilderConfig(name="b", workernames=["w"], factory=BuildFactory())],
        "schedulers": [Triggerable(name="t", builderNames=["b"])],
    }
    with LiveMaster(tmp_path / "master", config) as live:
        (poller,) = live.master.change_svc
        live.call(poller.poll)
        assert live.get("changes") == []
        live.call(poller.poll)
        found = live.get("changes", order=("changeid",))
        keys = ("author", "branch", "files", "comments", "revision", "revlink", "project", "when_timestamp")
        common = {"author": "bob", "comments": "short desc\n\nlonger", "revision": "2", "project": "proj"}
        assert [{key: change[key] for key in keys} for change in found] == [
            {**common, "branch": b, "files": f, "revlink": f"http://p4/{b}/2", "when_timestamp": 1144932383}
            for b, f in (("trunk", ["a b"]), ("stable", ["c"]))
        ]
        (tmp_path / "changes").write_text("Change 3 on 2006/04/13 by bob@client 'x'\n")
        with pytest.raises(P4PollerError, match="p4 describe failed with exit code 1: no such change"):
            live.call(poller.poll)
        assert poller.last_change == 2
        poller.use_tickets = True
        (tmp_path / "changes").write_text("")
        live.call(poller.poll)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [
        "pw -p p:1666 -u u changes -s submitted -m 1 //depot/p/...",
        "pw -p p:1666 -u u changes -s submitted -m 7 //depot/p/...@2,#head",
        "pw -p p:1666 -u u describe -s 2",
        "pw -p p:1666 -u u changes -s submitted -m 7 //depot/p/...@3,#head",
        "pw -p p:1666 -u u describe -s 3",
        " -p p:1666 -u u login",
        "pw",
        " -p p:1666 -u u changes -s submitted -m 7 //depot/p/...@3,#head",
    ]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"split_file": "x"}, "P4Source: you need to provide a valid callable for split_file, not 'x'"),
        ({"use_tickets": True}, "P4Source: you need to provide a P4 password to use ticket authentication"),
        ({"server_tz": "Mars"}, "P4Source: failed to get timezone from server_tz string 'Mars'"),
        ({"p4base": "depot"}, "P4Source: p4base must be a depot path, which begins with //, not 'depot'"),
    ],
)
def test_mistakes_are_told(kwargs, message):
    with pytest.raises(ConfigErrors) as caught:
        P4Source(**kwargs)
    assert caught.value.errors == [message]
