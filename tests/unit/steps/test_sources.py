"""Steps that fetch sources, where no real program is at hand: what is run, answered as the program would."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import EXCEPTION, FAILURE, SUCCESS
from buildmaster.net.hg import NEWEST
from buildmaster.properties import Interpolate, Properties
from buildmaster.steps.source.bzr import Bzr
from buildmaster.steps.source.cvs import CVS
from buildmaster.steps.source.darcs import Darcs
from buildmaster.steps.source.gerrit import Gerrit, change_ref
from buildmaster.steps.source.gitlab import GitLab
from buildmaster.steps.source.mercurial import Mercurial
from buildmaster.steps.source.mtn import Monotone
from buildmaster.steps.source.p4 import P4
from buildmaster.steps.source.repo import Repo, RepoDownloadsFromProperties
from buildmaster.steps.source.svn import SVN
from tests.support.one_step import STAMP, run_steps

NODE = "a" * 40


class Answers:
    """A worker on which the files ``there`` exist; ``says`` is what a command line that has these words prints.

    An answer that is a number is the exit code.
    """

    def __init__(self, there=(), says=None):
        self.there = set(there)
        self.says = says or {}

    async def __call__(self, command):
        args = command.args
        if command.name == "stat":
            command.send(stat=(0o100644, 0, 0, 0, 0, 0, 1, 0, 0, 0))
            command.rc(0 if args["file"] in self.there else 1)
            return
        if command.name != "shell":
            command.rc(0)
            return
        line = shown(args["command"])
        answer = next((text for words, text in self.says.items() if words in line), "")
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, int):
            command.rc(answer)
            return
        command.out(answer)
        command.rc(0)


def shown(line):
    return " ".join(part[2] if isinstance(part, tuple | list) else str(part) for part in line)


def told(done):
    """What was run, in words; looks at files are left out."""
    found = []
    for name, args in done.commands:
        if name == "shell":
            found.append((f"[{args['workdir']}] " if args["workdir"] != "build" else "") + shown(args["command"]))
        elif name == "rmdir":
            found.append(f"rmdir {args['dir']}")
        elif name == "cpdir":
            found.append(f"cpdir {args['fromdir']} {args['todir']}")
        elif name not in ("stat", "uploadFile", "mkdir", "downloadFile"):
            found.append(name)
    return found


def fetch(tmp_path, step, answers, revision=None, branch=None, **properties):
    stamp = {**STAMP, "revision": revision, "branch": branch}
    return run_steps(tmp_path, step, script=answers, sourcestamps=[stamp], properties=properties)


MTN = {"automate select": NODE}


def test_monotone(tmp_path):
    step = Monotone(repourl="mtn://x", branch="b.c", mode="full", method="fresh", progress=True)
    there = {"db.mtn", "build/_MTN"}
    done = fetch(tmp_path, step, Answers(there, {**MTN, "ls unknown": "junk\n", "ls ignored": "x.o\n"}), NODE)
    assert told(done) == [
        "mtn --version",
        "[] mtn pull mtn://x?b.c --db db.mtn --ticker=dot",
        "mtn ls unknown",
        "rmdir build/junk",
        "mtn ls ignored",
        "rmdir build/x.o",
        "mtn revert .",
        f"mtn update --revision {NODE}",
        "mtn automate select w:",
    ]
    assert (done.results, done.property("got_revision")) == (SUCCESS, NODE)
    done = fetch(tmp_path / "2", Monotone(repourl="mtn://x", branch="b.c", mode="full"), Answers((), MTN))
    assert told(done)[1:] == [
        "[] mtn db init --db db.mtn",
        "[] mtn pull mtn://x?b.c --db db.mtn --ticker=none",
        "rmdir build",
        "rmdir source",
        "[] mtn checkout source --db db.mtn --branch b.c",
        "cpdir source build",
        "mtn automate select w:",
    ]


def test_p4(tmp_path):
    step = P4(
        p4base="//depot/proj",
        p4branch="main",
        p4extra_views=[("//depot/lib one", "lib")],
        p4port="p:1666",
        p4user="u",
        p4passwd="secret",
        p4client="c",
        p4client_type="readonly",
        p4extra_args=["-Zproxyload"],
    )
    answers = Answers({"build"}, {"changes": "Change 42 on 2020/01/01 by u@c 'x'\n"})
    done = fetch(tmp_path, step, answers, "41")
    p4 = "p4 -p p:1666 -u u -P XXXXXX -c c"
    assert told(done) == [
        "p4 -V",
        f"{p4} client -i",
        f"{p4} -Zproxyload sync //...@41",
        f"{p4} changes -m1 #have",
    ]
    assert (done.results, done.property("got_revision")) == (SUCCESS, "42")
    (description,) = [args["initial_stdin"] for _, args in done.commands if args.get("initial_stdin")]
    assert description.splitlines() == [
        "Client: c",
        "Owner: u",
        "Description:",
        "\tMade for a builder",
        "Root:\t/scripted/b/build",
        "Options:\tallwrite rmdir",
        "LineEnd:\tlocal",
        "Type:\treadonly",
        "View:",
        "\t//depot/proj/main/... //c/...",
        '\t"//depot/lib one/..." //c/lib/...',
    ]


def test_p4_with_tickets_and_streams(tmp_path):
    step = P4(p4base="//s", p4branch="b", p4passwd="pw", use_tickets=True, stream=True, mode="full", debug=True)
    answers = Answers({"build"}, {"changes": "Change 1 on\n"})
    done = fetch(tmp_path, step, answers)
    client = "-c buildbot_w_b"
    assert told(done) == [
        "p4 -V",
        "p4 login",
        f"p4 {client} client -i",
        "rmdir build",
        f"p4 {client} sync -f //...#head",
        f"p4 {client} changes -m1 #have",
    ]
    assert "hStream:\t//s/b\n" in done.logs["stdio"]
    assert "pw" not in done.logs["stdio"].split("\n")[0]
    step = P4(p4viewspec=[("//d/a/...", "a/..."), ("-//d/a/x", "a/x")], p4viewspec_suffix=None, p4client="c")
    assert step._view() == [("//d/a/...", "//c/a/..."), ("-//d/a/x", "//c/a/x")]


DOWNLOADED = f"From g\n * branch refs/changes/34/1234/5 -> FETCH_HEAD\nHEAD is now at {NODE[:9]}... x\n"


def test_repo(tmp_path):
    step = Repo(
        manifestURL="git://m",
        manifestBranch="b",
        tarball="/t.tar.gz",
        jobs=4,
        depth=1,
        syncQuietly=True,
        manifestOverrideUrl="http://o",
        repoDownloads=RepoDownloadsFromProperties(["changes"]),
    )
    answers = Answers({"/t.tar.gz"}, {"repo download": [1, DOWNLOADED]})
    answers.says["repo download"][0] = "fatal: Couldn't find remote ref x\n"
    done = fetch(tmp_path, step, answers, changes="repo download p 1234/5")
    sync = [
        "repo init -u git://m -b b -m default.xml --depth 1",
        "wget http://o -O manifest_override.xml",
        "ln -sf ../manifest_override.xml .repo/manifest.xml",
        "repo sync --force-sync --detach -j4 -c -q",
        "tar -z -cf /t.tar.gz .repo",
    ]
    assert told(done) == [
        "repo --version",
        "rmdir build",
        "tar -z -xf /t.tar.gz",
        *sync,
        "repo manifest -r",
        "repo download p 1234/5",
    ]
    assert done.results == SUCCESS


def test_a_change_that_the_mirror_has_not_yet_is_waited_for(tmp_path):
    class Late(Answers):
        async def __call__(self, command):
            if "download" in command.args.get("command", ()) and not self.there:
                self.there.add("build/.repo")
                command.err("fatal: Couldn't find remote ref x\n")
                command.rc(1)
                return
            await super().__call__(command)

    step = Repo(manifestURL="git://m", repoDownloads=["p 1234/5"])
    done = fetch(tmp_path, step, Late((), {"repo download": DOWNLOADED}))
    assert told(done)[-2:] == ["repo download p 1234/5"] * 2
    assert (done.results, done.property("repo_downloaded")) == (SUCCESS, f"1234/5 {NODE[:9]}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("repo download a/b 12/3 and repo download c 4/5", ["a/b 12/3", "c 4/5"]),
        ("a/b 12/3", ["a/b 12/3"]),
        ("a/b/12/3", ["a/b 12/3"]),
        ("--option 1/2", []),
        ("nothing", []),
    ],
)
def test_downloads_are_found_in_properties(text, found):
    assert RepoDownloadsFromProperties(["p", "q"]).getRenderingFor(Properties(p=text)) == found


GIT = {"--version": "git version 2.39.2", "rev-parse HEAD": NODE}


@pytest.mark.parametrize(
    ("step", "properties", "repository", "reference"),
    [
        (Gerrit, {"event.change.number": 1234, "event.patchSet.number": 5}, "r", "refs/changes/34/1234/5"),
        (Gerrit, {"gerrit_change": "7/2"}, "r", "refs/changes/07/7/2"),
        (Gerrit, {}, "r", "main"),
        (GitLab, {"source_branch": "x", "source_git_ssh_url": "git@f:p"}, "git@f:p", "x"),
        (GitLab, {}, "r", "main"),
    ],
)
def test_git_for_reviews(tmp_path, step, properties, repository, reference):
    done = fetch(tmp_path, step(repourl="r"), Answers({"build/.git"}, GIT), branch="main", **properties)
    assert f"git fetch -f --progress {repository} {reference}" in told(done)
    assert done.results == SUCCESS


def test_gerrits_references_end_with_two_digits():
    assert [change_ref(5, 1), change_ref(1200, 3)] == ["refs/changes/05/5/1", "refs/changes/00/1200/3"]


INFO = '<info><entry revision="9"><url>http://svn/a%20b</url><commit revision="7"/></entry></info>'
STATUS = """<status><target path=".">
<entry path="junk"><wc-status item="unversioned"/></entry>
<entry path="keep/me"><wc-status item="ignored"/></entry>
<entry path="a"><wc-status item="modified"/></entry>
</target></status>"""


@pytest.mark.parametrize(("version", "by_stdin"), [("1.9.2", False), ("1.14.0", True)])
def test_svns_password_is_hidden(tmp_path, version, by_stdin):
    says = {"--version": version, "info": INFO, "status": STATUS}
    step = SVN(
        repourl=Interpolate("http://svn/%(kw:x)s", x="a b"),
        username="u",
        password="pw",
        extra_args=["--trust"],
        mode="full",
        keep_on_purge=["keep"],
        depth="files",
    )
    done = fetch(tmp_path, step, Answers({"build/.svn"}, says))
    password = "--password-from-stdin" if by_stdin else "--password XXXXXX"
    rest = f"--non-interactive --no-auth-cache --username u {password} --trust"
    assert told(done) == [
        "svn --version --quiet",
        f"svn info --xml {rest}",
        f"svn status --xml --no-ignore {rest}",
        "rmdir ['build/junk']",
        "svn revert --recursive .",
        f"svn update --set-depth files {rest}",
        f"svn info --xml {rest}",
    ]
    assert (done.results, done.property("got_revision")) == (SUCCESS, "9")


def test_a_locked_working_copy_of_svn_is_cleaned_up(tmp_path):
    says = {"--version": "1.14.0", "info": INFO, "update": [1, ""]}
    done = fetch(tmp_path, SVN(repourl="http://svn/a b"), Answers({"build/.svn"}, says), "5")
    assert [line.split(" --non")[0] for line in told(done)[2:5]] == [
        "svn update --revision 5",
        "svn cleanup",
        "svn update --revision 5",
    ]


def test_what_is_checked_out_from_elsewhere_is_replaced(tmp_path):
    says = {"--version": "1.14.0", "info": INFO}
    done = fetch(tmp_path, SVN(repourl="http://svn/other"), Answers({"build/.svn"}, says))
    assert [line.split(" --non")[0] for line in told(done)[2:4]] == ["rmdir build", "svn checkout http://svn/other ."]


def test_bzr_follows_the_branch(tmp_path):
    says = {"bound_location": "file:///b/main/", "version-info": "12"}
    step = {"baseURL": "/b/", "defaultBranch": "main"}
    done = fetch(tmp_path, Bzr(**step), Answers({"build/.bzr"}, says), "12")
    assert told(done)[2:] == ["bzr update -r 12", "bzr version-info --custom --template={revno}"]
    done = fetch(tmp_path / "2", Bzr(**step), Answers({"build/.bzr"}, says), branch="x")
    assert told(done)[2:4] == ["rmdir build", "bzr checkout /b/x ."]


def test_cvs_logs_in_and_forgets_what_stuck(tmp_path):
    step = CVS(cvsroot=":pserver:u@h:/r", cvsmodule="m", login="pw", branch="B", global_options=["-z3"])
    done = fetch(tmp_path, step, Answers())
    assert told(done) == [
        "cvs --version",
        "[] cvs -d :pserver:u@h:/r login",
        "rmdir build",
        "[] cvs -q -d :pserver:u@h:/r -z3 checkout -P -d build -r B m",
    ]
    assert [args["initial_stdin"] for _, args in done.commands if args.get("initial_stdin")] == ["pw\n"]


def test_a_revision_of_darcs_may_be_a_context(tmp_path):
    says = {"log": f"patch {NODE}\nAuthor: a\n"}
    done = fetch(tmp_path, Darcs(repourl="r", mode="full", method="clobber"), Answers((), says), "Context:\n[x]")
    assert told(done)[1:] == [
        "rmdir build",
        "[] darcs clone --lazy --context .darcs-context r build",
        "darcs log --max-count=1",
    ]


def test_a_failed_checkout_is_tried_again(tmp_path):
    step = Mercurial(repourl="r", retry=(30, 2))
    done = fetch(tmp_path, step, Answers((), {"clone": 255}))
    assert told(done)[1:] == ["rmdir build", "hg --noninteractive clone --noupdate -- r ."] * 3
    assert done.results == FAILURE
    assert "Checkout failed, trying again in 30 seconds; 1 more after that" in done.logs["stdio"]


def test_what_would_be_taken_for_an_option_is_refused(tmp_path):
    step = Mercurial(repourl="r", branchType="inrepo")
    done = fetch(tmp_path, step, Answers(), "--config=alias.update=!touch x")
    assert (done.results, done.commands) == (EXCEPTION, [])
    assert "begins with '-'" in done.logs["err.text"]


@pytest.mark.parametrize(
    ("kwargs", "branch", "there", "current", "seen"),
    [
        ({"branchType": "inrepo"}, "b", True, "b", ["pull -- r", "update --clean --rev b"]),
        ({"branchType": "inrepo"}, "b", True, "other", ["clone --noupdate -- r .", "update --clean --rev b"]),
        (
            {"branchType": "inrepo", "clobberOnBranchChange": False},
            None,
            True,
            "other",
            ["pull -- r", "update --clean --rev default"],
        ),
        ({"defaultBranch": "-d"}, None, False, "", ["clone --noupdate -- r-d .", f"update --clean --rev {NEWEST}"]),
    ],
)
def test_branches_of_mercurial(tmp_path, kwargs, branch, there, current, seen):
    answers = Answers({"build/.hg"} if there else (), {"identify": current, "parents": NODE})
    done = fetch(tmp_path, Mercurial(repourl="r", **kwargs), answers, branch=branch)
    lines = [line.removeprefix("hg --noninteractive ") for line in told(done)]
    assert [line for line in lines if line.startswith(("pull", "clone", "update"))] == seen
    assert (done.results, done.property("got_revision")) == (SUCCESS, NODE)


def test_a_patch_of_an_earlier_build_is_undone(tmp_path):
    there = {"build/.hg", "build/.buildbot-patched"}
    done = fetch(tmp_path, Mercurial(repourl="r"), Answers(there, {"parents": NODE}))
    assert [line.removeprefix("hg --noninteractive ") for line in told(done)[1:4]] == [
        "update --clean --rev .",
        "--config extensions.purge= purge --all",
        "pull -- r",
    ]


def test_a_program_that_is_not_there_is_told(tmp_path):
    done = fetch(tmp_path, Mercurial(repourl="r"), Answers((), {"--version": 127}))
    assert done.results == EXCEPTION
    assert "hg is not installed on worker" in done.logs["err.text"]


def test_a_revision_that_is_not_told_fails(tmp_path):
    done = fetch(tmp_path, Mercurial(repourl="r"), Answers({"build/.hg"}, {"parents": "what?"}))
    assert done.results == FAILURE
    assert "hhg does not tell which revision is checked out\n" in done.logs["stdio"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mercurial(), "Mercurial: must provide repourl"),
        (lambda: Mercurial("r", branchType="x"), "Mercurial: branchType must be dirname or inrepo, not 'x'"),
        (lambda: Mercurial("r", mode="x"), "Mercurial: mode must be incremental or full, not 'x'"),
        (
            lambda: Mercurial("r", mode="full", method="copy"),
            "Mercurial: method must be one of clobber, fresh, clean, not 'copy'",
        ),
        (lambda: SVN("r", depth="all"), "SVN: depth must be one of empty, files, immediates, infinity, not 'all'"),
        (lambda: Bzr(), "Bzr: must provide either repourl or baseURL"),
        (
            lambda: Bzr("r", defaultBranch="x"),
            "Bzr: defaultBranch goes with baseURL; with repourl the branch is part of it",
        ),
        (lambda: CVS("r"), "CVS: must provide cvsmodule"),
        (lambda: Darcs(), "Darcs: must provide repourl"),
        (lambda: Monotone("r"), "Monotone: must provide branch"),
        (lambda: P4(), "P4: must provide p4base or p4viewspec"),
        (lambda: P4(p4base="//a/"), "P4: p4base should not end with a trailing / [p4base = //a/]"),
        (
            lambda: P4(p4base="//a", p4viewspec=[]),
            "P4: either p4viewspec or p4base/p4branch/p4extra_views, not both",
        ),
        (lambda: Repo(), "Repo: must provide manifestURL"),
        (lambda: SVN("r", retry=3), "SVN: retry must be a pair (seconds to wait, how often to try again), not 3"),
    ],
)
def test_mistakes_are_told(make, message):
    with pytest.raises(ConfigErrors) as caught:
        make()
    assert caught.value.errors == [message]
