"""A change as users' callbacks see it: ``fileIsImportant(change)``, ``filter_fn(change)``, ``gotChange(change, …)``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from buildmaster.base import records
from buildmaster.base.aio import deferred
from buildmaster.base.times import datetime2epoch, epoch2datetime
from buildmaster.properties import Properties


class Change:
    """A single change to the source tree, possibly of several files."""

    number: int | None = None
    branch: str | None = None
    category: str | None = None
    revision: str | None = None
    links: list[str] = []

    def __init__(
        self,
        who: str,
        files: list[str],
        comments: str,
        committer: str | None = None,
        revision: str | None = None,
        when: float | None = None,
        branch: str | None = None,
        category: str | None = None,
        revlink: str = "",
        properties: Mapping[str, Any] | None = None,
        repository: str = "",
        codebase: str = "",
        project: str = "",
        _fromChdict: bool = False,
    ) -> None:
        self.who = who
        self.files = sorted(files or [])
        self.comments = comments
        self.committer = committer
        self.revision = revision
        self.when = int(time.time()) if when is None else int(when)
        self.branch = branch
        self.category = category
        self.revlink = revlink or ""
        self.repository = repository
        self.codebase = codebase
        self.project = project
        self.properties = Properties()
        if properties:
            self.properties.update(properties, "Change")
        self.ssid: int | None = None

    @property
    def author(self) -> str:
        """The name under which the data API shows ``who``."""
        return self.who

    @property
    def changeid(self) -> int | None:
        """The name under which the data API shows ``number``."""
        return self.number

    @property
    def when_timestamp(self) -> int:
        """The name under which the data API shows ``when`` (epoch seconds)."""
        return self.when

    @classmethod
    def from_record(cls, record: records.Change) -> Change:
        """The change of a stored record."""
        change = cls(
            record.author,
            list(record.files),
            record.comments,
            committer=record.committer,
            revision=record.revision,
            when=record.when_timestamp,
            branch=record.branch,
            category=record.category,
            revlink=record.revlink or "",
            repository=record.repository,
            codebase=record.codebase,
            project=record.project,
        )
        change.number = record.changeid
        change.ssid = record.ssid
        change.properties = Properties.fromDict(record.properties)
        return change

    @classmethod
    @deferred
    async def fromChdict(cls, master: Any, chdict: Mapping[str, Any]) -> Change:
        """The change of a dictionary as the data API shows it."""
        when = chdict.get("when_timestamp")
        change = cls(
            chdict["author"],
            list(chdict.get("files") or []),
            chdict["comments"],
            committer=chdict.get("committer"),
            revision=chdict.get("revision"),
            when=datetime2epoch(when) if hasattr(when, "timestamp") else when,
            branch=chdict.get("branch"),
            category=chdict.get("category"),
            revlink=chdict.get("revlink") or "",
            repository=chdict.get("repository", ""),
            codebase=chdict.get("codebase", ""),
            project=chdict.get("project", ""),
        )
        change.number = chdict["changeid"]
        stamp = chdict.get("sourcestamp")
        change.ssid = stamp["ssid"] if stamp else None
        for name, (value, source) in (chdict.get("properties") or {}).items():
            change.properties.setProperty(name, value, source)
        return change

    def asChDict(self) -> dict[str, Any]:
        """The change as the data API shows it."""
        return {
            "changeid": self.number,
            "parent_changeids": [],
            "author": self.who,
            "committer": self.committer,
            "files": list(self.files),
            "comments": self.comments,
            "revision": self.revision,
            "when_timestamp": self.when,
            "branch": self.branch,
            "category": self.category,
            "revlink": self.revlink,
            "properties": self.properties.asDict(),
            "repository": self.repository,
            "project": self.project,
            "codebase": self.codebase,
        }

    def asDict(self) -> dict[str, Any]:
        """A dictionary with JSON-able values, as status plugins show changes."""
        return {
            "number": self.number,
            "branch": self.branch,
            "category": self.category,
            "who": self.getShortAuthor(),
            "comments": self.comments,
            "revision": self.revision,
            "rev": self.revision,
            "when": self.when,
            "at": self.getTime(),
            "files": [{"name": name, "url": None} for name in self.files],
            "revlink": self.revlink or None,
            "properties": self.properties.asList(),
            "repository": self.repository or None,
            "codebase": self.codebase,
            "project": self.project or None,
        }

    def asText(self) -> str:
        """A few lines of text that describe the change."""
        lines = ["Files:"] + [f" {name}" for name in self.files]
        for label, value in (
            ("On", self.repository),
            ("For", self.project),
            ("At", self.getTime()),
            ("Changed By", self.who),
            ("Committed By", self.committer),
        ):
            if value:
                lines.append(f"{label}: {value}")
        lines.append(f"Comments: {self.comments}Properties: ")
        lines += [f"  {name}: {value}" for name, value, _ in self.properties.asList()]
        return "\n".join(lines) + "\n\n"

    def getShortAuthor(self) -> str:
        """Who made it."""
        return self.who

    def getTime(self) -> str:
        """When it was made, as text in UTC; ``?`` if that is not known."""
        return epoch2datetime(self.when).strftime("%a %d %b %Y %H:%M:%S") if self.when else "?"

    def getTimes(self) -> tuple[int, None]:
        """(when, None): changes have no end."""
        return (self.when, None)

    def getText(self) -> list[str]:
        """Who made it, as lines of text."""
        return [self.who]

    def getLogs(self) -> dict[str, Any]:
        """Changes have no logs."""
        return {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Change):
            return NotImplemented
        return self.number == other.number if self.number is not None else self is other

    def __hash__(self) -> int:
        return hash(self.number) if self.number is not None else id(self)

    def __repr__(self) -> str:
        return (
            f"Change(revision={self.revision!r}, who={self.who!r}, branch={self.branch!r}, "
            f"comments={self.comments!r}, when={self.when!r}, category={self.category!r}, "
            f"project={self.project!r}, repository={self.repository!r}, codebase={self.codebase!r})"
        )
