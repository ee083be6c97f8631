"""What must always be so, asked of the rows by plain SQL and of the live master."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from buildmaster.base.moves import MAX_AUTOMATIC_RETRIES, REQUEST_MOVES, RequestState
from buildmaster.base.results import RETRY

ALWAYS = {
    "claimed request {} has {} running builds": """
        SELECT r.id, count(b.id) FROM buildrequests r LEFT JOIN builds b ON b.buildrequestid = r.id AND NOT b.complete
        WHERE r.state = 2 GROUP BY r.id HAVING count(b.id) != 1""",
    "build {} runs for request {} which nobody has claimed": """
        SELECT b.id, r.id FROM builds b JOIN buildrequests r ON r.id = b.buildrequestid
        WHERE NOT b.complete AND r.state != 2""",
    "buildset {} has complete={} but {} open requests": """
        SELECT s.id, s.complete, count(r.id) FROM buildsets s
        LEFT JOIN buildrequests r ON r.buildsetid = s.id AND r.state != 3
        GROUP BY s.id HAVING s.complete != (count(r.id) = 0)""",
    "request {} was retried {} times": f"SELECT id, retries FROM buildrequests WHERE retries > {MAX_AUTOMATIC_RETRIES}",
    "request {} has {} requests of builder {} in its buildset": """
        SELECT min(id), count(*), builderid FROM buildrequests GROUP BY buildsetid, builderid HAVING count(*) > 1""",
    "request {} was built {} times to an end": f"""
        SELECT buildrequestid, count(*) FROM builds WHERE complete AND results != {RETRY}
        GROUP BY buildrequestid HAVING count(*) > 1""",
    "request {} is complete without results": """
        SELECT id FROM buildrequests WHERE (state = 3) != (results IS NOT NULL)""",
    "build {} is complete without results": "SELECT id FROM builds WHERE complete != (results IS NOT NULL)",
    "request {} ended as {} but its last build as {}": """
        SELECT r.id, r.results, b.results FROM buildrequests r JOIN builds b ON b.buildrequestid = r.id
        WHERE r.state = 3 AND b.id = (SELECT max(id) FROM builds WHERE buildrequestid = r.id)
        AND r.results != b.results AND NOT (b.results = 5 AND r.results IN (3, 4, 6))""",
    "request {} was superseded by {} which does not exist": """
        SELECT r.id, r.superseded_by FROM buildrequests r LEFT JOIN buildrequests n ON n.id = r.superseded_by
        WHERE r.superseded_by IS NOT NULL AND n.id IS NULL""",
    "superseded request {} was built": """
        SELECT DISTINCT r.id FROM buildrequests r JOIN builds b ON b.buildrequestid = r.id
        WHERE r.superseded_by IS NOT NULL AND b.results != 5""",
    "cursor {} is at {}, ahead of the head {}": """
        SELECT name, c.position, h.position FROM cursors c, journal_head h WHERE c.position > h.position""",
    "the journal has {} facts from {} to {} but its head is {}": """
        SELECT n, low, high, head FROM (SELECT count(*) n, min(position) low, max(position) high FROM journal),
        (SELECT position head, pruned FROM journal_head)
        WHERE n > 0 AND (high != head OR high - low + 1 != n OR low != pruned + 1)""",
    "builder {} has {} builds but the highest number is {}": """
        SELECT builderid, count(*), max(number) FROM builds GROUP BY builderid HAVING count(*) != max(number)""",
    "log {} has chunks that end at {} and begin at {}": """
        SELECT a.logid, a.last_line, b.first_line FROM log_chunks a JOIN log_chunks b
        ON b.logid = a.logid AND b.first_line = (SELECT min(first_line) FROM log_chunks
        WHERE logid = a.logid AND first_line > a.first_line) WHERE b.first_line != a.last_line + 1""",
    "log {} does not begin with its first line": """
        SELECT logid FROM log_chunks GROUP BY logid HAVING min(first_line) != 0""",
    "step {} runs in build {} which has ended": """
        SELECT s.id, b.id FROM steps s JOIN builds b ON b.id = s.buildid WHERE b.complete AND NOT s.complete""",
    "firing of scheduler {} at {} names a buildset that does not exist": """
        SELECT f.schedulerid, f.fire_time FROM scheduler_firings f LEFT JOIN buildsets s ON s.id = f.buildsetid
        WHERE f.buildsetid IS NOT NULL AND s.id IS NULL""",
}

AT_REST = {
    "request {} is in state {}": "SELECT id, state FROM buildrequests WHERE state != 3",
    "build {} is still running": "SELECT id FROM builds WHERE NOT complete",
    "log {} of a finished build is open": """
        SELECT l.id FROM logs l JOIN steps s ON s.id = l.stepid JOIN builds b ON b.id = s.buildid
        WHERE b.complete AND NOT l.complete""",
    "complete log {} has {} lines but its chunks end at {}": """
        SELECT l.id, l.num_lines, max(c.last_line) FROM logs l LEFT JOIN log_chunks c ON c.logid = l.id
        JOIN steps s ON s.id = l.stepid WHERE l.complete GROUP BY l.id
        HAVING coalesce(max(c.last_line), -1) + 1 != l.num_lines""",
    "a stable timer of scheduler {} still waits": "SELECT schedulerid FROM scheduler_timers",
    "important change {} still waits in scheduler {}": """
        SELECT changeid, schedulerid FROM scheduler_changes WHERE important""",
}


class Rows:
    """The rows of a simulated master, read past it."""

    def __init__(self, path: Path) -> None:
        self._conn = sqlite3.connect(path, isolation_level=None)
        self._conn.execute("PRAGMA query_only=ON")
        self._read_up_to = 0
        self._states: dict[int, RequestState] = {}

    def close(self) -> None:
        """Read no more."""
        self._conn.close()

    def all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._conn.execute(query, values).fetchall()

    def column(self, query: str, *values: Any) -> list[Any]:
        """The first values of a query's rows."""
        return [row[0] for row in self.all(query, *values)]

    def enabled(self) -> dict[str, bool]:
        """Which schedulers are on."""
        return {name: bool(on) for name, on in self.all("SELECT name, enabled FROM schedulers")}

    def _violations(self, rules: dict[str, str]) -> list[str]:
        return [text.format(*row) for text, query in rules.items() for row in self.all(query)]

    def problems(self, writes_failed: bool) -> list[str]:
        """What must never be, at any commit; of writes that failed, only progress may be missing."""
        return self._violations(_without_progress(ALWAYS, writes_failed)) + self._illegal_moves()

    def final_problems(self, writes_failed: bool) -> list[str]:
        """What must not be when everything is at rest."""
        return self._violations(_without_progress(AT_REST, writes_failed))

    def at_rest(self) -> bool:
        """Whether nothing is being done any more."""
        return not self.unrest()

    def unrest(self) -> list[str]:
        """What keeps everything from being at rest."""
        names = list(AT_REST)
        return self._violations({name: AT_REST[name] for name in (*names[:2], *names[4:])})

    def _illegal_moves(self) -> list[str]:
        """Moves of requests that the table does not allow, from the facts since the last look."""
        wrong = []
        ((head, pruned),) = self.all("SELECT position, pruned FROM journal_head")
        if pruned > self._read_up_to:  # much has happened since: some of its facts are gone already
            self._read_up_to = head
            rows = self.all("SELECT id, state FROM buildrequests")
            self._states = {requestid: RequestState(state) for requestid, state in rows}
        facts = self.all(
            "SELECT position, event, json_extract(fields, '$.buildrequestid'), json_extract(fields, '$.held') "
            "FROM journal WHERE kind = 'buildrequest' AND position > ? ORDER BY position",
            self._read_up_to,
        )
        for position, event, requestid, held in facts:
            self._read_up_to = position
            before = self._states.get(requestid)
            after = _state_after(event, held, before)
            if event == "new":
                wrong += [f"request {requestid} is new twice"] if before is not None else []
            elif before is None:
                wrong.append(f"request {requestid}: {event} before it was new")
            elif after != before and after not in REQUEST_MOVES[before]:
                wrong.append(f"request {requestid}: {event} though it was {before.name}")
            elif after == before and event in ("complete", "claimed"):
                wrong.append(f"request {requestid}: {event} twice")
            self._states[requestid] = after
        return wrong

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        tables = self.column("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return {table: sorted(self.all(f"SELECT * FROM {table}"), key=repr) for table in tables}


_PROGRESS = ("log", "complete log", "step")
"""Rules about what builds store without waiting: it is lost if the database refuses it for good."""


def _without_progress(rules: dict[str, str], writes_failed: bool) -> dict[str, str]:
    return {text: rule for text, rule in rules.items() if not (writes_failed and text.startswith(_PROGRESS))}


def _state_after(event: str, held: Any, before: RequestState | None) -> RequestState:
    if event == "new":
        return RequestState.HELD if held else RequestState.PENDING
    if event == "claimed":
        return RequestState.CLAIMED
    if event == "complete":
        return RequestState.COMPLETE
    if event == "unclaimed" or (event == "update" and before == RequestState.HELD and not held):
        return RequestState.PENDING
    return before if before is not None else RequestState.PENDING


def is_caught_up(master: Any) -> bool:
    """Whether everything that was stored has been read."""
    return all(consumer.position >= master.journal.head for consumer in master.journal.consumers())


def live_problems(master: Any, rows: Rows, writes_failed: bool) -> list[str]:
    """Where the live master and the rows do not agree; nothing is said while writes are under way.

    A build whose end could not be stored again and again is left to the reconciler.
    """
    db = master.db
    if db is None or db._busy or db._main or db._bulk:
        return []
    starter = master.botmaster.distributor.starter
    stored = set(rows.column("SELECT id FROM builds WHERE NOT complete"))
    orphans = [] if writes_failed else sorted(stored - set(starter.running))
    wrong = [f"build {i} runs in the rows, but nobody runs it" for i in orphans]
    objects = {id(build): build for build, _ in starter.running.values() if build is not None}
    for real in master.locks:
        for lock in getattr(real, "_locks", {"": real}).values():
            for owner, _ in lock.owners:
                build = getattr(owner, "build", owner)
                if id(build) not in objects:
                    wrong.append(f"{lock!r} is held by {owner!r}, which does not run")
    position = {consumer.name: consumer.position for consumer in master.journal.consumers()}
    wrong += [f"consumer {n} is ahead of the journal" for n, at in position.items() if at > master.journal.head]
    busy = [wfb for b in master.botmaster.builders.values() for wfb in b.workers if wfb.isBusy()]
    if len(busy) > starter.busy:
        wrong.append(f"{len(busy)} workers are busy with {starter.busy} builds")
    return wrong
