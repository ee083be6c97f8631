"""Reports by mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.message import Message
from typing import Any, ClassVar

from twisted.logger import Logger
from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IEmailLookup, IEmailSender
from buildmaster.mq.failing import TryLater
from buildmaster.net import smtp
from buildmaster.properties import Properties
from buildmaster.reporters import letters, older
from buildmaster.reporters.base import ENCODING, ReporterBase
from buildmaster.reporters.generators.build import BuildStatusGenerator
from buildmaster.reporters.generators.worker import WorkerMissingGenerator
from buildmaster.reporters.letters import VALID_EMAIL, VALID_EMAIL_ADDR
from buildmaster.reporters.message import MessageFormatter, MessageFormatterMissingWorker
from buildmaster.reporters.utils import merge_reports_prop, merge_reports_prop_take_first

__all__ = ["ENCODING", "VALID_EMAIL", "VALID_EMAIL_ADDR", "Domain", "MailNotifier"]

log = Logger()


@implementer(IEmailLookup)
class Domain(ComparableMixin):
    """Finds the address of a name that has none: ``name@domain``.

    :param domain: the domain, without ``@``
    """

    compare_attrs: ClassVar[Sequence[str]] = ("domain",)

    def __init__(self, domain: str) -> None:
        if not isinstance(domain, str) or "@" in domain or not domain:
            error(f"Domain: {domain!r} is not the name of a domain, say 'example.org'")
        self.domain = domain

    def getAddress(self, name: str) -> str:
        """The name itself if it has a domain."""
        return name if "@" in name else f"{name}@{self.domain}"


@implementer(IEmailSender)
class MailNotifier(ReporterBase):
    """Sends reports by mail, by default in HTML, one on each finished build and one on each missing worker.

    :param fromaddr: the sender
    :param relayhost: the SMTP server
    :param lookup: finds the addresses of users: a domain's name, or an object with ``getAddress(name)`` that answers
        with an address, None, or a Deferred or coroutine of one (:class:`~buildmaster.base.interfaces.IEmailLookup`)
    :param extraRecipients: addresses that get every mail
    :param sendToInterestedUsers: whether the authors of a build's changes, its owners, and those who want to know of a
        missing worker get mail
    :param extraHeaders: headers by name, renderable with the build's properties
    :param useTls: whether STARTTLS is demanded
    :param useSmtps: whether the connection is inside TLS from the start (port 465, as a rule)
    :param smtpUser: the user name for the server; may be a secret
    :param smtpPassword: the password; may be a secret
    :param smtpPort: the server's port
    :param dumpMailsToLog: whether the text of mails is logged
    :param generators: report generators

    Instead of ``generators`` there may be the arguments of Buildbot before 3.0: ``mode``, ``tags``, ``builders``,
    ``schedulers``, ``branches``, ``subject``, ``addLogs``, ``addPatch``, ``buildSetSummary``, ``messageFormatter``,
    ``watchedWorkers`` and ``messageFormatterMissingWorker``.

    The server's certificate must be valid for ``relayhost``.  A mail has the same ``Message-ID`` when it is sent again.
    """

    secrets: Sequence[str] = ["smtpUser", "smtpPassword"]

    verify_certificate = True
    """Whether the server's certificate must be valid; a subclass may set False for a server without a proper one."""

    possible_modes = BuildStatusGenerator.possible_modes
    _accepted: tuple[str, frozenset[str]] = ("", frozenset())
    """The notice that is being sent, and the recipients for whom the server has taken it."""

    def checkConfig(  # type: ignore[override]
        self,
        fromaddr: str,
        relayhost: str = "localhost",
        lookup: Any = None,
        extraRecipients: Sequence[str] | None = None,
        sendToInterestedUsers: bool = True,
        extraHeaders: Mapping[str, Any] | None = None,
        useTls: bool = False,
        useSmtps: bool = False,
        smtpUser: Any = None,
        smtpPassword: Any = None,
        smtpPort: int = 25,
        dumpMailsToLog: bool = False,
        generators: Any = None,
        **before_generators: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        kind = type(self).__name__
        super().checkConfig(generators=self._generators(generators, before_generators))
        if not isinstance(fromaddr, str) or "@" not in letters.plain_address(fromaddr):
            error(f"{kind}: fromaddr must be a mail address, not {fromaddr!r}")
        if extraRecipients is not None and not isinstance(extraRecipients, list | tuple):
            error(f"{kind}: extraRecipients must be a list of mail addresses, not {extraRecipients!r}")
        for address in extraRecipients if isinstance(extraRecipients, list | tuple) else ():
            if not isinstance(address, str) or not VALID_EMAIL.search(address):
                error(f"{kind}: {address!r} in extraRecipients is not a mail address")
        if lookup is not None and not isinstance(lookup, str) and not hasattr(lookup, "getAddress"):
            error(f"{kind}: lookup must be a domain's name or an object with getAddress(name), not {lookup!r}")
        if extraHeaders is not None and not isinstance(extraHeaders, Mapping):
            error(f"{kind}: extraHeaders must be a dictionary, not {extraHeaders!r}")
        if useTls and useSmtps:
            error(f"{kind}: useTls and useSmtps cannot both be set; useSmtps is for servers that begin with TLS")
        if (smtpUser is None) != (smtpPassword is None):
            error(f"{kind}: smtpUser and smtpPassword go together; one of them is missing")

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        fromaddr: str,
        relayhost: str = "localhost",
        lookup: Any = None,
        extraRecipients: Sequence[str] | None = None,
        sendToInterestedUsers: bool = True,
        extraHeaders: Mapping[str, Any] | None = None,
        useTls: bool = False,
        useSmtps: bool = False,
        smtpUser: str | None = None,
        smtpPassword: str | None = None,
        smtpPort: int = 25,
        dumpMailsToLog: bool = False,
        generators: Any = None,
        **before_generators: Any,
    ) -> None:
        """Send like this from now on."""
        await super().reconfigService(generators=self._generators(generators, before_generators))
        self.fromaddr = fromaddr
        self.relayhost = relayhost
        self.lookup = Domain(lookup) if isinstance(lookup, str) else lookup
        self.extraRecipients = list(extraRecipients or ())
        self.sendToInterestedUsers = sendToInterestedUsers
        self.extraHeaders = extraHeaders
        self.useTls = useTls
        self.useSmtps = useSmtps
        self.smtpUser = smtpUser
        self.smtpPassword = smtpPassword
        self.smtpPort = smtpPort
        self.dumpMailsToLog = dumpMailsToLog

    def _generators(self, generators: Any, given: Mapping[str, Any]) -> Any:
        made = older.generators_of(type(self).__name__, generators, given, html=True)
        return self._create_default_generators() if made is None else made

    def _create_default_generators(self) -> list[Any]:
        return [
            BuildStatusGenerator(add_patch=True, message_formatter=MessageFormatter(template_type="html")),
            WorkerMissingGenerator(message_formatter=MessageFormatterMissingWorker(template_type="html")),
        ]

    # -- reports -------------------------------------------------------------------------------------------------------

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Send one mail for all reports on an event; without any recipient none."""
        blamed = merge_reports_prop(reports, "users") or []
        users = list(dict.fromkeys(await self.findInterrestedUsersEmails(blamed))) if self.sendToInterestedUsers else []
        if not users and not self.extraRecipients:
            log.info("{name}: nobody is to be told of {what}", name=self.name, what=reports[0].get("notice"))
            return
        mail = await self.createEmail(
            {
                "body": _joined_bodies(reports),
                "type": merge_reports_prop_take_first(reports, "type"),
                "subject": merge_reports_prop_take_first(reports, "subject"),
            },
            self.master.config.title,
            reports[0].get("results"),
            merge_reports_prop(reports, "builds"),
            merge_reports_prop(reports, "patches"),
            merge_reports_prop(reports, "logs"),
        )
        recipients = self.processRecipients(users, mail)
        notice = reports[0].get("notice")
        if notice:
            mail["Message-ID"] = letters.message_id(notice, reports, self.fromaddr)
        await self._send_to_all(notice or "", mail, recipients)

    async def _send_to_all(self, notice: str, mail: Message, recipients: Sequence[str]) -> None:
        """Send to those for whom the server has not yet taken this notice; raises TryLater if some are left."""
        taken = self._accepted[1] if self._accepted[0] == notice else frozenset()
        left = [address for address in recipients if letters.plain_address(address) not in taken]
        if not left:
            return
        refused = await self.sendMail(mail, left) or []
        again = {verdict.address for verdict in refused if verdict.not_now}
        for verdict in refused:
            log.warn(
                "{name}: {to} was refused with {code} {said}{again}",
                name=self.name,
                to=verdict.address,
                code=verdict.code,
                said=verdict.said,
                again=", it is tried again" if verdict.not_now else "",
            )
        self._accepted = (notice, taken | {letters.plain_address(a) for a in left} - again)
        if again:
            raise TryLater(f"the mail server can't take mail for {', '.join(sorted(again))} now")

    @deferred
    async def sendMail(self, m: Message, recipients: Sequence[str]) -> list[smtp.Verdict]:
        """Hand a mail to the SMTP server; fires with what it said of recipients that it refused.

        Fails with :class:`~buildmaster.mq.failing.TryLater` if it is to be tried again.
        """
        data = letters.as_bytes(m)
        log.info("{name}: sending mail ({n} bytes) to {to}", name=self.name, n=len(data), to=list(recipients))
        if self.dumpMailsToLog:
            log.info("mail data:\n{text}", text=data.decode("utf-8", "replace"))
        relay = smtp.Relay(
            self.relayhost,
            self.smtpPort,
            self.useTls,
            self.useSmtps,
            self.smtpUser,
            self.smtpPassword,
            self.verify_certificate,
        )
        addresses = [letters.plain_address(each) for each in recipients]
        try:
            return await smtp.send(self.master.reactor, relay, letters.plain_address(self.fromaddr), addresses, data)
        except smtp.RelayAway as e:
            raise TryLater(f"the mail server is not there: {e}", unreachable=True) from e
        except smtp.NotNow as e:
            raise TryLater(f"the mail server can't take it now: {e}") from e

    # -- the mail ------------------------------------------------------------------------------------------------------

    @deferred
    async def createEmail(
        self,
        msgdict: Mapping[str, Any],
        title: str,
        results: int | None,
        builds: Sequence[Any] | None = None,
        patches: Sequence[Any] | None = None,
        logs: Sequence[Any] | None = None,
    ) -> Message:
        """The mail for a message (``body``, ``type``, ``subject``), with patches and logs attached."""
        if msgdict.get("type") not in (None, "plain", "html"):
            raise ValueError(f"a mail can't have a body of type {msgdict['type']!r}; use 'plain' or 'html'")
        attachments = [self.patch_to_attachment(patch, n) for n, patch in enumerate(patches or ())]
        several = len({build["builder"]["name"] for build in builds or ()}) > 1
        attachments += [
            letters.log_attachment(each, _builder_of(each, builds) if several else None)
            for each in logs or ()
            if "content" in each
        ]
        mail = letters.letter(msgdict.get("body") or "", msgdict.get("type") or "plain", attachments)
        mail["Date"] = letters.date(self.master.reactor.seconds())
        mail["Subject"] = letters.subject(msgdict.get("subject"), title, results, builds)
        mail["From"] = self.fromaddr
        for name, value in (await self._rendered_headers(builds)).items():
            if name in mail:
                log.warn(
                    "{name}: the header {header} of extraHeaders replaces the usual one", name=self.name, header=name
                )
                del mail[name]
            mail[name] = letters.header(value)
        return mail

    async def _rendered_headers(self, builds: Sequence[Any] | None) -> dict[str, Any]:
        if not self.extraHeaders:
            return {}
        properties = Properties()
        if builds:
            properties = Properties.fromDict(builds[0].get("properties") or {})
        properties.master = self.master
        return dict(await properties.render(dict(self.extraHeaders)))

    def patch_to_attachment(self, patch: Mapping[str, Any], index: int) -> Message:
        """A patch as a part of a mail."""
        return letters.patch_attachment(patch, index)

    # -- people --------------------------------------------------------------------------------------------------------

    @deferred
    async def findInterrestedUsersEmails(self, users: Sequence[str]) -> list[str]:
        """The addresses of users; those that have none are left out, with a line in the log."""
        found: dict[str, None] = {}
        for user in users:
            address = user
            if self.lookup is not None:
                address = await maybe(self.lookup.getAddress, user)
            if address is None:
                continue
            if VALID_EMAIL.search(address):
                found[address] = None
            else:
                log.warn("{name}: {user!r} has no valid mail address", name=self.name, user=user)
        return list(found)

    def formatAddress(self, addr: str) -> str:
        """An address as it stands in a header: of a name with letters beyond ASCII, encoded."""
        return letters.formatted_address(addr)

    def processRecipients(self, blamelist: Sequence[str], m: Message) -> list[str]:
        """Write ``To`` and ``CC`` of a mail; returns all recipients."""
        to = sorted({self.formatAddress(address) for address in blamelist})
        extra = sorted({self.formatAddress(address) for address in self.extraRecipients} - set(to))
        for name, addresses in (("To", to or extra), ("CC", extra if to else [])):
            if addresses and name not in m:  # extraHeaders may have them
                m[name] = ", ".join(addresses)
        return list(dict.fromkeys([*to, *extra]))


def _joined_bodies(reports: Sequence[Mapping[str, Any]]) -> str:
    bodies = [report["body"] for report in reports if report.get("body") is not None]
    return "".join(body.decode(ENCODING, "replace") if isinstance(body, bytes) else str(body) for body in bodies)


def _builder_of(log: Mapping[str, Any], builds: Sequence[Any] | None) -> str | None:
    for build in builds or ():
        if any(each["stepid"] == log["stepid"] for each in build.get("steps") or ()):
            return str(build["builder"]["name"])
    return None
