"""The pipe between a starting master and the command that waits for it."""

from __future__ import annotations

import os

import pytest

from buildmaster.cli.report import Reporter, TimedOut, read_reports


def test_what_is_told_arrives_in_order_and_ends_with_the_outcome():
    read_end, write_end = os.pipe()
    report = Reporter(write_end)
    report.starting("opening the database")
    report.failed(["no", "such database"])
    report.running(["never told"])
    assert list(read_reports(read_end, None)) == [
        {"state": "starting", "lines": ["opening the database"]},
        {"state": "failed", "lines": ["no", "such database"]},
    ]
    os.close(read_end)


def test_a_process_that_ends_without_a_word_ends_the_reports():
    read_end, write_end = os.pipe()
    os.close(write_end)
    assert list(read_reports(read_end, None)) == []
    os.close(read_end)


def test_patience_has_an_end():
    read_end, write_end = os.pipe()
    with pytest.raises(TimedOut):
        list(read_reports(read_end, 0))
    os.close(read_end)
    os.close(write_end)


def test_a_master_whose_starter_has_gone_goes_on():
    read_end, write_end = os.pipe()
    os.close(read_end)
    Reporter(write_end).running(["nobody listens"])
    with pytest.raises(OSError):
        os.fstat(write_end)


def test_more_lines_than_a_pipe_holds_arrive_whole():
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, True)
    lines = ["x" * 100] * 300
    Reporter(write_end).failed(lines)
    assert list(read_reports(read_end, None)) == [{"state": "failed", "lines": lines}]
    os.close(read_end)
