"""However output is cut into pieces, a log stores the same lines; and any range of them can be read."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from buildmaster.db import log_text, logs
from buildmaster.process.log_lines import LineAssembler
from tests.support.logkit import LogKit

text = st.text(st.sampled_from("ab€\n\n\r\x08\x1b[;2JHu5"), max_size=60)
lines = st.lists(st.tuples(st.sampled_from("oeh"), st.text("xyé", max_size=5)), max_size=60)


def assembled(pieces: list) -> str:
    assembler = LineAssembler("utf-8", {})
    return "".join(assembler.feed(piece) for piece in pieces) + assembler.flush()


@given(text, st.lists(st.integers(0, 200), max_size=8))
def test_the_lines_do_not_depend_on_the_pieces(whole: str, cuts: list[int]) -> None:
    data = whole.encode()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    assert assembled(pieces) == assembled([data])


@given(text)
def test_every_piece_that_comes_out_is_whole_lines(whole: str) -> None:
    assembler = LineAssembler("utf-8", {})
    for char in whole:
        out = assembler.feed(char)
        assert out == "" or out.endswith("\n")
    assert "\r" not in assembled([whole])


@given(st.text("abs3cret\n", max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_no_secret_comes_out_wherever_the_text_is_cut(whole: str, cuts: list[int]) -> None:
    assembler = LineAssembler("utf-8", {"s3c": "x", "b\na": "y"})
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    out = "".join(assembler.feed(whole[a:b]) for a, b in itertools.pairwise(places)) + assembler.flush()
    assert "s3c" not in out


@given(lines, st.integers(0, 60), st.integers(0, 60))
def test_the_documented_form_can_be_cut_anywhere(given_lines: list, skip: int, count: int) -> None:
    documented = "".join(f"{channel}{line}\n" for channel, line in given_lines)
    plain, channels = log_text.without_prefixes(documented)
    runs = log_text.parse_runs(channels)
    assert log_text.with_prefixes(plain.encode(), runs).decode() == documented
    cut = log_text.with_prefixes(
        log_text.cut_lines(plain.encode(), skip, count), log_text.cut_runs(runs, skip, count)
    ).decode()
    assert cut == "".join(f"{channel}{line}\n" for channel, line in given_lines[skip : skip + count])


@settings(max_examples=25, deadline=None)
@given(lines, st.data())
def test_any_range_of_a_stored_log_can_be_read(given_lines: list, data: st.DataObject) -> None:
    kit = LogKit()
    log = kit.log()
    for channel, line in given_lines:
        {"o": log.addStdout, "e": log.addStderr, "h": log.addHeader}[channel](line + "\n")
        if data.draw(st.booleans()):
            kit.clock.advance(1)
            kit.pump()
    kit.wait(log.finish())
    kit.pump()
    expected = [f"{channel}{line}\n" for channel, line in given_lines]
    first, last = data.draw(st.integers(0, 60)), data.draw(st.integers(0, 60))
    assert kit.lines(log, first, last) == "".join(expected[first : last + 1])
    assert kit.raw(log) == "".join(line[1:] for line in expected)
    output = kit.wait(kit.db.read(logs.raw_piece, log.logid, first, 1 << 20, "h")) or ("", 0)
    assert output[0] == "".join(line[1:] for line in expected[first:] if line[0] != "h")
