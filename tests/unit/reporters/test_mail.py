"""Mails: addresses, headers, text and attachments."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import defer, task

from buildmaster.base.errors import ConfigErrors
from buildmaster.plugins import reporters
from buildmaster.reporters.mail import VALID_EMAIL, Domain
from buildmaster.service import MasterService
from buildmaster.testing.sync import result_of


class Config:
    title = "The Site"
    buildbotURL = "http://ci.example/"


def notifier(**kwargs: Any) -> Any:
    """A mail notifier that is configured and does not run."""
    master = MasterService()
    master.reactor = task.Clock()
    master.reactor.advance(1_500_000_000)
    master.config = Config()
    made = reporters.MailNotifier(**{"fromaddr": "ci@x.org", "name": "mail", **kwargs})
    result_of(made.setServiceParent(master))
    result_of(made.configureService())
    return made


@pytest.mark.parametrize(
    ("address", "valid"),
    [
        ("a@b.c", True),
        ("a@b", False),
        ("Foo <a@b.c>", True),
        ("Foo Bar a@b.c", False),
        ("<a@b.c>", True),
        ("foo", False),
        ("a@localhost", False),
        ("a@b.c.", True),
        ("Foo<a@b.c>", False),
        ("Foo\nBcc: x <a@b.c>", False),
        ("a@b.c\n", False),
    ],
)
def test_addresses(address: str, valid: bool) -> None:
    assert bool(VALID_EMAIL.search(address)) is valid


def test_a_domain_completes_names() -> None:
    assert [Domain("d.e").getAddress(name) for name in ("bob", "bob@x.y", "Bob <b@x.y>")] == [
        "bob@d.e",
        "bob@x.y",
        "Bob <b@x.y>",
    ]
    assert Domain("d.e") == Domain("d.e") != Domain("f.g")


class Book:
    """Knows some people, and takes its time."""

    def getAddress(self, name: str) -> Any:
        return defer.succeed({"bob": "bob@book.org", "eve": "nonsense"}.get(name))


@pytest.mark.parametrize(
    ("lookup", "users", "found"),
    [
        (None, ["Bob <b@x.org>", "al", "b@y.org", "b@y.org"], ["Bob <b@x.org>", "b@y.org"]),
        ("d.org", ["al", "b@y.org"], ["al@d.org", "b@y.org"]),
        (Book(), ["bob", "eve", "nobody"], ["bob@book.org"]),
    ],
)
def test_who_gets_mail(lookup: Any, users: list[str], found: list[str]) -> None:
    assert result_of(notifier(lookup=lookup).findInterrestedUsersEmails(users)) == found


BUILD = {"builder": {"name": "b"}, "properties": {"p": ("value", "test")}, "started_at": 1, "steps": []}


def mail(message: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    made = notifier(**kwargs.pop("notifier", {}))
    message = {"body": "text\n", "type": "plain", "subject": None, **(message or {})}
    return result_of(made.createEmail(message, "The Site", 2, [BUILD], **kwargs))


def test_a_plain_mail() -> None:
    assert mail().as_string() == (
        'Content-Type: text/plain; charset="us-ascii"\nMIME-Version: 1.0\nContent-Transfer-Encoding: 7bit\n'
        "Date: Fri, 14 Jul 2017 02:40:00 -0000\nSubject: Buildbot failure in The Site on b\nFrom: ci@x.org\n\ntext\n"
    )


def test_letters_beyond_ascii() -> None:
    made = mail({"body": "grün ☺\n", "subject": "☠ kaputt\nBcc: x@y.z", "type": "html"})
    assert made.get_content_type() == "text/html"
    assert made.get_payload(decode=True).decode() == "grün ☺\n"
    assert str(made["Subject"]) == "☠ kaputt Bcc: x@y.z"
    assert made["Bcc"] is None
    assert notifier().formatAddress("Jürgen <j@x.org>") == "=?utf-8?q?J=C3=BCrgen?= <j@x.org>"


def test_headers_of_ones_own_are_rendered() -> None:
    from buildmaster.properties import Interpolate

    headers = {"X-P": Interpolate("p is %(prop:p)s"), "From": "other@x.org", "X-Evil": "a\nBcc: b@x.org"}
    made = mail(notifier={"extraHeaders": headers})
    assert (made["X-P"], made.get_all("From"), made["X-Evil"]) == ("p is value", ["other@x.org"], "a Bcc: b@x.org")


def test_attachments() -> None:
    logs = [{"stepname": "make", "name": "stdio", "stepid": 3, "content": {"content": "ohello\n"}}, {"name": "empty"}]
    made = mail(patches=[{"body": b"--- a\n+++ b\n\xff"}], logs=logs)
    text, patch, log = made.get_payload()
    assert text.get_payload() == "text\n"
    assert (patch.get_filename(), patch.get_payload(decode=True)) == ("source patch 0", b"--- a\n+++ b\n\xff")
    assert (log.get_filename(), log.get_payload(decode=True)) == ("make.stdio", b"ohello\n")


@pytest.mark.parametrize(
    ("blamed", "extra", "to", "cc"),
    [
        (["b@x.org", "a@x.org"], ["l@x.org"], "a@x.org, b@x.org", "l@x.org"),
        ([], ["l@x.org", "k@x.org"], "k@x.org, l@x.org", None),
        (["a@x.org"], ["a@x.org"], "a@x.org", None),
    ],
)
def test_recipients(blamed: list[str], extra: list[str], to: str, cc: str | None) -> None:
    made = mail()
    everybody = notifier(extraRecipients=extra).processRecipients(blamed, made)
    assert (made["To"], made["CC"]) == (to, cc)
    assert sorted(everybody) == sorted({*blamed, *extra})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fromaddr": "nobody"}, "fromaddr must be a mail address, not 'nobody'"),
        ({"extraRecipients": "a@b.c"}, "extraRecipients must be a list of mail addresses, not 'a@b.c'"),
        ({"extraRecipients": ["bob"]}, "'bob' in extraRecipients is not a mail address"),
        ({"lookup": 7}, "lookup must be a domain's name or an object with getAddress(name), not 7"),
        ({"extraHeaders": ["X"]}, "extraHeaders must be a dictionary, not ['X']"),
        ({"smtpUser": "me"}, "smtpUser and smtpPassword go together; one of them is missing"),
        (
            {"useTls": True, "useSmtps": True},
            "useTls and useSmtps cannot both be set; useSmtps is for servers that begin with TLS",
        ),
    ],
)
def test_mistakes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        reporters.MailNotifier(**{"fromaddr": "ci@x.org", **arguments})
    assert raised.value.errors == [f"MailNotifier: {message}"]
