"""A build request as builds and users' callbacks see it: ``nextBuild(builder, requests)``, ``canStartBuild(…)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from buildmaster.base import records
from buildmaster.base.aio import deferred
from buildmaster.base.collapse import scheduler_properties
from buildmaster.db import loading, requests
from buildmaster.process.change import Change
from buildmaster.properties import Properties


class TempChange(Change):
    """A change of a source stamp."""

    def __init__(self, d: Mapping[str, Any] | records.Change) -> None:
        record = d if isinstance(d, records.Change) else _record_of(d)
        self.__dict__.update(Change.from_record(record).__dict__)
        self._chdict = None if isinstance(d, records.Change) else dict(d)

    def asChDict(self) -> dict[str, Any]:
        """The change as the data API shows it."""
        return super().asChDict() if self._chdict is None else self._chdict


def _record_of(d: Mapping[str, Any]) -> records.Change:
    when: Any = d.get("when_timestamp") or 0
    stamp = d.get("sourcestamp") or {}
    return records.Change(
        changeid=d["changeid"],
        author=d["author"],
        comments=d["comments"],
        files=list(d["files"]),
        committer=d.get("committer"),
        revision=d["revision"],
        when_timestamp=int(when.timestamp() if hasattr(when, "timestamp") else when),
        branch=d["branch"],
        category=d["category"],
        revlink=d["revlink"],
        properties={name: (value, source) for name, (value, source) in (d.get("properties") or {}).items()},
        repository=d["repository"],
        codebase=d["codebase"],
        project=d["project"],
        ssid=stamp.get("ssid", 0),
    )


class TempSourceStamp:
    """Which source of one codebase is to be built, and the changes that led to it."""

    ATTRS = ("branch", "revision", "repository", "project", "codebase")
    PATCH_ATTRS = (
        ("patch_level", "level"),
        ("patch_body", "body"),
        ("patch_subdir", "subdir"),
        ("patch_author", "author"),
        ("patch_comment", "comment"),
    )

    changes: list[TempChange]

    def __init__(self, ssdict: Mapping[str, Any]) -> None:
        self._ssdict = dict(ssdict)
        self.ssid = ssdict.get("ssid")
        self.branch = ssdict["branch"]
        self.revision = ssdict["revision"]
        self.repository = ssdict["repository"]
        self.project = ssdict["project"]
        self.codebase = ssdict["codebase"]
        patch = ssdict.get("patch")
        self.patch = None if not patch else (patch["level"], patch["body"], patch["subdir"])
        self.patch_info = None if not patch else (patch["author"], patch["comment"])
        self.changes = []

    @classmethod
    def from_record(cls, stamp: records.SourceStamp, changes: Iterable[records.Change]) -> TempSourceStamp:
        """The source stamp of a stored record, with its changes."""
        made = cls(stamp_dict(stamp))
        made.changes = [TempChange(change) for change in changes]
        return made

    def asSSDict(self) -> dict[str, Any]:
        """The source stamp as the data API shows it."""
        return self._ssdict

    def asDict(self) -> dict[str, Any]:
        """A dictionary with JSON-able values: the attributes, and the patch in parts."""
        result: dict[str, Any] = {name: getattr(self, name) for name in self.ATTRS}
        patch = self._ssdict.get("patch") or {}
        for name, key in self.PATCH_ATTRS:
            value = patch.get(key)
            result[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return result


def stamp_dict(stamp: records.SourceStamp) -> dict[str, Any]:
    """A source stamp as the data API shows it, its creation time in epoch seconds."""
    patch = stamp.patch
    return {
        "ssid": stamp.ssid,
        "branch": stamp.branch,
        "revision": stamp.revision,
        "repository": stamp.repository,
        "project": stamp.project,
        "codebase": stamp.codebase,
        "created_at": stamp.created_at,
        "patch": None
        if patch is None
        else {
            "patchid": patch.patchid,
            "level": patch.level,
            "body": patch.body,
            "subdir": patch.subdir,
            "author": patch.author,
            "comment": patch.comment,
        },
    }


class BuildRequest:
    """A request to build certain sources on one builder.

    ``id``, ``bsid``, ``builderid``, ``buildername``, ``priority``, ``submittedAt`` (epoch seconds), ``waitedFor``,
    ``reason``, ``properties`` (a Properties), ``sources`` (:class:`TempSourceStamp` by codebase), and ``source``, the
    only one of them, or the first, for configurations that have a single codebase.
    """

    submittedAt: int | None = None
    sources: dict[str, TempSourceStamp] = {}

    id: int
    bsid: int
    builderid: int
    buildername: str
    priority: int
    waitedFor: bool
    reason: str
    properties: Properties
    master: Any

    @classmethod
    def from_loaded(cls, master: Any, loaded: loading.LoadedRequest, buildername: str) -> BuildRequest:
        """The request of stored rows."""
        made = cls()
        request = loaded.request
        made.master = master
        made.id = request.requestid
        made.bsid = request.buildsetid
        made.builderid = request.builderid
        made.buildername = buildername
        made.priority = request.priority
        made.submittedAt = int(request.submitted_at)
        made.waitedFor = request.waited_for
        made.reason = loaded.reason
        made.properties = Properties.fromDict(loaded.properties)
        made.properties.master = master
        made.scheduler = loaded.scheduler
        made.external_idstring = loaded.external_idstring
        made.parent_buildid = loaded.parent_buildid
        made.sources = {
            stamp.codebase: TempSourceStamp.from_record(
                stamp, [change for change in loaded.changes if change.codebase == stamp.codebase]
            )
            for stamp in loaded.stamps
        }
        return made

    scheduler: str | None = None
    external_idstring: str | None = None
    parent_buildid: int | None = None

    @classmethod
    @deferred
    async def fromBrdict(cls, master: Any, brdict: Mapping[str, Any]) -> BuildRequest:
        """The request of a dictionary (with ``buildrequestid``) as the data API shows it; a Deferred."""
        requestid = brdict["buildrequestid"]
        loaded = (await master.db.read(loading.load, [requestid])).get(requestid)
        if loaded is None:
            raise KeyError(f"there is no build request {requestid}")
        name = brdict.get("buildername")
        if name is None:
            name = (await master.data.get(("builders", loaded.request.builderid)))["name"]
        return cls.from_loaded(master, loaded, name)

    @property
    def source(self) -> TempSourceStamp | None:
        """The source stamp of the only codebase (of the default or first one, if there are several)."""
        return self.sources.get("") or next(iter(self.sources.values()), None)

    # -- merging -------------------------------------------------------------------------------------------------------

    def mergeSourceStampsWith(self, others: Sequence[BuildRequest]) -> list[TempSourceStamp]:
        """One source stamp for each codebase, with the changes of all these requests, each once, oldest first.

        The version to build is that of the newest of them.
        """
        merged = []
        for codebase in sorted({name for request in (self, *others) for name in request.sources}):
            stamps = [request.sources[codebase] for request in (self, *others) if codebase in request.sources]
            changes = {change.number: change for stamp in stamps for change in stamp.changes}
            newest = stamps[-1] if len(stamps) == 1 else max(stamps, key=_newest_change)
            newest.changes = [changes[number] for number in sorted(changes, key=lambda n: n or 0)]
            merged.append(newest)
        return merged

    def mergeReasons(self, others: Sequence[BuildRequest]) -> str:
        """The reasons of these requests, each once, separated by commas."""
        return ", ".join(dict.fromkeys(request.reason for request in (self, *others) if request.reason))

    @staticmethod
    @deferred
    async def canBeCollapsed(master: Any, new_br: Mapping[str, Any], old_br: Mapping[str, Any]) -> bool:
        """Whether the older of two requests (dictionaries of the data API) is superfluous beside the newer.

        The built-in rule, for use in ``collapseRequests`` functions.  A Deferred of True or False; False too if
        ``old_br`` is not the older.
        """
        if new_br["buildrequestid"] <= old_br["buildrequestid"]:
            return False
        keys = await master.db.read(_collapse_keys, [new_br["buildrequestid"], old_br["buildrequestid"]])
        return keys[0] is not None and keys[0] == keys[1]

    @staticmethod
    def filter_buildset_props_for_collapsing(bs_props: Mapping[str, tuple[Any, str]]) -> dict[str, Any]:
        """Those properties of a buildset that must be equal in requests that are collapsed: name → value."""
        return scheduler_properties(bs_props)

    def getSubmitTime(self) -> int | None:
        """When it was submitted, in epoch seconds."""
        return self.submittedAt

    def __lt__(self, other: Any) -> bool:
        """The one that was added first comes first; lists of (priority, request) can be sorted."""
        return self.id < other.id if isinstance(other, BuildRequest) else NotImplemented

    def __repr__(self) -> str:
        return f"<BuildRequest {getattr(self, 'id', None)} for {getattr(self, 'buildername', None)!r}>"


def _newest_change(stamp: TempSourceStamp) -> int:
    return max((change.number or 0 for change in stamp.changes), default=0)


def _collapse_keys(conn: Any, requestids: Sequence[int]) -> list[str | None]:
    found = {request.requestid: request for request in requests.get_many(conn, requestids)}
    return [found[requestid].collapse_key if requestid in found else None for requestid in requestids]
