"""The rows of a Buildbot database as rows of ours.

The tables and columns are those of Buildbot 4.3 as its own SQLite files show them.  Ids stay what they are, so that the
addresses of builds and changes do, too.  What only a running master needs (claims, attached workers, which master has
which builder) is left out.  A build that was interrupted ends with RETRY, and its request waits again.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
import zstandard

from buildmaster.base.moves import RequestState
from buildmaster.base.records import Patch, SourceStamp
from buildmaster.base.results import CANCELLED, RETRY
from buildmaster.db.buildbot_tables import BuildbotDatabase
from buildmaster.db.changes import line_key
from buildmaster.db.log_text import METHODS, LogCompressionFormatUnavailableError, compress, without_prefixes
from buildmaster.db.sourcestamps import content_hash
from buildmaster.db.storing import Row

INTERRUPTED = "interrupted, will be retried"

_encode = msgspec.json.encode


def _json(value: Any) -> str:
    return _encode(value).decode()


class Translation:
    """Makes rows of ours; ``now`` is in epoch seconds, ``class_name`` gives the name that a class has here.

    Raises :class:`~.log_text.LogCompressionFormatUnavailableError` if the package for a log's compression is missing.
    """

    def __init__(self, old: BuildbotDatabase, now: float, class_name: Callable[[str], str]) -> None:
        self._old = old
        self._now = now
        self._class_name = class_name
        self._interrupted = old.interrupted_builds()
        self._unpackers = unpackers(old.compressions())

    def tables(self) -> dict[str, Iterable[Row]]:
        """Rows by the name of our table, for all tables that get any."""
        rows = self._same
        return {
            "masters": rows("masters", "id name last_active", active=0, epoch=0, lease_until=None, last_batch=0),
            "objects": self._objects(),
            "object_state": self._object_state(),
            "users": self._users(),
            "users_info": self._users_info(),
            "projects": rows("projects", "id name slug description description_format description_html", active=0),
            "codebases": rows("codebases", "id projectid name slug"),
            "codebase_commits": rows(
                "codebase_commits",
                "id codebaseid author committer comments when_timestamp revision parent_commitid",
                files=None,
            ),
            "codebase_branches": rows("codebase_branches", "id codebaseid name commitid last_timestamp"),
            "builders": self._builders(),
            "workers": rows("workers", "id name info paused pause_reason graceful", last_connection=None),
            "changesources": rows("changesources", "id name"),
            "schedulers": self._schedulers(),
            "patches": self._patches(),
            "sourcestamps": self._sourcestamps(),
            "changes": self._changes(),
            "scheduler_changes": self._scheduler_changes(),
            "scheduler_timers": self._scheduler_timers(),
            "scheduler_firings": self._scheduler_firings(),
            "buildsets": self._buildsets(),
            "buildset_sourcestamps": rows("buildset_sourcestamps", "buildsetid sourcestampid"),
            "buildrequests": self._requests(),
            "builds": self._builds(),
            "build_properties": self._build_properties(),
            "build_data": rows("build_data", "id buildid name value length source"),
            "steps": self._steps(),
            "logs": rows("logs", "id stepid name slug type num_lines", complete=1),
            "log_chunks": (_chunk(row, self._unpackers[row["compressed"]]) for row in self._old.chunks()),
            "test_result_sets": rows(
                "test_result_sets",
                "id builderid buildid stepid description category value_unit tests_passed tests_failed complete",
            ),
            "test_results": self._test_results(),
        }

    def _same(self, table: str, columns: str, **more: Any) -> Iterator[Row]:
        """Rows whose columns are the same there and here, but for ``more``."""
        names = columns.split()
        for row in self._old.rows(table):
            yield {**{name: row[name] for name in names}, **more}

    # -- what is configured ---

    def _objects(self) -> Iterator[Row]:
        seen: dict[tuple[str, str], int] = {}
        for row in self._old.rows("objects"):
            key = (row["name"], self._class_name(row["class_name"]))
            if seen.setdefault(key, row["id"]) == row["id"]:
                yield {"id": row["id"], "name": key[0], "class_name": key[1]}

    def _object_state(self) -> Iterator[Row]:
        kept = {row["id"] for row in self._objects()}
        for state in self._old.belonging("objects", "object_state", "objectid"):
            if state["objectid"] in kept:
                yield {name: state[name] for name in ("objectid", "name", "value_json")}

    def _users(self) -> Iterator[Row]:
        for row in self._old.rows("users", "uid"):
            yield {"id": row["uid"], **{name: row[name] for name in ("identifier", "bb_username", "bb_password")}}

    def _users_info(self) -> Iterator[Row]:
        for info in self._old.belonging("users", "users_info", "uid", "uid"):
            yield {name: info[name] for name in ("uid", "attr_type", "attr_data")}

    def _builders(self) -> Iterator[Row]:
        tags = self._old.names("tags", "name")
        for page in self._old.pages("builders"):
            tagged = self._old.beside(page, "builders_tags", "builderid")
            for row in page:
                own = sorted(tags[link["tagid"]] for link in tagged.get(row["id"], ()) if link["tagid"] in tags)
                names = ("id", "name", "description", "description_format", "description_html", "projectid")
                yield {**{name: row[name] for name in names}, "tags": _json(own)}

    def _schedulers(self) -> Iterator[Row]:
        for row in self._old.rows("schedulers"):
            yield {"id": row["id"], "name": row["name"], "enabled": int(row["enabled"] != 0), "filter": None}

    # -- changes ---

    def _patches(self) -> Iterator[Row]:
        for row in self._old.rows("patches"):
            yield {"id": row["id"], **_patch(row)}

    def _sourcestamps(self) -> Iterator[Row]:
        patched: set[str] = set()
        for page in self._old.pages("sourcestamps"):
            wanted = (row["patchid"] for row in page if row["patchid"] is not None)
            patches = self._old.among("patches", "id", wanted)
            for row in page:
                names = ("branch", "revision", "repository", "codebase", "project")
                fields = {name: row[name] for name in names}
                patch = patches.get(row["patchid"])
                hashed = content_hash(SourceStamp(**fields, patch=None if patch is None else Patch(**_patch(patch))))
                if patch is not None:  # there, the same patch may have come twice
                    hashed = hashed if hashed not in patched else f"buildbot {row['id']}"
                    patched.add(hashed)
                yield {
                    "id": row["id"],
                    "content_hash": hashed,
                    **fields,
                    "patchid": row["patchid"],
                    "created_at": row["created_at"],
                }

    def _changes(self) -> Iterator[Row]:
        names = "author committer comments branch revision revlink when_timestamp category repository codebase project"
        for page in self._old.pages("changes", "changeid"):
            files = self._old.beside(page, "change_files", "changeid", "changeid")
            properties = self._old.beside(page, "change_properties", "changeid", "changeid")
            users = self._old.beside(page, "change_users", "changeid", "changeid")
            for row in page:
                changeid = row["changeid"]
                uids = [link["uid"] for link in users.get(changeid, ())]
                yield {
                    "id": changeid,
                    **{name: row[name] for name in names.split()},
                    "files": _json([found["filename"] for found in files.get(changeid, ())]),
                    "properties": _pairs(properties.get(changeid, ())),
                    "parent_changeid": row["parent_changeids"],
                    "sourcestampid": row["sourcestampid"],
                    "uid": uids[0] if uids else None,
                    "received_at": row["when_timestamp"],
                    "line_key": _line(row),
                    "idempotency_key": None,
                }

    def _waiting(self) -> Iterator[tuple[int, int, str, int]]:
        """Scheduler, change, timer and importance of what schedulers have kept.

        A timer for each branch serves schedulers of one branch as well; which it was is not told there.
        """
        links = list(self._old.belonging("schedulers", "scheduler_changes", "schedulerid"))
        changes = self._old.among("changes", "changeid", (link["changeid"] for link in links))
        for link in links:
            change = changes.get(link["changeid"])
            timer = "" if change is None else _line(change)  # one that is not there is refused when it is stored
            yield link["schedulerid"], link["changeid"], timer, int(link["important"] != 0)

    def _scheduler_changes(self) -> Iterator[Row]:
        for schedulerid, changeid, timer, important in self._waiting():
            yield {"schedulerid": schedulerid, "changeid": changeid, "timer": timer, "important": important}

    def _scheduler_timers(self) -> Iterator[Row]:
        for schedulerid, timer in sorted({(found[0], found[2]) for found in self._waiting() if found[2]}):
            yield {"schedulerid": schedulerid, "timer": timer, "deadline": self._now}

    def _scheduler_firings(self) -> Iterator[Row]:
        """When schedulers by the clock have built last, which is among the values that they keep there."""
        schedulers = {row["name"]: row["id"] for row in self._old.rows("schedulers")}
        objects = self._old.names("objects", "name")
        fired: dict[int, int] = {}
        for state in self._old.belonging("objects", "object_state", "objectid"):
            schedulerid = schedulers.get(objects[state["objectid"]])
            if schedulerid and state["name"] == "last_build" and (when := json.loads(state["value_json"])):
                fired[schedulerid] = int(when)
        for schedulerid, when in fired.items():
            yield {"schedulerid": schedulerid, "fire_time": when, "buildsetid": None}

    # -- what is to be built ---

    def _buildsets(self) -> Iterator[Row]:
        names = (
            "id external_idstring submitted_at complete complete_at parent_buildid parent_relationship rebuilt_buildid"
        )
        for page in self._old.pages("buildsets"):
            properties = self._old.beside(page, "buildset_properties", "buildsetid")
            for row in page:
                own = properties.get(row["id"], ())
                yield {
                    **{name: row[name] for name in names.split()},
                    "results": row["results"] if row["complete"] else None,
                    "reason": row["reason"] or "",
                    "scheduler": _scheduler(own),
                    "properties": _pairs(own),
                    "idempotency_key": None,
                }

    def _requests(self) -> Iterator[Row]:
        ends, orphaned = self._old.ends_of_open_requests(), self._old.orphaned_requests()
        for row in self._old.rows("buildrequests"):
            end = None
            if row["complete"]:
                end = row["results"], row["complete_at"]
            elif row["id"] in ends:
                end = ends[row["id"]]
            elif row["id"] in orphaned:
                end = CANCELLED, self._now
            yield {
                **{name: row[name] for name in ("id", "buildsetid", "builderid", "priority", "submitted_at")},
                "state": int(RequestState.PENDING if end is None else RequestState.COMPLETE),
                "results": None if end is None else end[0],
                "complete_at": None if end is None else end[1],
                "waited_for": int(bool(row["waited_for"])),
                "retries": 0,
            }

    # -- what was built ---

    def _builds(self) -> Iterator[Row]:
        names = "id number builderid buildrequestid workerid masterid started_at locks_duration_s"
        for row in self._old.rows("builds"):
            yield {**{name: row[name] for name in names.split()}, "epoch": 0, **self._end(row, row["id"])}

    def _steps(self) -> Iterator[Row]:
        names = "id number name buildid started_at locks_acquired_at hidden"
        for row in self._old.rows("steps"):
            own = {name: row[name] for name in names.split()}
            yield {**own, "urls": row["urls_json"], **self._end(row, row["buildid"])}

    def _end(self, row: Mapping[str, Any], buildid: int) -> Row:
        """How a build or a step of it ended; what was running was interrupted."""
        fields = {name: row[name] for name in ("complete_at", "results", "state_string")}
        if row["complete_at"] is None and (buildid in self._interrupted or row["started_at"] is not None):
            fields = {"complete_at": self._now, "results": RETRY, "state_string": INTERRUPTED}
        return {"complete": int(fields["complete_at"] is not None), **fields}

    def _build_properties(self) -> Iterator[Row]:
        for page in self._old.pages("builds"):
            properties = self._old.beside(page, "build_properties", "buildid")
            for row in page:
                own = {
                    found["name"]: [json.loads(found["value"]), found["source"]]
                    for found in properties.get(row["id"], ())
                }
                yield {"buildid": row["id"], "properties": _json(own)}

    def _test_results(self) -> Iterator[Row]:
        names, paths = self._old.names("test_names", "name"), self._old.names("test_code_paths", "path")
        for row in self._old.rows("test_results"):
            yield {
                **{
                    name: row[name] for name in ("id", "builderid", "test_result_setid", "line", "duration_ns", "value")
                },
                "test_name": names.get(row["test_nameid"]),
                "test_code_path": paths.get(row["test_code_pathid"]),
            }


def _line(change: Mapping[str, Any]) -> str:
    return line_key(change["codebase"], change["project"], change["repository"], change["branch"])


def _pairs(rows: Iterable[Mapping[str, Any]]) -> str:
    """Properties of a change or a buildset, each a JSON pair of value and source, in one JSON object."""
    return _json({row["property_name"]: json.loads(row["property_value"]) for row in rows})


def _scheduler(properties: Iterable[Mapping[str, Any]]) -> str | None:
    """The name of the scheduler that made a buildset, which is one of its properties."""
    for row in properties:
        if row["property_name"] == "scheduler":
            return str(json.loads(row["property_value"])[0])
    return None


_SAME = {0: "raw", 2: "bz2", 3: "lz4", 5: "br"}
"""Number of a compression there → the method here that undoes it."""

_OTHER: dict[int, Callable[[bytes], bytes]] = {
    1: zlib.decompress,
    # the plain size is not told there
    4: lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content),
}
"""Number of a compression there → what undoes it, where that is not the same here: ``gz`` and ``zstd``."""


def unpackers(numbers: Iterable[int]) -> dict[int, Callable[[bytes], bytes]]:
    """What undoes these compressions.

    Raises :class:`~.log_text.LogCompressionFormatUnavailableError` if a package is missing.
    """
    found = dict(_OTHER)
    for number in set(numbers) - set(_OTHER):
        name = _SAME[number]
        try:
            _, make = METHODS[name]
            found[number] = make()[1]
        except ImportError as error:
            raise LogCompressionFormatUnavailableError(
                f"there are logs compressed by {name!r}; to read them, install the package {error.name!r}"
            ) from None
    return found


def _chunk(row: Mapping[str, Any], unpack: Callable[[bytes], bytes]) -> Row:
    """A piece of a log: lines with a newline between them there, and behind each of them here."""
    text = unpack(bytes(row["content"] or b"")).decode("utf-8", "replace") + "\n"
    plain, channels = without_prefixes(text) if row["type"] == "s" else (text, "")
    content = plain.encode()
    number, packed = compress(content, "zstd")
    return {
        **{name: row[name] for name in ("logid", "first_line", "last_line")},
        "raw_bytes": len(content),
        "compression": number,
        "channels": channels,
        "content": packed,
    }


def _patch(row: Mapping[str, Any]) -> Row:
    return {
        "level": row["patchlevel"],
        "body": base64.b64decode(row["patch_base64"]),
        "author": row["patch_author"],
        "comment": row["patch_comment"],
        "subdir": row["subdir"],
    }
