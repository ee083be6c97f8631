"""Logs: from pieces of output to stored lines."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from twisted.internet import defer

from buildmaster.db import logs, schema
from buildmaster.db.log_text import Compression
from buildmaster.process.backpressure import UnwrittenOutput
from buildmaster.process.log import HtmlLog, Log, StreamLog, TextLog
from buildmaster.process.log_lines import MAX_LINE
from buildmaster.process.log_watchers import PATIENCE
from buildmaster.testing.sync import result_of
from tests.support.logkit import LogKit


@pytest.fixture
def kit() -> LogKit:
    return LogKit(logMaxSize=None, logMaxTailSize=None, logCompressionMethod="zstd")


def test_lines_are_stored_with_their_channels(kit):
    log = kit.log()
    log.addHeader("go\n")
    log.addStdout("one\ntw")
    log.addStderr("oops\n")
    log.addStdout("o\n")
    kit.wait(log.finish())
    assert kit.lines(log) == "hgo\noone\neoops\notwo\n"
    assert kit.raw(log) == "go\none\noops\ntwo\n"
    assert kit.lines(log, 1, 2) == "oone\neoops\n"


def test_a_last_line_without_an_end_gets_one(kit):
    log = kit.log()
    log.addStdout("no end")
    kit.wait(log.finish())
    assert kit.lines(log) == "ono end\n"


@pytest.mark.parametrize(("type", "kind"), [("t", TextLog), ("h", HtmlLog)])
def test_a_log_without_channels(kit, type, kind):
    log = kit.log(type)
    assert isinstance(log, kind)
    log.addContent("<b>\nx")
    kit.wait(log.finish())
    assert kit.lines(log) == "<b>\nx\n"


def test_an_unknown_type_is_refused(kit):
    with pytest.raises(RuntimeError, match="invalid log type 'z'"):
        Log.new(kit.master, "x", "z", 1, "utf-8")


def test_bytes_are_decoded_piece_by_piece(kit):
    log = kit.log()
    for byte in "€ über\n".encode():
        log.addStdout(bytes([byte]))
    log.addStdout(b"bad \xff\n")
    log.addStdout(b"cut \xe2")
    kit.wait(log.finish())
    assert kit.raw(log) == "€ über\nbad \ufffd\ncut \ufffd\n"


def test_a_log_may_have_its_own_encoding_or_decoder(kit):
    latin = kit.log(encoding="latin-1")
    latin.addStdout(b"\xfc\n")
    own = kit.log(encoding=lambda data: data.decode("utf-16-le"))
    own.addStdout("x\n".encode("utf-16-le"))
    kit.wait(latin.finish())
    kit.wait(own.finish())
    assert (kit.raw(latin), kit.raw(own)) == ("ü\n", "x\n")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["a\r\nb\r\n"], "a\nb\n"),
        (["a\r", "\nb\n"], "a\nb\n"),
        (["10%\r20%\r", "30%\n"], "10%\n20%\n30%\n"),
        (["a\r\r\nb\n"], "a\nb\n"),
        (["x\x08\x08y\n"], "x\ny\n"),
        (["a\x1b[5;3Hb\n"], "a\nb\n"),
        (["a\x1b[5", ";3", "Hb\n"], "a\nb\n"),
        (["a\x1b", "[ub\n"], "a\nb\n"),
        (["\x1b[32mgreen\x1b[0m\n"], "\x1b[32mgreen\x1b[0m\n"),
        (["\x1b[3", "2mgreen\n"], "\x1b[32mgreen\n"),
        (["end\r"], "end\n"),
        (["\n\n"], "\n\n"),
    ],
)
def test_every_kind_of_line_end_is_one(kit, pieces, expected):
    log = kit.log()
    for piece in pieces:
        log.addStdout(piece)
    kit.wait(log.finish())
    assert kit.raw(log) == expected


def test_a_very_long_line_is_broken_and_nothing_of_it_is_lost(kit):
    log = kit.log()
    text = "x" * 10_000_000
    for at in range(0, len(text), 65536):
        log.addStdout(text[at : at + 65536])
    log.addStdout("\nnext\n")
    kit.wait(log.finish())
    stored = kit.raw(log).split("\n")
    assert max(map(len, stored)) <= MAX_LINE + 65536
    assert "".join(stored[:-2]) == text and stored[-2] == "next"


def test_lines_of_a_running_log_can_be_read_after_a_second(kit):
    log = kit.log()
    log.addStdout("first\n")
    kit.pump()
    assert kit.lines(log) == ""
    kit.clock.advance(1)
    kit.pump()
    assert kit.lines(log) == "ofirst\n"
    assert [(fact.event, fact.fields["num_lines"]) for fact in kit.facts] == [("append", 1)]


def test_a_flood_tells_once_a_second(kit):
    log = kit.log()
    for _ in range(100):
        log.addStdout("x" * 63 + "\n" + "y" * 65472 + "\n")
        kit.pump()
    assert [fact.event for fact in kit.facts] == ["append"]
    kit.wait(log.finish())
    kit.pump()
    assert [(fact.event, fact.fields["num_lines"]) for fact in kit.facts][-1] == ("finished", 200)


def test_a_short_log_is_one_piece_and_one_write(kit):
    log = kit.log()
    for n in range(100):
        log.addStdout(f"{n}\n")
    before = kit.db.counters["batches"]
    kit.wait(log.finish())
    kit.pump()
    assert kit.db.counters["batches"] == before + 1 and kit.chunks(log) == 1


def test_the_small_pieces_of_a_slow_log_are_joined_at_its_end(kit):
    log = kit.log()
    for n in range(50):
        log.addStdout(f"line {n}\n")
        log.addStderr(f"err {n}\n")
        kit.clock.advance(2)
        kit.pump()
    assert kit.chunks(log) == 50
    kit.wait(log.finish())
    kit.pump()
    assert kit.chunks(log) == 1
    assert kit.lines(log, 2, 3) == "oline 1\neerr 1\n"
    assert kit.raw(log) == "".join(f"line {n}\nerr {n}\n" for n in range(50))


def test_large_texts_are_stored_in_pieces(kit):
    log = kit.log("t")
    text = "".join(f"{n:0100d}\n" for n in range(20_000))
    log.addContent(text)
    kit.wait(log.finish())
    assert kit.chunks(log) > 5
    assert kit.raw(log) == text
    assert kit.lines(log, 15_000, 15_001) == f"{15000:0100d}\n{15001:0100d}\n"


# -- watching -----------------------------------------------------------------------------------------------------


def test_watchers_see_all_whole_lines_once_and_in_order(kit):
    log = kit.log()
    seen: list = []
    log.addStdout("before")
    log.subscribe(lambda stream, text: seen.append((stream, text)))
    log.addStdout(" it\nand\nhalf")
    log.addHeader("h\n")
    kit.wait(log.finish())
    assert seen == [("o", "before it\nand\n"), ("h", "h\n"), ("o", "half\n"), (None, None)]


def test_a_watcher_can_stop(kit):
    log = kit.log()
    seen: list = []
    log.subscribe(lambda stream, text: seen.append(text)).unsubscribe()
    log.addStdout("x\n")
    assert seen == []


def test_a_watcher_that_raises_is_remembered_and_harms_nobody(kit):
    log = kit.log()
    seen: list = []
    log.subscribe(lambda stream, text: 1 / 0)
    log.subscribe(lambda stream, text: seen.append(text))
    log.addStdout("x\n")
    assert seen == ["x\n"] and log.had_errors()


def test_a_watcher_that_needs_time_is_told_one_piece_after_the_other(kit):
    log = kit.log()
    seen: list = []
    gates = [defer.Deferred() for _ in range(3)]

    async def slow(stream, text):
        seen.append(("begun", text))
        if text is not None:
            await gates[len([each for each in seen if each[0] == "begun"]) - 1]
        seen.append(("done", text))

    log.subscribe(slow)
    for text in ("a\n", "b\n", "c\n"):
        log.addStdout(text)
    finished = log.finish()
    for gate in gates:
        assert not finished.called
        gate.callback(None)
    kit.wait(finished)
    assert seen == [(what, text) for text in ("a\n", "b\n", "c\n", None) for what in ("begun", "done")]


def test_an_error_that_comes_later_counts_too(kit):
    log = kit.log()
    seen: list = []

    def watch(stream, text):
        seen.append(text)
        return defer.fail(ValueError("later"))

    log.subscribe(watch)
    log.addStdout("x\n")
    kit.wait(log.finish())
    assert log.had_errors() and seen == ["x\n", None]


def test_a_watcher_that_hangs_is_left(kit):
    log = kit.log()
    seen: list = []
    log.subscribe(lambda stream, text: seen.append(text) or defer.Deferred())
    log.addStdout("x\n")
    finished = log.finish()
    kit.clock.advance(100)
    assert not finished.called
    log.leave_watchers()
    kit.wait(finished)
    assert seen == ["x\n"]


def test_finishing_twice_is_finishing_once(kit):
    log = kit.log()
    waiting = log.waitUntilFinished()
    kit.wait(log.finish())
    kit.wait(log.finish())
    result_of(waiting)
    assert log.isFinished()


def test_raw_lines_are_stored_as_they_are(kit):
    log = kit.log()
    log.addRawLines("oone\neoops\notwo\n")
    kit.wait(log.finish())
    assert kit.lines(log) == "oone\neoops\notwo\n"
    assert isinstance(log, StreamLog)


# -- secrets, limits ---------------------------------------------------------------------------------------------


def test_secrets_are_hidden_also_between_pieces(kit):
    log = kit.log(secrets={"hunter2": "pw"})
    seen: list = []
    log.subscribe(lambda stream, text: seen.append(text))
    for piece in ("my hun", "ter2 is", " hunter2", "\nhunt\n"):
        log.addStdout(piece)
    kit.wait(log.finish())
    assert kit.raw(log) == "my <pw> is <pw>\nhunt\n"
    assert "hunter2" not in "".join(text for text in seen if text)


def test_a_secret_that_becomes_known_late_is_hidden_from_then_on(kit):
    secrets: dict[str, str] = {}
    log = kit.log(secrets=secrets)
    log.addStdout("hunter2\n")
    secrets["hunter2"] = "pw"
    log.addStdout("hunter2\n")
    kit.wait(log.finish())
    assert kit.raw(log) == "hunter2\n<pw>\n"


def test_a_limited_log_keeps_its_beginning_and_its_end():
    kit = LogKit(logMaxSize=20, logMaxTailSize=10)
    log = kit.log()
    log.addHeader("go\n")
    for n in range(100):
        log.addStdout(f"line{n:02d}\n")
    kit.wait(log.finish())
    assert kit.lines(log) == (
        "hgo\noline00\noline01\n"
        "h\nhOutput exceeded 20 bytes, remaining output has been truncated\n"
        "h\nhFinal 7 bytes follow below:\noline99\n"
    )


def test_a_limited_log_without_a_tail():
    kit = LogKit(logMaxSize=10, logMaxTailSize=None)
    log = kit.log()
    log.addStdout("one\ntwo\nthree\nfour\n")
    log.addStdout("five\n")
    kit.wait(log.finish())
    assert kit.raw(log) == "one\ntwo\n\nOutput exceeded 10 bytes, remaining output has been truncated\n"


# -- back-pressure -----------------------------------------------------------------------------------------------


class Pipe:
    """A connection that can be held back."""

    def __init__(self) -> None:
        self.keys: set = set()

    def throttle(self, key: object) -> None:
        self.keys.add(key)

    def unthrottle(self, key: object) -> None:
        self.keys.discard(key)


def test_a_connection_is_held_back_while_too_much_waits_to_be_stored(kit):
    pipe, log = Pipe(), kit.log()
    log.hold_back(pipe)
    for _ in range(20):
        log.addStdout("x" * 65535 + "\n")
    assert len(pipe.keys) == 1
    kit.pump()
    assert pipe.keys == set()


class Slow:
    """A watcher that is done with a piece when the test says so."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self._answers: list[Any] = []

    def __call__(self, stream: Any, text: Any) -> Any:
        self.seen.append(text)
        answer: Any = defer.Deferred()
        self._answers.append(answer)
        return answer

    def answer(self) -> None:
        self._answers.pop(0).callback(None)


def slowly_watched(kit: LogKit) -> tuple[Pipe, Any, Slow]:
    """A log of which everything is stored, and nothing but the first piece is seen."""
    pipe, log, slow = Pipe(), kit.log(), Slow()
    log.hold_back(pipe)
    log.subscribe(slow)
    for _ in range(20):
        log.addStdout("x" * 65535 + "\n")
        kit.pump()
    return pipe, log, slow


def test_a_connection_is_held_back_while_too_much_waits_for_a_slow_watcher(kit):
    pipe, log, slow = slowly_watched(kit)
    assert (len(pipe.keys), len(slow.seen)) == (1, 1)
    for _ in range(17):
        slow.answer()
    assert (pipe.keys, len(slow.seen)) == (set(), 18)
    ended = log.finish()
    for _ in range(3):
        slow.answer()
    assert not ended.called
    slow.answer()
    kit.wait(ended)
    assert (slow.seen[-1], UnwrittenOutput.of(pipe).bytes) == (None, 0)
    assert kit.clock.getDelayedCalls() == []


def test_a_watcher_that_gives_no_answer_holds_back_nobody_for_ever(kit):
    """It may wait for something that comes over the connection that is held back."""
    pipe, log, slow = slowly_watched(kit)
    kit.clock.advance(PATIENCE)
    assert pipe.keys == set()
    for _ in range(20):
        log.addStdout("y" * 65535 + "\n")
        kit.pump()
    assert pipe.keys == set()
    for _ in range(40):
        slow.answer()
    assert [text[0] for text in slow.seen] == ["x"] * 20 + ["y"] * 20
    assert UnwrittenOutput.of(pipe).bytes == 0


def test_a_step_that_is_left_behind_holds_back_nobody(kit):
    pipe, log, _ = slowly_watched(kit)
    log.leave_watchers()
    assert (pipe.keys, UnwrittenOutput.of(pipe).bytes) == (set(), 0)
    kit.wait(log.finish())
    assert kit.clock.getDelayedCalls() == []


def test_a_watcher_whose_answers_come_at_once_is_done_when_it_has_seen_all(kit):
    log, seen = kit.log(), []
    gate: Any = defer.Deferred()

    async def see(stream: Any, text: Any) -> None:
        if not seen:
            seen.append(text)
            await gate
        else:
            seen.append(text)

    log.subscribe(see)
    for number in range(2000):
        log.addStdout(f"{number}\n")
    ended = log.finish()
    assert seen == ["0\n"]
    gate.callback(None)
    kit.wait(ended)
    assert seen == [*(f"{number}\n" for number in range(2000)), None]


def test_two_logs_of_one_connection_are_counted_together(kit):
    pipe = Pipe()
    first, second = kit.log(), kit.log()
    for log in (first, second):
        log.hold_back(pipe)
        for _ in range(10):
            log.addStdout("x" * 65535 + "\n")
    assert len(pipe.keys) == 1


# -- rows ----------------------------------------------------------------------------------------------------------


def test_logs_of_which_only_the_id_is_known(kit):
    assert kit.step() == 1
    made = kit.wait(kit.db.write(logs.add_unique, 1, "my log", "s"))
    again = kit.wait(kit.db.write(logs.add_unique, 1, "my log", "s"))
    assert (made.slug, again.slug) == ("my_log", "my_log_2")
    assert kit.wait(kit.db.write(logs.append_text, made.logid, "oone\netwo\n")) == (0, 1)
    assert kit.wait(kit.db.write(logs.append_text, made.logid, "hthree\n")) == (2, 2)
    assert kit.wait(kit.db.write(logs.append_text, 999, "x\n")) is None
    kit.wait(kit.db.write(logs.finish_by_id, made.logid))
    assert kit.wait(kit.db.read(logs.get, made.logid)) == logs.LogRow(made.logid, 1, "my log", "my_log", "s", True, 3)
    assert kit.wait(kit.db.read(logs.read_lines, made.logid, 0, 9)) == "oone\netwo\nhthree\n"
    assert kit.wait(kit.db.read(logs.get_by_slug, 1, "my_log_2")) == again


def compressions(kit, log) -> set[int]:
    query = sa.select(schema.log_chunks.c.compression).where(schema.log_chunks.c.logid == log.logid)
    return set(kit.wait(kit.db.read(lambda conn: conn.execute(query).scalars().all())))


RAW, GZ, ZSTD = 0, 1, 5
LINE = "a line of output that can be compressed well\n"


@pytest.mark.parametrize(
    ("limit", "lines", "stored"),
    [(4096, 50, RAW), (4096, 100, GZ), (0, 50, GZ), (False, 5000, RAW)],
    ids=["small", "large", "always", "never"],
)
def test_only_logs_that_reach_the_limit_are_compressed(limit, lines, stored):
    kit = LogKit(logCompressionLimit=limit, logCompressionMethod="gz")
    log = kit.log("t")
    log.addContent(LINE * lines)
    kit.wait(log.finish())
    assert compressions(kit, log) == {stored}
    assert kit.lines(log) == LINE * lines


def test_the_limit_counts_what_a_log_has_already(kit):
    log = kit.wait(kit.db.write(logs.add_unique, kit.step(), "stdio", "t"))
    how = Compression("zstd", 4096)
    for expected in ({RAW}, {RAW, ZSTD}):
        kit.wait(kit.db.write(logs.append_text, log.logid, LINE * 50, how))
        assert compressions(kit, log) == expected
    kit.wait(kit.db.write(logs.join_chunks, log.logid, how))
    assert compressions(kit, log) == {ZSTD}
    assert kit.lines(log) == LINE * 100
