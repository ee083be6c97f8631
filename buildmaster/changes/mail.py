"""Changes from mails that commit hooks send, delivered into a maildir.

A message becomes its change, and is known to have become it, by one transaction; the file is moved afterwards, so that
a message is reported once, whatever dies in between.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from email import message_from_binary_file, policy
from email.message import EmailMessage
from email.utils import mktime_tz, parseaddr, parsedate_tz
from typing import Any, BinaryIO

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.changes.base import ChangeSource
from buildmaster.changes.reporting import Reporter
from buildmaster.net.maildir import MaildirService

log = Logger()

Parsed = tuple[str | None, dict[str, Any]] | None
"""What a parser finds: the kind of repository (``src``) and the arguments of ``addChange``; None for no change."""

LAST = "lastMessage"


class MaildirSource(MaildirService, ChangeSource):
    """The base of the sources that read mails; subclasses define ``parse(message, prefix)``.

    ``maildir`` is the directory with ``new`` and ``cur``; ``prefix``: files that do not begin with it are left out, and
    from the others it is taken off; ``category`` and ``repository`` are those of the changes.  ``basedir`` is another
    way to name the directory.
    """

    compare_attrs: Sequence[str] = ("basedir", "pollInterval", "prefix", "category", "repository")
    name: Any = None

    def __init__(
        self,
        maildir: str,
        prefix: str | None = None,
        category: Any = "",
        repository: str = "",
        basedir: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.prefix = prefix
        self.category = category
        self.repository = repository
        if kwargs.get("name") is None:
            kwargs["name"] = f"{type(self).__name__}:{maildir}"
        super().__init__(basedir if basedir is not None else maildir, **kwargs)
        if prefix is not None and not isinstance(prefix, str):
            error(f"{self.name}: prefix must be a text, not {prefix!r}")
        if prefix and not prefix.endswith("/"):
            log.warn("{name}: prefix={prefix!r} should probably end with a slash", name=self.name, prefix=prefix)

    def describe(self) -> str:
        """A line about this source, for people."""
        return f"{type(self).__name__} watching maildir '{self.basedir}'"

    def start_looking(self) -> None:
        """Look, if this is the active instance of the cluster."""
        if self.active:
            super().start_looking()

    @deferred
    async def activate(self) -> None:
        """Begin to look."""
        self._reporter = Reporter(self.master, self.name, type(self).__name__)
        self.start_looking()

    @deferred
    async def deactivate(self) -> None:
        """Look no more."""
        await self.stop_looking()

    @deferred
    async def messageReceived(self, filename: str) -> None:
        """Report the change of a message, and move it to ``cur``."""
        if await self._reporter.state(LAST) != filename:
            with self.open_message(filename) as file:
                found = await self._read(file, filename)
            changes = [] if found is None else [self._complete(*found)]
            await self._reporter.report(changes, {LAST: filename})
        self.moveToCurDir(filename).close()

    async def _read(self, file: BinaryIO, filename: str) -> Parsed:
        try:
            return await maybe(self.parse_file, file, self.prefix)
        except Exception:  # policy: skip; the mail stays in cur, for people to look at
            log.failure("{me}: {file} cannot be read; no change comes of it", me=self.describe(), file=filename)
            return None

    def _complete(self, src: str | None, found: dict[str, Any]) -> dict[str, Any]:
        change = {"category": self.category or None, "repository": self.repository, **found}
        return {**change, "src": src, "author": change.get("author") or "unknown"}

    def parse_file(self, fd: BinaryIO, prefix: str | None = None) -> Any:
        """What a file's mail tells; see :meth:`parse`."""
        return self.parse(message_from_binary_file(fd, policy=policy.default), prefix)

    def parse(self, message: Any, prefix: str | None = None) -> Parsed:
        """Override: the (kind of repository, arguments of ``addChange``) of a mail; None if it tells of no change."""
        raise TypeError(f"{type(self).__name__} does not define parse")


def author_of(message: EmailMessage) -> str | None:
    """Whom a mail is from: the address's part before the ``@``."""
    address = parseaddr(str(message["from"] or ""))[1]
    return address.partition("@")[0] or None


def lines_of(message: EmailMessage) -> list[str]:
    """The lines of a mail's text."""
    body = message.get_body(("plain",)) if message.is_multipart() else message
    return body.get_content().splitlines() if body is not None else []


def date_of(message: EmailMessage) -> float | None:
    """When a mail was sent, in epoch seconds."""
    parsed = parsedate_tz(str(message["date"] or ""))
    return float(mktime_tz(parsed)) if parsed else None


def without_prefix(files: list[str], prefix: str | None) -> list[str]:
    """The files that begin with a prefix, without it."""
    return files if not prefix else [name[len(prefix) :] for name in files if name.startswith(prefix)]


class CVSMaildirSource(MaildirSource):
    """Reads the mails of ``buildbot_cvs_mail.py``, which CVS calls from ``loginfo``; a mail is a directory's commit.

    ``properties`` is a dictionary of properties of the changes.
    """

    compare_attrs = ("properties",)

    _field = re.compile(r"^(Category|CVSROOT|Cvsmode|Files|Path|Project|Tag):\s*(.*)$")

    def __init__(
        self,
        maildir: str,
        prefix: str | None = None,
        category: Any = "",
        repository: str = "",
        properties: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(maildir, prefix, category, repository, **kwargs)
        self.properties = dict(properties or {})

    def parse(self, message: Any, prefix: str | None = None) -> Parsed:
        """A mail without files, or with none below the prefix, is no change."""
        fields: dict[str, str] = {}
        lines = iter(lines_of(message))
        for line in lines:
            if line.startswith("Log Message:"):
                break
            if match := self._field.match(line):
                fields.setdefault(match.group(1), match.group(2).strip())
        else:
            return None
        comments = "\n".join(lines).strip("\n")
        files = without_prefix(_cvs_files(fields), prefix)
        if not files:
            return None
        tag = fields.get("Tag")
        found = {
            "author": author_of(message),
            "files": files,
            "comments": comments,
            "when_timestamp": date_of(message),
            "branch": tag if tag and tag != "None" else None,
            "revision": None,
            "repository": self.repository or fields.get("CVSROOT", ""),
            "project": _given(fields.get("Project")) or "",
            "properties": {name: (value, "Change") for name, value in self.properties.items()},
        }
        if category := _given(fields.get("Category")):
            found["category"] = category
        return "cvs", found


def _given(text: str | None) -> str | None:
    return None if text in (None, "", "None") else text


def _cvs_files(fields: Mapping[str, str]) -> list[str]:
    """The files of ``Files: [DIRECTORY ]NAME,OLD,NEW NAME,OLD,NEW …``; CVS 1.12 tells the directory apart."""
    text, directory = fields.get("Files", ""), fields.get("Path")
    if fields.get("Cvsmode") == "1.11" or not directory:
        directory, _, text = text.partition(" ")
    names = re.findall(r"(?:^|\s)(.+?),(?:[\d.]+|NONE),(?:[\d.]+|NONE)(?=\s|$)", text)
    return [os.path.join(directory or "", name.strip()) for name in names]


class SVNCommitEmailMaildirSource(MaildirSource):
    """Reads the mails of ``commit-email.pl``, which comes with Subversion; all changes are on the default branch."""

    _section = re.compile(r"^(Added|Modified|Removed|Deleted|Replaced|Copied|Property Changed|Log):\s*$")
    _difference = re.compile(r"^(Added|Modified|Removed|Deleted|Copied|Property changes on): \S|^={20}")

    def parse(self, message: Any, prefix: str | None = None) -> Parsed:
        """A mail without files, or with none below the prefix, is no change."""
        author, revision, section = author_of(message), None, None
        files: list[str] = []
        comments: list[str] = []
        for line in lines_of(message):
            if match := self._section.match(line):
                section = match.group(1)
            elif self._difference.match(line):
                break
            elif section == "Log":
                comments.append(line)
            elif section is not None and line.startswith("   "):
                name = line.strip()
                # a directory's entry, and a file that was copied: NAME (from …)
                files.append(re.sub(r"\s+\((?:from .*|contents, props changed|props changed)\)$", "", name))
            elif match := re.match(r"^(Author|New Revision):\s*(.+)$", line):
                if match.group(1) == "Author":
                    author = match.group(2).strip()
                else:
                    revision = match.group(2).strip()
        files = [name for name in without_prefix(files, prefix) if name]
        if not files:
            return None
        found = {
            "author": author,
            "files": files,
            "comments": "\n".join(comments).strip("\n"),
            "when_timestamp": date_of(message),
            "revision": revision,
        }
        return "svn", found


class BzrLaunchpadEmailMaildirSource(MaildirSource):
    """Reads the mails that Launchpad sends to subscribers of a branch.

    ``branchMap`` maps branches (``lp:~team/project/name``, with or without ``lp:``) to the names that changes get,
    ``defaultBranch`` is the name for all others; without it they are called as on Launchpad.  There are no prefixes.
    """

    compare_attrs = ("branchMap", "defaultBranch")

    _sections = re.compile(r"^(\w+(?: \w+)?):\s*(.*)$")

    def __init__(
        self,
        maildir: str,
        prefix: str | None = None,
        branchMap: Mapping[str, str] | None = None,
        defaultBranch: str | None = None,
        category: Any = "",
        repository: str = "",
        **kwargs: Any,
    ) -> None:
        if prefix:
            error("BzrLaunchpadEmailMaildirSource: there is no prefix to take off; use branchMap or defaultBranch")
        self.branchMap = dict(branchMap or {})
        self.defaultBranch = defaultBranch
        super().__init__(maildir, None, category, repository, **kwargs)

    def parse(self, message: Any, prefix: str | None = None) -> Parsed:
        """A mail that is not from Launchpad, or tells of no revision, is no change."""
        path = message["x-launchpad-branch"]
        if not path:
            return None
        revision, author, when = None, None, None
        section: str | None = None
        comments: list[str] = []
        files: list[str] = []
        for line in lines_of(message):
            if line.strip().startswith("-" * 20) and revision is not None:
                break  # the revisions that were merged
            if match := self._sections.match(line):
                section, value = match.group(1), match.group(2)
                if section == "revno":
                    revision = value.split()[0] if value else None
                elif section == "committer":
                    author = value
                elif section == "timestamp":
                    parsed = parsedate_tz(_mail_date(value))
                    when = float(mktime_tz(parsed)) if parsed else None
            elif section == "message":
                comments.append(line[2:])
            elif line.startswith("  ") and section in ("added", "removed", "modified", "renamed"):
                files.append(line.strip().rpartition(" => ")[2])
        if revision is None or author is None:
            return None
        found = {
            "author": author,
            "files": files,
            "comments": "\n".join(comments).strip("\n"),
            "when_timestamp": when if when is not None else date_of(message),
            "revision": revision,
            "branch": self._branch(path.strip()),
            "repository": self.repository,
            "project": str(message["x-launchpad-project"] or "").strip(),
        }
        return "bzr", found

    def _branch(self, path: str) -> str:
        full = path if path.startswith("lp:") else f"lp:{path}"
        for name in (full, full[3:]):
            if name in self.branchMap:
                return self.branchMap[name]
        return self.defaultBranch if self.defaultBranch is not None else full


def _mail_date(text: str) -> str:
    """``Thu 2009-06-11 13:42:34 +0200`` as a mail would write it."""
    match = re.match(r"\w+ (\d+)-(\d+)-(\d+) ([\d:]+) ([+-]\d+)", text)
    if match is None:
        return text
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    year, month, day, time, zone = match.groups()
    return f"{day} {months[int(month) - 1]} {year} {time} {zone}"
