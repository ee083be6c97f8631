"""The reference model: what each scheduler must have made of what happened, kept apart from how the master does it.

The :class:`Chronicle` notes when the master was up and how it was configured, as seen from outside.  In the end it says
for each change and scheduler whether there must be a buildset, and which changes must be built together or apart.
Where it cannot know (the answer to a switch had not come when the change was stored, say), it demands only that nothing
is doubled.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import attrs

from tests.simulation.configuration import HANGING_FILE, NIGHTLY, SLOW_FILE
from tests.simulation.histories import Force, Push, SchedulerSpec, Setup, Try

PERIODS = {"periodic": 200, "nightly": 60 * NIGHTLY}
MUST, RIDES, MAY, NEVER = "must", "rides", "may", "never"

_CHILDREN = """
    SELECT b.buildrequestid, s.scheduler, count(*) FROM buildsets s JOIN builds b ON b.id = s.parent_buildid
    """
_TRIGGERED = """
    SELECT b.buildrequestid, substr(t.name, 9), t.id, t.complete_at FROM steps t JOIN builds b ON b.id = t.buildid
    WHERE t.name LIKE 'trigger-%' AND t.results = 0
    """
_CHILDREN_OF = """
    SELECT s.id, s.complete_at, min(r.waited_for) FROM buildsets s JOIN builds b ON b.id = s.parent_buildid
    LEFT JOIN buildrequests r ON r.buildsetid = s.id
    WHERE b.buildrequestid = ? AND s.scheduler = ? GROUP BY 1, 2
    """


@attrs.define
class Span:
    """A time in which nothing changed from outside."""

    begin: float
    up: bool
    certain: bool
    missing: frozenset[str]
    timers: float
    enabled: dict[str, bool]
    end: float = float("inf")

    def active(self, name: str) -> bool | None:
        """Whether a scheduler was at work; None if that is not known."""
        if not self.certain:
            return None
        return self.up and name not in self.missing and self.enabled.get(name, True)


@attrs.frozen
class StoredChange:
    """A change as it is stored."""

    id: int
    revision: str
    branch: str
    files: tuple[str, ...]
    at: float
    home: tuple[str, str]  # repository and project


@attrs.define
class Reading:
    """A scheduler's reading of a change, which took place between ``change.at`` and ``latest``."""

    change: StoredChange
    latest: float
    verdict: str = MAY


class Chronicle:
    """What happened to a master, as seen from outside."""

    def __init__(self, setup: Setup, rows: Any) -> None:
        self._setup = setup
        self._rows = rows
        self.spans: list[Span] = []
        self._lives: list[tuple[float, float]] = []  # when a master ended, and when the next one ran
        self._open: set[str] = set()  # questions without an answer
        self._newest: tuple[frozenset[str], float] = (frozenset(), 1.0)  # configuration
        self._ever_missing: set[str] = set()
        self._troubles: list[float] = []
        self._broken: list[float] = []
        self._pushed: dict[str, bool] = {}  # revision → whether the client was told that it is stored
        self._forced: dict[str, bool] = {}
        self._tried: dict[str, Try] = {}
        self._committed = 0

    # -- noting ------------------------------------------------------------------------------------------------------

    def _turn(self, at: float, **changed: Any) -> None:
        if not self.spans:
            self.spans.append(Span(at, False, True, frozenset(), 1.0, {}))
        last = self.spans[-1]
        last.end = at
        self.spans.append(attrs.evolve(last, begin=at, end=float("inf"), **changed))

    def runs(self, at: float) -> None:
        """A master has started."""
        if self._lives and self._lives[-1][1] == float("inf"):
            self._lives[-1] = (self._lives[-1][0], at)
        self._open.clear()
        missing, timers = self._newest
        self._turn(at, up=True, certain=True, missing=missing, timers=timers, enabled=dict(self._rows.enabled()))

    def ends(self, at: float) -> None:
        """A master has ended."""
        if not self._lives or self._lives[-1][1] != float("inf"):
            self._lives.append((at, float("inf")))
        self._turn(at, up=False)

    def asked(self, what: str, at: float) -> None:
        """Something is being switched; until there is an answer nobody knows how far it has come."""
        self._open.add(what)
        self._turn(at, certain=False)

    def configured(self, missing: Collection[str], timers: float) -> None:
        """This is what a configuration read from now on says."""
        self._newest = (frozenset(missing), timers)
        self._ever_missing |= set(missing)

    def answered(self, what: str, ok: bool, at: float) -> None:
        """An answer has come."""
        if ok and what in self._pushed:
            self._pushed[what] = True
        if ok and what in self._forced:
            self._forced[what] = True
        if what not in self._open:
            return
        if what.startswith("reconfig") and not ok:
            return  # parts of it may be in force
        self._open.discard(what)
        missing, timers = self._newest
        self._turn(at, certain=not self._open, missing=missing, timers=timers, enabled=dict(self._rows.enabled()))

    def disturbed(self, at: float, broken: bool) -> None:
        """The database gives trouble from now on; ``broken``: writes fail."""
        (self._broken if broken else self._troubles).append(at)

    def pushed(self, event: Push) -> None:
        """A client sends a change."""
        self._pushed[event.revision] = False

    def committed(self, count: int) -> None:
        """So many revisions are there to be polled."""
        self._committed = count

    def forced(self, event: Force) -> None:
        """Somebody presses a button."""
        self._forced[event.token] = False

    def tried(self, event: Try) -> None:
        """Somebody hands in a patch; its buildset's reason ends with the token, as that of a forced one."""
        self._forced[event.token] = False
        self._tried[event.token] = event

    @property
    def writes_failed(self) -> bool:
        """Whether the database ever gave trouble that makes writes fail."""
        return bool(self._broken)

    # -- judging -----------------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """What the rows say that should not be, or do not say."""
        changes = [
            StoredChange(i, revision, branch, tuple(json.loads(files)), at, (repository, project))
            for i, revision, branch, files, at, repository, project in self._rows.all(
                "SELECT id, revision, branch, files, received_at, repository, project FROM changes ORDER BY id"
            )
        ]
        wrong = self._changes_stored_once(changes) + self._forces_stored_once() + self._children_once()
        wrong += self._patches_kept()
        for spec in self._setup.schedulers:
            wrong += self._right_builders(spec) if spec.kind != "try" else []
            if spec.kind in ("any", "single"):
                wrong += self._right_buildsets(spec, changes)
            elif spec.kind in PERIODS:
                wrong += self._by_clock(spec)
            elif spec.kind == "dependent":
                wrong += self._dependent(spec)
        return wrong

    def _changes_stored_once(self, changes: Sequence[StoredChange]) -> list[str]:
        stored = [change.revision for change in changes]
        wrong = [f"change {r} is stored {stored.count(r)} times" for r in sorted(set(stored)) if stored.count(r) > 1]
        wrong += [
            f"change {r} was acknowledged and is lost" for r, ok in self._pushed.items() if ok and r not in stored
        ]
        polled = [f"p{n}" for n in range(1, self._committed + 1)]
        return wrong + [f"polled revision {r} is missing" for r in polled if r not in stored]

    def _forces_stored_once(self) -> list[str]:
        reasons = self._rows.column("SELECT reason FROM buildsets")
        counts = {token: sum(r.endswith(" " + token) for r in reasons) for token in self._forced}
        return [
            f"{token} has {counts[token]} buildsets, {'acknowledged' if ok else 'never answered'}"
            for token, ok in self._forced.items()
            if counts[token] > 1 or (ok and not counts[token])
        ]

    def _patches_kept(self) -> list[str]:
        wrong = []
        built: dict[str, tuple[str, ...]] = {
            reason.rpartition(" ")[2]: tuple(sorted(json.loads(names)))
            for reason, names in self._rows.all(
                "SELECT s.reason, json_group_array(b.name) FROM buildsets s JOIN buildrequests r "
                "ON r.buildsetid = s.id JOIN builders b ON b.id = r.builderid GROUP BY s.id"
            )
        }
        patches = {
            reason.rpartition(" ")[2]: body
            for reason, body in self._rows.all(
                "SELECT s.reason, p.body FROM buildsets s JOIN buildset_sourcestamps x ON x.buildsetid = s.id "
                "JOIN sourcestamps t ON t.id = x.sourcestampid JOIN patches p ON p.id = t.patchid"
            )
        }
        for token, event in self._tried.items():
            if token not in built:
                continue
            all_of_it = next(spec.builders for spec in self._setup.schedulers if spec.name == event.scheduler)
            most = event.builders or all_of_it
            least = set(most) - self._ever_missing
            if not least <= set(built[token]) <= set(most):
                wrong.append(f"{token} is for {built[token]}, not for {most}")
            if patches.get(token) not in (f"+{token}", f"+{token}".encode()):
                wrong.append(f"the patch of {token} is {patches.get(token)!r}")
        plain = tuple(b.name for b in self._setup.builders if b.collapse in ("default", "yes"))
        return wrong + [
            f"request {request} of {reason!r} carries a patch and was superseded"
            for request, reason, builder in self._rows.all(
                "SELECT r.id, s.reason, b.name FROM buildrequests r JOIN buildsets s ON s.id = r.buildsetid "
                "JOIN builders b ON b.id = r.builderid WHERE r.superseded_by IS NOT NULL"
            )
            if reason.rpartition(" ")[2] in self._tried and builder in plain
        ]

    def _children_once(self) -> list[str]:
        wrong = [
            f"request {request} has {count} buildsets of {scheduler}"
            for request, scheduler, count in self._rows.all(_CHILDREN + "GROUP BY 1, 2 HAVING count(*) > 1")
        ]
        for request, scheduler, step, ended in self._rows.all(_TRIGGERED):
            children = self._rows.all(_CHILDREN_OF, request, scheduler)
            if not children and all(span.enabled.get(scheduler, True) for span in self.spans):
                wrong.append(f"step {step} has triggered {scheduler}, but there is no buildset of it")
            wrong += [
                f"step {step} ended before buildset {child} for which it waits"
                for child, complete_at, waited in children
                if waited and complete_at is not None and complete_at > ended
            ]
        return wrong

    def _right_builders(self, spec: SchedulerSpec) -> list[str]:
        wrong = []
        found: dict[int, set[str]] = defaultdict(set)
        for buildset, builder in self._rows.all(
            "SELECT s.id, b.name FROM buildsets s LEFT JOIN buildrequests r ON r.buildsetid = s.id "
            "LEFT JOIN builders b ON b.id = r.builderid WHERE s.scheduler = ?",
            spec.name,
        ):
            found[buildset].add(builder)
        for buildset, names in found.items():
            names.discard(None)  # type: ignore[arg-type]
            if not set(spec.builders) - self._ever_missing <= names <= set(spec.builders):
                wrong.append(f"buildset {buildset} of {spec.name} is for {sorted(names)}, not for {spec.builders}")
        return wrong

    # -- schedulers of changes ---

    def _between(self, begin: float, end: float) -> list[Span]:
        return [span for span in self.spans if span.end >= begin and span.begin <= end]

    def _state(self, spec: SchedulerSpec, begin: float, end: float) -> bool | None:
        """Whether a scheduler was at work all the time that the master was up (True), never (False), or who knows."""
        # it counts which configuration reads the change, in this life or the next
        states = {span.active(spec.name) for span in self._between(begin, end) if span.up or not span.certain}
        return states.pop() if len(states) == 1 else None

    def _near_trouble(self, at: float, broken: bool = False) -> bool:
        return any(t - 200 <= at <= t + 300 for t in (self._broken if broken else self._broken + self._troubles))

    def _readings(self, spec: SchedulerSpec, changes: Sequence[StoredChange]) -> list[Reading]:
        """When each change was read at the latest: slow callbacks hold up what follows, crashes what was in hand."""
        found: list[Reading] = []
        queue: list[Reading] = []  # what is read without a break
        busy = 0.0

        def work_off(until: float) -> None:
            nonlocal busy
            for ended, next_life in self._lives:
                if queue and queue[0].change.at <= ended <= busy and next_life <= until:
                    again = [r for r in queue if r.latest >= ended]
                    busy = next_life + sum(_seconds(spec, r.change) for r in queue)
                    for reading in again:
                        reading.latest = busy

        for change in changes:
            work_off(change.at)
            waits = busy > change.at
            if not waits:
                queue = []
            reading = Reading(change, 0.0)
            queue.append(reading)
            found.append(reading)
            busy = max(busy, change.at) + _seconds(spec, change)
            if waits:
                for other in queue:
                    other.latest = busy
            reading.latest = busy
        work_off(float("inf"))
        for reading in found:
            if self._near_trouble(reading.change.at):
                reading.latest += 150
            reading.verdict = self._verdict(spec, reading)
        return found

    def _verdict(self, spec: SchedulerSpec, reading: Reading) -> str:
        change = reading.change
        state = self._state(spec, change.at, reading.latest + 0.01)
        if state is None or self._near_trouble(change.at, True):
            return MAY
        if not state or (spec.filter == "main" and change.branch != "main"):
            return NEVER
        if spec.filter == "function" and change.branch == "dev":
            return NEVER
        important = True
        if spec.important == "code":
            if "raises.c" in change.files or "hangs.c" in change.files:
                return NEVER
            important = "slow.c" in change.files or "code.c" in change.files
        if important:
            return MUST
        return NEVER if spec.timer is None or spec.only_important else RIDES

    def _right_buildsets(self, spec: SchedulerSpec, changes: Sequence[StoredChange]) -> list[str]:
        built: dict[int, list[int]] = defaultdict(list)
        members: dict[int, list[int]] = defaultdict(list)
        for buildset, change in self._rows.all(
            "SELECT s.id, c.changeid FROM buildsets s LEFT JOIN buildset_changes c ON c.buildsetid = s.id "
            "WHERE s.scheduler = ? ORDER BY 1, 2",
            spec.name,
        ):
            built[change].append(buildset)
            members[buildset].append(change)
        wrong = self._right_stamps(spec, members)
        readings = self._readings(spec, changes)
        for reading in readings:
            name, sets = reading.change.revision, built[reading.change.id]
            if len(sets) > 1:
                wrong.append(f"{spec.name} has built {name} in the buildsets {sets}")
            if reading.verdict == NEVER and sets:
                wrong.append(f"{spec.name} has built {name}, which it should not have")
            if reading.verdict == MUST and not sets:
                wrong.append(f"{spec.name} has not built {name}")
        if spec.timer is None:
            wrong += [f"buildset {b} of {spec.name} has the changes {m}" for b, m in members.items() if len(m) != 1]
            return wrong
        lines: dict[Any, list[Reading]] = defaultdict(list)  # each has a stable timer of its own
        for reading in readings:
            if reading.verdict != NEVER:
                change = reading.change
                lines[(change.branch, change.home) if spec.kind == "any" else ""].append(reading)
        for line in lines.values():
            wrong += self._right_groups(spec, line, built)
        return wrong

    def _right_stamps(self, spec: SchedulerSpec, members: dict[int, list[int]]) -> list[str]:
        wrong = []
        for buildset, revision in self._rows.all(
            "SELECT s.id, t.revision FROM buildsets s JOIN buildset_sourcestamps x ON x.buildsetid = s.id "
            "JOIN sourcestamps t ON t.id = x.sourcestampid WHERE s.scheduler = ?",
            spec.name,
        ):
            changes = [change for change in members[buildset] if change is not None]
            newest = self._rows.column("SELECT revision FROM changes WHERE id = ?", max(changes)) if changes else []
            if newest != [revision]:
                wrong.append(f"buildset {buildset} of {spec.name} builds {revision}, its newest change is {newest}")
        return wrong

    def _right_groups(self, spec: SchedulerSpec, line: Sequence[Reading], built: dict[int, list[int]]) -> list[str]:
        """Changes of one stable timer: together if it was not stable between them, apart if it was."""
        wrong = []
        important = [reading for reading in line if reading.verdict == MUST]
        for reading in line:
            later = [other for other in important if other.change.id > reading.change.id]
            if reading.verdict == RIDES and later and not built[reading.change.id]:
                wrong.append(f"{spec.name} has not built {reading.change.revision} with {later[0].change.revision}")
        for one, two in itertools.pairwise(important):
            if not built[one.change.id] or not built[two.change.id]:
                continue
            together = built[one.change.id] == built[two.change.id]
            names = f"{one.change.revision} and {two.change.revision}"
            doubtful = any(r.verdict == MAY and one.change.id < r.change.id < two.change.id for r in line)
            if together and not doubtful and self._must_fire(spec, one, two.change.at):
                wrong.append(f"{spec.name} has built {names} together, though its timer was due between them")
            if not together and two.latest + 0.01 < one.change.at + self._timer(spec, one.change.at, min):
                wrong.append(f"{spec.name} has built {names} apart, though its timer was not due between them")
        return wrong

    def _timer(self, spec: SchedulerSpec, at: float, choose: Any) -> float:
        assert spec.timer is not None
        return spec.timer * choose(span.timers for span in self._between(at - 200, at + 500))

    def _must_fire(self, spec: SchedulerSpec, one: Reading, before: float) -> bool:
        """Whether the timer that a change started was due before this moment, with the scheduler at work."""
        slack = 150.0 if self._near_trouble(before) or self._near_trouble(one.latest) else 1.0
        due = one.latest + self._timer(spec, one.change.at, max)
        active = [span for span in self._between(due, before) if span.active(spec.name)]
        return any(min(span.end, before) - max(span.begin, due) > slack for span in active) and not self._held_up(
            spec, due, before
        )

    def _held_up(self, spec: SchedulerSpec, due: float, before: float) -> bool:
        """Whether an unread change can have kept a due timer from firing: it waits until everything is read."""
        return spec.important == "code" and any(
            at > due - 130 and at < before
            for (at,) in self._rows.all(
                "SELECT received_at FROM changes WHERE files LIKE '%hangs.c%' OR files LIKE '%slow.c%'"
            )
        )

    # -- others ---

    def _by_clock(self, spec: SchedulerSpec) -> list[str]:
        period = PERIODS[spec.kind]
        ids = self._rows.column("SELECT id FROM schedulers WHERE name = ?", spec.name)
        times = self._rows.column(
            "SELECT fire_time FROM scheduler_firings WHERE schedulerid = ? ORDER BY 1", *(ids or [None])
        )
        buildsets = self._rows.column("SELECT id FROM buildsets WHERE scheduler = ?", spec.name)
        wrong = []
        if len(buildsets) > len(times) or (spec.important == "none" and len(buildsets) < len(times)):
            wrong.append(f"{spec.name} has fired {len(times)} times and made {len(buildsets)} buildsets")
        gaps = [two - one for one, two in itertools.pairwise(times)]
        wrong += [f"{spec.name} has fired again after {gap} s" for gap in gaps if gap < period - 1]
        if spec.kind == "nightly":
            wrong += [f"{spec.name} has fired at {at}, which is not its time" for at in times if at % period]
            wrong += self._changes_built_once(spec)
        for span in self.spans:
            if span.active(spec.name) and span.end - span.begin > 2 * period and not self._near_trouble(span.begin):
                inside = [t for t in times if span.begin - 1 <= t <= span.end]
                if len(inside) < (span.end - span.begin) // period - 1:
                    wrong.append(f"{spec.name} fired only at {inside} from {span.begin} to {span.end}")
        return wrong

    def _changes_built_once(self, spec: SchedulerSpec) -> list[str]:
        return [
            f"{spec.name} has built change {change} {count} times"
            for change, count in self._rows.all(
                "SELECT c.changeid, count(*) FROM buildset_changes c JOIN buildsets s ON s.id = c.buildsetid "
                "WHERE s.scheduler = ? GROUP BY 1 HAVING count(*) > 1",
                spec.name,
            )
        ]

    def _dependent(self, spec: SchedulerSpec) -> list[str]:
        own = self._rows.column("SELECT id FROM buildsets WHERE scheduler = ?", spec.name)
        upstream = self._rows.column(
            "SELECT complete_at FROM buildsets WHERE scheduler = ? AND complete AND results IN (0, 1)", spec.upstream
        )
        certain = [
            at for at in upstream if self._state(spec, at, at + 0.01) is True and not self._near_trouble(at, True)
        ]
        impossible = [at for at in upstream if self._state(spec, at, at + 0.01) is False]
        if len(certain) <= len(own) <= len(upstream) - len(impossible):
            return []
        return [
            f"{spec.name} has made {len(own)} buildsets of {len(upstream)} that succeeded upstream, "
            f"{len(certain)} of them certainly, {len(impossible)} certainly not while it was at work"
        ]


def _seconds(spec: SchedulerSpec, change: StoredChange) -> float:
    """How long a scheduler takes over a change."""
    if spec.important != "code" or "raises.c" in change.files:
        return 0.0
    if spec.filter == "main" and change.branch != "main":
        return 0.0
    if spec.filter == "function" and change.branch == "dev":
        return 0.0
    if "hangs.c" in change.files:
        return HANGING_FILE
    return SLOW_FILE if "slow.c" in change.files else 0.0
