"""What templates make of values, above all of what builds and strangers wrote."""

from __future__ import annotations

import datetime

import pytest

from buildmaster.www.pages import render


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://x/y", "http://x/y"),
        ("mailto:a@b", "mailto:a@b"),
        ("relative/path:8", "relative/path:8"),
        ("javascript:alert(1)", "#"),
        ("JavaScript:alert(1)", "#"),
        (" javascript:alert(1)", "#"),
        ("data:text/html,x", "#"),
        (None, ""),
    ],
)
def test_links_lead_nowhere_dangerous(url: str | None, target: str) -> None:
    assert render.safe_href(url) == target


def test_text_is_escaped_and_its_links_can_be_followed() -> None:
    assert render.linked("see http://x/?a=1&b=2. <b>") == (
        'see <a href="http://x/?a=1&amp;b=2" rel="noopener noreferrer nofollow">http://x/?a=1&amp;b=2</a>. &lt;b&gt;'
    )
    assert render.linked(None) == ""


def test_terminal_sequences_are_taken_out() -> None:
    assert render.without_ansi("\x1b[1;31mred\x1b[0m \x1b]0;title\x07text\x1b(") == "red text\x1b("


@pytest.mark.parametrize(
    ("thing", "word"),
    [
        ({"complete": True, "results": 2, "started_at": 1}, "failure"),
        ({"complete": False, "results": None, "started_at": 1}, "running"),
        ({"complete": False, "results": None, "started_at": None}, "pending"),
        ({"complete": False, "results": -1, "claimed": False}, "pending"),
        ({"complete": False, "results": -1, "claimed": True}, "running"),
    ],
)
def test_states_in_a_word(thing: dict[str, object], word: str) -> None:
    assert render.status_of(thing) == word


def test_durations_go_on_counting_while_something_runs() -> None:
    begun = datetime.datetime.fromtimestamp(1000, datetime.UTC)
    assert render.lasting(begun, None, 1090) == '<span data-since="1000">1 minute, 30 seconds</span>'
    assert render.lasting(begun, 1001, 5000) == "<span>1 second</span>"
    assert render.lasting(None, None, 1) == ""


def test_a_persons_name() -> None:
    assert render.person("Ada L <ada@x>") == "Ada L"
    assert render.person("<ada@x>") == "<ada@x>"
    assert render.person("ada") == "ada"
