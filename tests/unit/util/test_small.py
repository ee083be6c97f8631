"""The small documented functions of ``util``; expected values are what Buildbot's give."""

from __future__ import annotations

import datetime

import pytest
from twisted.internet import defer, task

from buildmaster import util
from buildmaster.base.errors import ConfigErrors
from buildmaster.config import checks
from buildmaster.testing.sync import failure_of, not_fired, result_of
from buildmaster.util import identifiers, misc


def test_natural_sort():
    assert util.naturalSort(["a10", "a2", "b1", "A1"]) == ["A1", "a2", "a10", "b1"]


def test_flatten():
    assert util.flatten([[1, [2]], (3,)]) == [1, 2, (3,)]
    assert util.flatten([[1, [2]], (3,)], types=(list, tuple)) == [1, 2, 3]
    assert list(util.flattened_iterator([1, [2, (3,)]])) == [1, 2, 3]


def test_lists():
    assert [util.makeList(one) for one in (None, "a", [1], (1,))] == [[], ["a"], [1], [1]]
    assert util.join_list(["a", b"b"]) == "a b"
    assert util.join_list("x") == "x"
    assert util.diffSets([1, 2], [2, 3]) == ({1}, {3})
    assert util.dictionary_merge({"a": 1, "b": 1}, {"b": 2}) == {"a": 1, "b": 2}
    assert list(misc.chunkify_list([1, 2, 3], 2)) == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["a", "b c", "d"], "a b c ..."),
        ("x y", "x y"),
        ([["a"], "b"], "a b"),
        (("a", "b"), "a b"),
        (["abc"], "abc"),
        (None, None),
        ([], None),
        (3, None),
    ],
)
def test_a_command_in_a_few_words(command, shown):
    assert util.command_to_string(command) == shown


def test_text():
    assert (util.none_or_str(3), util.none_or_str(None)) == ("3", None)
    assert util.rewrap("\n  hello\n  world\n\n  foo") == "\nhello world\nfoo"
    assert util.safeTranslate('a-b_c"d`e\n\rx.y/z\t~|') == b'a-b_c"d`e\n\rx_y_z___'
    assert (util.string2boolean("yes"), util.string2boolean(b"off")) == (True, False)
    with pytest.raises(KeyError):
        util.string2boolean("maybe")


def test_passwords_in_addresses():
    assert util.stripUrlPassword("http://u:p@h/x") == "http://u:xxxx@h/x"
    assert util.stripUrlPassword("http://h:80/x") == "http://h:80/x"
    assert util.stripUrlPassword("mysql://u:@h/x") == "mysql://u:xxxx@h/x"


def test_times():
    assert util.formatInterval(3725) == "1 hrs, 2 mins, 5 secs"
    intervals = [0, 5, 90, 3725, 200000, 86400 * 400]
    assert [util.fuzzyInterval(one) for one in intervals] == [
        "a moment",
        "5 seconds",
        "2 minutes",
        "an hour",
        "2 days",
        "a year",
    ]
    assert util.toJson(datetime.datetime(2020, 1, 1, tzinfo=util.UTC)) == 1577836800
    assert util.toJson(3) is None


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("git@github.com:a/b.git", ("ssh", "git", None, "github.com", None, "a", "b")),
        ("https://u:p@h:80/g/s/r.git", ("https", "u", "p", "h", 80, "g/s", "r")),
        ("ssh://h/~a/b", ("ssh", None, None, "h", None, "~a", "b")),
        ("x", None),
        ("/local/r", None),
    ],
)
def test_git_addresses(url, parts):
    assert util.giturlparse(url) == parts


def test_identifiers():
    assert identifiers.forceIdentifier(10, "9a b!") == "_9a_b_"
    assert identifiers.isIdentifier(4, "abcd")
    assert not identifiers.isIdentifier(3, "abcd")
    assert identifiers.incrementIdentifier(5, "abc_9") == "ab_10"


def test_a_file_has_its_mode_from_the_first_byte_on(tmp_path):
    path = tmp_path / "secret"
    misc.writeLocalFile(str(path), "text", mode=0o400)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("text", 0o400)


def test_sleep_and_cancel_on_a_clock():
    clock = task.Clock()
    slept = util.asyncSleep(5, reactor=clock)
    clock.advance(4)
    assert not_fired(slept)
    clock.advance(1)
    assert result_of(slept) is None
    waiting: defer.Deferred[None] = defer.Deferred()
    misc.cancelAfter(2, waiting, _reactor=clock)
    clock.advance(2)
    failure_of(waiting, defer.CancelledError)
    done: defer.Deferred[str] = defer.Deferred()
    misc.cancelAfter(2, done, _reactor=clock)
    done.callback("in time")
    assert (result_of(done), clock.getDelayedCalls()) == ("in time", [])


def test_one_at_a_time():
    class Thing:
        def __init__(self) -> None:
            self.lock = defer.DeferredLock()
            self.started: list[defer.Deferred[str]] = []

        @util.deferredLocked("lock")
        def work(self, what):
            self.started.append(defer.Deferred())
            return self.started[-1]

    thing = Thing()
    first, second = thing.work("a"), thing.work("b")
    assert len(thing.started) == 1
    thing.started[0].callback("first")
    assert result_of(first) == "first"
    thing.started[1].errback(ValueError("second"))
    failure_of(second, ValueError)
    assert not thing.lock.locked


def test_many_wait_for_one_notification():
    notifier = util.Notifier()
    waiters = [notifier.wait(), notifier.wait()]
    cancelled = notifier.wait()
    cancelled.cancel()
    failure_of(cancelled, defer.CancelledError)
    notifier.notify("now")
    assert [result_of(one) for one in waiters] == ["now", "now"]
    assert not notifier


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (checks.check_param_int, "x", "must be an instance of int, not 'x'"),
        (checks.check_param_bool, "x", "must be an instance of bool"),
        (checks.check_param_str, 3, "must be an instance of str, not 3"),
        (checks.check_param_str_none, 3, "must be an instance of str or None"),
        (checks.check_param_int_none, "x", "must be an instance of int or None"),
        (checks.check_param_number_none, "x", "must be an instance of int or float or None"),
    ],
)
def test_arguments_are_checked(check, value, message):
    with pytest.raises(ConfigErrors, match=f"dict argument n {message}"):
        check(value, dict, "n")


def test_good_arguments_pass():
    assert checks.check_param_int(5, dict, "n") == 5
    assert checks.check_param_number_none(None, dict, "n") is None
    checks.check_param_length("abc", "Name", 3)
    with pytest.raises(ConfigErrors, match="Name 'abcd' exceeds maximum length of 3"):
        checks.check_param_length("abcd", "Name", 3)
