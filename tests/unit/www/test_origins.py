"""Which pages of other sites may talk to the master."""

from __future__ import annotations

import pytest
from twisted.web.test.requesthelper import DummyRequest

from buildmaster.www.origins import OriginPolicy

POLICY = OriginPolicy.of(["https://*.example.org", "http://localhost:3000"], "https://ci.example.net/bb/")


def post(**headers: str) -> DummyRequest:
    request = DummyRequest([b""])
    for name, value in headers.items():
        request.requestHeaders.setRawHeaders(name.replace("_", "-").encode(), [value.encode()])
    return request


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("https://ci.example.net", "10.0.0.5:8010", True),  # behind a proxy: buildbotURL is what the browser sees
        ("http://10.0.0.5:8010", "10.0.0.5:8010", True),
        ("http://ci", "ci:80", True),
        ("https://ci", "ci:443", True),
        ("http://evil.example", "ci:80", False),
        ("http://ci:8011", "ci:8010", False),
        ("null", "ci", False),
        ("", "ci", False),
    ],
)
def test_own_origin(origin: str, host: str, own: bool) -> None:
    assert POLICY.is_own(origin, host) is own


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://127.0.0.1:8010", True),
        ("http://localhost:8010", True),
        ("http://[::1]:8010", True),
        ("https://ci.example.net", True),
        ("http://rebound.evil.org:8010", False),
        ("http://10.0.0.5:8010", False),
    ],
)
def test_a_port_of_this_machine_has_no_other_names(origin: str, own: bool) -> None:
    """A stranger's name that leads to 127.0.0.1 does not make his page ours."""
    policy = OriginPolicy.of([], "https://ci.example.net/", local_only=True)
    assert policy.is_own(origin, origin.partition("//")[2]) is own


def test_allowed_origins_are_patterns() -> None:
    assert POLICY.may_cross("https://a.example.org")
    assert POLICY.may_cross("HTTP://LOCALHOST:3000")
    assert not POLICY.may_cross("http://a.example.org")
    assert not POLICY.may_cross("https://a.example.org.evil.com")


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),  # a script
        ({"origin": "http://ci:8010", "host": "ci:8010"}, False),
        ({"origin": "http://evil", "host": "ci:8010"}, True),
        ({"origin": "null", "host": "ci:8010"}, True),
        ({"origin": "https://x.example.org", "host": "ci:8010"}, False),
        ({"referer": "http://evil/page", "host": "ci:8010"}, True),
        ({"referer": "http://ci:8010/builders", "host": "ci:8010"}, False),
        ({"sec_fetch_site": "cross-site", "host": "ci:8010"}, True),
    ],
)
def test_posts_of_foreign_pages_are_refused(headers: dict[str, str], refused: bool) -> None:
    assert POLICY.refuses(post(**headers)) is refused
