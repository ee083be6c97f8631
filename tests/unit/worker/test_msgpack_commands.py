"""Commands and updates between the spelling of steps and that of MessagePack workers."""

from __future__ import annotations

from typing import Any

import pytest

from buildmaster.worker.protocols.msgpack_commands import Hidden, Place, translate, updates_of
from buildmaster.worker.protocols.updates import problem_with

POSIX = Place("posix", "/w", "b", "/home/me")
WINDOWS = Place("nt", "C:\\w", "b", "C:\\Users\\me")


@pytest.mark.parametrize(
    ("place", "command", "args", "sent"),
    [
        (POSIX, "shell", {"command": "x"}, ("shell", {"command": "x", "workdir": "/w/b"})),
        (
            POSIX,
            "shell",
            {"workdir": "build", "usePTY": None, "timeout": None},
            ("shell", {"workdir": "/w/b/build", "timeout": None}),
        ),
        (POSIX, "shell", {"workdir": "/tmp", "usePTY": True}, ("shell", {"workdir": "/tmp", "usePTY": True})),
        (POSIX, "shell", {"workdir": ".", "usePTY": "slave-config"}, ("shell", {"workdir": "/w/b"})),
        (POSIX, "shell", {"workdir": ".", "usePTY": 1}, ("shell", {"workdir": "/w/b", "usePTY": True})),
        (
            POSIX,
            "uploadFile",
            {"workersrc": "a/../f", "workdir": "build", "blocksize": 5},
            ("upload_file", {"path": "/w/b/build/f", "blocksize": 5}),
        ),
        (
            POSIX,
            "uploadFile",
            {"workersrc": "~/f", "workdir": "build"},
            ("upload_file", {"path": "/home/me/f"}),
        ),
        (POSIX, "uploadDirectory", {"slavesrc": "d", "workdir": "x"}, ("upload_directory", {"path": "/w/b/x/d"})),
        (POSIX, "downloadFile", {"workerdest": "d", "workdir": "x"}, ("download_file", {"path": "/w/b/x/d"})),
        (
            WINDOWS,
            "downloadFile",
            {"workerdest": "d/e", "workdir": "x"},
            ("download_file", {"path": "C:\\w\\b\\x\\d\\e"}),
        ),
        (WINDOWS, "uploadFile", {"workersrc": "~\\f"}, ("upload_file", {"path": "C:\\Users\\me\\f"})),
        (POSIX, "mkdir", {"dir": "a"}, ("mkdir", {"paths": ["/w/b/a"]})),
        (POSIX, "rmdir", {"dir": ["a", b"c"], "timeout": 3}, ("rmdir", {"paths": ["/w/b/a", "/w/b/c"], "timeout": 3})),
        (
            POSIX,
            "cpdir",
            {"fromdir": "a", "todir": "b", "maxTime": 3},
            ("cpdir", {"from_path": "/w/b/a", "to_path": "/w/b/b", "maxTime": 3}),
        ),
        (POSIX, "stat", {"file": "build/f", "workdir": "build"}, ("stat", {"path": "/w/b/build/f"})),
        (POSIX, "glob", {"path": "*.c"}, ("glob", {"path": "/w/b/*.c"})),
        (POSIX, "listdir", {"dir": "."}, ("listdir", {"path": "/w/b"})),
        (POSIX, "rmfile", {"path": "/etc/x"}, ("rmfile", {"path": "/etc/x"})),
        (POSIX, "own-command", {"dir": "x"}, ("own-command", {"dir": "x"})),
    ],
)
def test_a_command_gets_names_and_absolute_paths(place: Place, command: str, args: Any, sent: Any) -> None:
    before = dict(args)
    assert translate(command, args, place) == sent
    assert args == before


def test_updates_are_those_of_the_other_protocol() -> None:
    text = ["a\nb\n", [1, 3], [1.0, 2.0]]
    came = [["stdout", text], ["stderr", text], ["header", text], ["log", ["l", text]], ["rc", 0], ["own", [1]]]
    taken = updates_of(came, Hidden())
    assert taken == [
        [{"stdout": "a\nb\n"}, 0],
        [{"stderr": "a\nb\n"}, 0],
        [{"header": "a\nb\n"}, 0],
        [{"log": ["l", "a\nb\n"]}, 0],
        [{"rc": 0}, 0],
        [{"own": [1]}, 0],
    ]
    assert problem_with(taken) is None


@pytest.mark.parametrize(
    "lie",
    [
        None,
        "text",
        ["stdout"],
        [["stdout"]],
        [["stdout", 7]],
        [["stdout", []]],
        [["stdout", [7, [], []]]],
        [["header", [None, [], []]]],
        [["log", ["l", 7]]],
        [["log", "l"]],
        [[["key"], 1]],
        [["rc", "0"]],
    ],
)
def test_updates_that_are_no_updates_are_found_by_the_common_check(lie: Any) -> None:
    assert problem_with(updates_of(lie, Hidden())) is not None


def test_words_that_may_not_be_shown_are_sent_and_replaced_in_what_is_told() -> None:
    hidden = Hidden()
    assert hidden.taken_from("echo x") == "echo x"
    command = ["echo", ("obfuscated", "it's", "XX"), ("obfuscated", b"gehe\xc3\xafm", "YY"), "w"]
    assert hidden.taken_from(command) == ["echo", "it's", "geheïm", "w"]
    told = "echo 'it'\"'\"'s' geheïm w\n argv: [b'echo', b\"it's\", b'gehe\\xc3\\xafm']\n"
    text = [told, [], []]
    [[update, _], [output, _]] = updates_of([["header", text], ["stdout", text]], hidden)
    assert update == {"header": "echo XX YY w\n argv: [b'echo', b\"XX\", b'YY']\n"}
    assert output == {"stdout": told}
