"""How the text of logs is stored."""

from __future__ import annotations

import pytest

from buildmaster.db import log_text
from buildmaster.db.log_text import LogCompressionFormatUnavailableError


def test_runs_are_stored_short():
    assert log_text.format_runs([("o", 1), ("o", 2), ("e", 0), ("h", 3)]) == "o3h3"
    assert log_text.parse_runs("e3o120") == [("e", 3), ("o", 120)]
    assert log_text.parse_runs("") == []


@pytest.mark.parametrize(
    ("skip", "count", "expected"),
    [(0, 6, [("o", 2), ("e", 3), ("h", 1)]), (1, 2, [("o", 1), ("e", 1)]), (5, 9, [("h", 1)]), (6, 1, [])],
)
def test_runs_can_be_cut(skip, count, expected):
    assert log_text.cut_runs([("o", 2), ("e", 3), ("h", 1)], skip, count) == expected


@pytest.mark.parametrize("lines", [3, 200])
def test_lines_can_be_cut(lines):
    content = b"".join(b"%d\n" % n for n in range(lines))
    assert log_text.cut_lines(content, 0, lines) == content
    assert log_text.cut_lines(content, 1, 1) == b"1\n"
    assert log_text.cut_lines(content, lines - 1, 5) == b"%d\n" % (lines - 1)
    assert log_text.cut_lines(content, lines, 1) == b""
    assert log_text.cut_lines(content, 0, 0) == b""


def test_the_documented_form_has_the_channel_before_each_line():
    prefixed = log_text.with_prefixes(b"one\n\nthree\n", [("o", 2), ("e", 1)])
    assert prefixed == b"oone\no\nethree\n"
    assert log_text.without_prefixes(prefixed.decode()) == ("one\n\nthree\n", "o2e1")


@pytest.mark.parametrize("method", ["raw", "gz", "bz2", "zstd"])
def test_what_is_compressed_can_be_read_again(method):
    content = b"the same line again\n" * 100
    number, packed = log_text.compress(content, method)
    assert log_text.decompress(packed, number) == content
    assert (len(packed) < len(content)) == (method != "raw")


def test_what_would_not_get_smaller_is_stored_as_it_is():
    assert log_text.compress(b"x\n", "zstd") == (0, b"x\n")
    noise = bytes(range(256))
    assert log_text.compress(noise, "gz") == (0, noise)


def test_a_method_that_is_not_installed_is_told_with_its_package():
    with pytest.raises(ValueError, match="unknown log compression 'zip'"):
        log_text.check_method("zip")
    try:
        import lz4  # noqa: F401
    except ImportError:
        with pytest.raises(LogCompressionFormatUnavailableError, match="lz4"):
            log_text.check_method("lz4")
