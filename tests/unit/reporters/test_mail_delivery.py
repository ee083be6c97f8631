"""Handing mail to a real SMTP server: TLS, passwords, and what it may answer."""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from buildmaster.mq.failing import TryLater
from buildmaster.plugins import reporters
from buildmaster.service import MasterService
from tests.support.post_office import PostOffice, certificate
from tests.support.real_reactor import reactor, run


def notifier(kind: Any = reporters.MailNotifier, **kwargs: Any) -> Any:
    """A mail notifier on the real reactor."""
    master = MasterService()
    master.reactor = reactor
    master.config = types.SimpleNamespace(title="The Site", buildbotURL="http://ci.example/")
    made = kind(**{"fromaddr": "ci@x.org", "name": "mail", "relayhost": "localhost", **kwargs})
    run(made.setServiceParent(master))
    run(made.configureService())
    return made


def report(body: str = "hello ☺\n.dot\n", users: Any = ("a@x.org",), **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "body": body,
            "type": "plain",
            "subject": "s",
            "results": 0,
            "builds": None,
            "users": list(users),
            "patches": [],
            "logs": [],
            "notice": "mail/7",
            **more,
        }
    ]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with closing(PostOffice()) as made:
        yield made


def test_a_mail_arrives_as_it_was_written(office: PostOffice) -> None:
    made = notifier(smtpPort=office.port, extraRecipients=["all@x.org"])
    run(made.sendMessage(report()))
    assert sorted(to for to, _ in office.letters) == ["a@x.org", "all@x.org"]
    letter = office.letters[0][1]
    assert letter.get_content() == "hello ☺\n.dot\n"
    assert (letter["From"], letter["To"], letter["CC"]) == ("ci@x.org", "a@x.org", "all@x.org")


def test_a_mail_that_is_sent_again_has_the_same_id(office: PostOffice) -> None:
    made = notifier(smtpPort=office.port)
    run(made.sendMessage(report()))
    again = notifier(smtpPort=office.port)
    run(again.sendMessage(report()))
    run(again.sendMessage(report(notice="mail/8")))
    first, second, other = (letter["Message-ID"] for _, letter in office.letters)
    assert first == second != other


def test_nobody_is_asked_when_nobody_is_to_be_told(office: PostOffice) -> None:
    run(notifier(smtpPort=1).sendMessage(report(users=[])))
    run(notifier(smtpPort=1, sendToInterestedUsers=False).sendMessage(report()))
    assert office.letters == []


def test_a_server_that_is_away(office: PostOffice) -> None:
    port = office.port
    office.close()
    with pytest.raises(TryLater) as raised:
        run(notifier(smtpPort=port).sendMessage(report()))
    assert raised.value.unreachable
    office.__init__()  # type: ignore[misc]


def test_a_recipient_who_is_refused_for_now_is_tried_again_alone(office: PostOffice) -> None:
    """Those who have the mail do not get it twice; one who is refused for good is left out."""
    office.answers = {"later@x.org": 450, "never@x.org": 550}
    made = notifier(smtpPort=office.port)
    everybody = report(users=["now@x.org", "later@x.org", "never@x.org"])
    with pytest.raises(TryLater) as raised:
        run(made.sendMessage(everybody))
    assert not raised.value.unreachable
    office.answers = {"never@x.org": 550}
    run(made.sendMessage(everybody))
    run(made.sendMessage(everybody))
    assert [to for to, _ in office.letters] == ["now@x.org", "later@x.org"]


def test_a_mail_that_is_refused_for_good_is_not_tried_again(office: PostOffice) -> None:
    office.answers = {"a@x.org": 550}
    with pytest.raises(Exception, match=r"a@x\.org: 550") as raised:
        run(notifier(smtpPort=office.port).sendMessage(report()))
    assert not isinstance(raised.value, TryLater)


def test_starttls_with_a_password(tls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options, file = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with closing(PostOffice(tls=options, password="pässword")) as office:
        run(notifier(smtpPort=office.port, useTls=True, smtpUser="user", smtpPassword="pässword").sendMessage(report()))
        assert ([to for to, _ in office.letters], office.logged_in) == (["a@x.org"], ["user"])


def test_tls_from_the_start(tls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options, file = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with closing(PostOffice(tls=options, smtps=True)) as office:
        run(notifier(smtpPort=office.port, useSmtps=True).sendMessage(report()))
        assert [to for to, _ in office.letters] == ["a@x.org"]


class Trusting(reporters.MailNotifier):
    verify_certificate = False


@pytest.mark.parametrize("how", ["useTls", "useSmtps"])
def test_a_certificate_must_be_valid_unless_a_subclass_says_otherwise(tls: Any, how: str) -> None:
    options, _ = tls
    with closing(PostOffice(tls=options, smtps=how == "useSmtps")) as office:
        with pytest.raises(TryLater) as raised:
            run(notifier(smtpPort=office.port, **{how: True}).sendMessage(report()))
        assert raised.value.unreachable
        assert office.letters == []
        run(notifier(Trusting, smtpPort=office.port, **{how: True}).sendMessage(report()))
        assert [to for to, _ in office.letters] == ["a@x.org"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"useTls": True},  # a server that has no TLS
        {"smtpUser": "user", "smtpPassword": "wrong"},
    ],
)
def test_a_server_that_does_not_let_us_in_is_as_good_as_away(arguments: Any) -> None:
    """The cause is not the mail, so the mail waits until somebody mends it."""
    with closing(PostOffice(password="right")) as office:
        with pytest.raises(TryLater) as raised:
            run(notifier(smtpPort=office.port, **arguments).sendMessage(report()))
        assert raised.value.unreachable
        assert office.letters == []


def test_a_password_stays_out_of_the_log(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with closing(PostOffice(password="right")) as office:
        made = notifier(smtpPort=office.port, smtpUser="user", smtpPassword="hunter2-secret", dumpMailsToLog=True)
        with pytest.raises(TryLater) as raised:
            run(made.sendMessage(report()))
    assert "hunter2" not in str(raised.value) + "".join(capfd.readouterr())
