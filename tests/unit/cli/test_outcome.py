"""The file by which a master tells what became of a reconfiguration."""

from __future__ import annotations

from buildmaster.base.outcome import DONE, LOADING, Outcome, read_outcome, write_outcome


def test_an_outcome_is_read_as_it_was_written(tmp_path):
    outcome = Outcome(7, 1234.5, DONE, ok=True, generation=3, lines=("configuration 3 is in force",))
    write_outcome(tmp_path, outcome)
    assert read_outcome(tmp_path) == outcome


def test_a_later_outcome_replaces_an_earlier_one(tmp_path):
    write_outcome(tmp_path, Outcome(7, 1.0, DONE))
    write_outcome(tmp_path, Outcome(7, 2.0, LOADING))
    assert read_outcome(tmp_path) == Outcome(7, 2.0, LOADING)
    assert [p.name for p in tmp_path.iterdir()] == ["reconfig.json"]


def test_there_is_none_before_the_first(tmp_path):
    assert read_outcome(tmp_path) is None


def test_a_garbled_file_is_no_outcome(tmp_path):
    (tmp_path / "reconfig.json").write_text('{"pid": 1')
    assert read_outcome(tmp_path) is None
