"""Changes, buildsets, requests and schedulers on every database: what is stored, and who wins of two."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest
import sqlalchemy as sa

from buildmaster.base.collapse import match_key
from buildmaster.base.moves import RequestState
from buildmaster.base.records import NewBuildset, NewChange, Patch, SourceStamp
from buildmaster.base.results import CANCELLED, FAILURE, SKIPPED, SUCCESS
from buildmaster.db import (
    buildsets,
    changes,
    claiming,
    collapsing,
    ending,
    included,
    loading,
    masters,
    reasons,
    reconciling,
    requests,
    schedulers,
    schema,
    sources,
    sourcestamps,
)
from buildmaster.db.engine import Database
from buildmaster.process.starting import claim_and_add
from tests.contract.conftest import Place


class Rows:
    """One master's view of a database, asked synchronously."""

    def __init__(self, place: Place, name: str = "m1") -> None:
        self.place = place
        self.db: Database = place.open()
        self.masterid, epoch, batch = self.write(masters.begin, name)
        self.wait(self.db.become(self.masterid, epoch, batch))

    def wait(self, value: Any) -> Any:
        return self.place.wait(value)

    def write(self, function: Any, *args: Any) -> Any:
        return self.wait(self.db.write(function, *args))

    def read(self, function: Any, *args: Any) -> Any:
        return self.wait(self.db.read(function, *args))

    def change(self, revision: str, **fields: Any) -> int:
        new = NewChange("me", f"c {revision}", ["f"], repository="r", branch="main", revision=revision)
        return self.write(changes.add, attrs.evolve(new, **fields))

    def add(
        self, *changeids: int, mode: str | None = "builtin", builders: Any = (1,), **more: Any
    ) -> tuple[int, list[int]]:
        """A buildset of these changes; its id and those of its requests."""
        stamps = [SourceStamp(repository="r", branch="main", revision=str(changeids[-1]) if changeids else None)]
        known = [self.read(changes.get, changeid) for changeid in changeids]
        if known:
            stamps = [SourceStamp("", "r", "", "main", known[-1].revision, ssid=known[-1].ssid, has_changes=True)]
        modes = {builderid: mode for builderid in builders if mode is not None}
        new = NewBuildset(list(builders), stamps, "s", changeids=list(changeids), collapse=modes)
        buildsetid, ids = self.write(buildsets.add, attrs.evolve(new, **more))
        return buildsetid, [ids[builderid] for builderid in builders]

    def state(self, requestid: int) -> tuple[str, int | None]:
        request = self.read(requests.get, requestid)
        return RequestState(request.state).name, request.results


@pytest.fixture
def rows(place: Place) -> Rows:
    made = Rows(place)
    made.write(_builders)
    return made


def _builders(txn: Any) -> None:
    for builderid in (1, 2):
        txn.insert(schema.builders, id=builderid, name=f"b{builderid}", tags="[]")


def test_a_change_is_stored_once_and_knows_its_parent(rows: Rows) -> None:
    first = rows.change("r1", properties={"p": ([1, "x"], "Change")}, files=["ä", "b"], comments="☃" * 300)
    second = rows.change("r2", idempotency_key="k")
    assert rows.change("r3", idempotency_key="k") == second
    other = rows.change("r1", branch=None)
    stored = rows.read(changes.get, first)
    assert stored.properties == {"p": ([1, "x"], "Change")}
    assert (stored.files, stored.comments) == (["ä", "b"], "☃" * 300)
    assert [rows.read(changes.get, i).parent_changeids for i in (first, second, other)] == [[], [first], []]
    assert [c.changeid for c in rows.read(changes.get_many, [other, first])] == [first, other]


def test_equal_source_stamps_are_one(rows: Rows) -> None:
    plain = SourceStamp("c", "r", "p", "b", "1")
    patched = attrs.evolve(plain, patch=Patch(b"\0\xffdiff", 2, "sub", "me", "why"))
    ids = [rows.write(sourcestamps.find_or_add, stamp) for stamp in (plain, patched, plain, patched)]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]
    stored = rows.read(sourcestamps.get, ids[1])
    assert (stored.patch.body, stored.patch.level, stored.patch.subdir) == (b"\0\xffdiff", 2, "sub")


def test_a_buildset_is_stored_once_for_each_key(rows: Rows) -> None:
    change = rows.change("r1")
    first = rows.add(change, idempotency_key="k", builders=(1, 2))
    assert rows.add(change, idempotency_key="k", builders=(1, 2)) == first
    assert rows.read(buildsets.request_ids, first[0]) == {1: first[1][0], 2: first[1][1]}
    assert rows.read(buildsets.change_ids, first[0]) == [change]


def test_the_newer_request_takes_the_older_ones_changes_over(rows: Rows) -> None:
    ids = [rows.add(rows.change(f"r{n}"))[1][0] for n in range(4)]
    assert [rows.state(i) for i in ids] == [("COMPLETE", SKIPPED)] * 3 + [("PENDING", None)]
    assert len(rows.read(included.change_ids, ids[-1])) == 4
    loaded = rows.read(loading.load, [ids[-1]])[ids[-1]]
    assert [change.revision for change in loaded.changes] == ["r0", "r1", "r2", "r3"]
    assert [stamp.revision for stamp in loaded.stamps] == ["r3"]
    verdicts = rows.read(reasons.of, "buildrequest", ids)
    assert [(r.subjectid, r.detail["superseded_by"]) for r in verdicts] == list(itertools.pairwise(ids))


def test_a_long_chain_of_superseded_requests_is_followed_to_its_end(rows: Rows) -> None:
    count = 1500  # more than MariaDB follows in one recursion

    def chain(txn: Any) -> None:
        txn.insert(schema.buildsets, id=1, reason="", submitted_at=0, properties="{}")
        for n in range(1, count + 1):
            txn.insert(
                schema.buildrequests,
                id=n,
                buildsetid=1,
                builderid=1,
                state=int(RequestState.COMPLETE),
                submitted_at=0,
                superseded_by=n + 1 if n < count else None,
            )

    rows.write(chain)
    assert sorted(rows.read(included.superseded_chain, count)) == list(range(1, count + 1))


def test_a_buildset_ends_with_its_last_request_and_is_as_bad_as_the_worst(rows: Rows) -> None:
    buildsetid, (one, two) = rows.add(builders=(1, 2))
    rows.write(ending.complete_in, [one], FAILURE)
    assert rows.read(buildsets.get, buildsetid).complete == 0
    rows.write(ending.complete_in, [two], SUCCESS, 123.5)
    row = rows.read(buildsets.get, buildsetid)
    assert (row.complete, row.results, row.complete_at) == (1, FAILURE, 123.5)


def test_a_buildset_without_builders_is_complete_at_once(rows: Rows) -> None:
    buildsetid, _ = rows.add(builders=())
    row = rows.read(buildsets.get, buildsetid)
    assert (row.complete, row.results) == (1, SUCCESS)


def test_claims_are_numbered_builds_of_what_was_still_pending(rows: Rows) -> None:
    ids = [rows.add(mode=None)[1][0] for _ in range(3)]
    rows.write(ending.cancel, ids[1], "no")
    claims = [claiming.Claim(i, 1, None) for i in ids]
    got, loaded = rows.write(claim_and_add, claims, rows.masterid, rows.db.epoch, ids, {})
    assert {i: row.number for i, row in got.items()} == {ids[0]: 1, ids[2]: 2}
    assert sorted(loaded) == [ids[0], ids[2]]
    assert [rows.state(i) for i in ids] == [("CLAIMED", None), ("COMPLETE", CANCELLED), ("CLAIMED", None)]
    assert rows.write(claim_and_add, claims, rows.masterid, rows.db.epoch, [], {})[0] == {}


@pytest.mark.only_on("postgresql", "mariadb")
def test_of_two_masters_that_claim_the_same_requests_each_is_served_by_one(place: Place, rows: Rows) -> None:
    other = Rows(place, "m2")
    ids = [rows.add(mode=None)[1][0] for _ in range(40)]
    claims = [claiming.Claim(i, 1, None) for i in ids]
    pending = []
    for start in range(0, 40, 4):
        part = claims[start : start + 4]
        pending.append((rows, rows.db.write(claim_and_add, part, rows.masterid, rows.db.epoch, [], {})))
        pending.append((other, other.db.write(claim_and_add, part, other.masterid, other.db.epoch, [], {})))
    won: dict[int, int] = {}
    for master, deferred in pending:
        try:
            got, _ = master.wait(deferred)
        except sa.exc.IntegrityError:  # the other took the build number; the distributor asks again later
            continue
        for requestid in got:
            assert requestid not in won
            won[requestid] = master.masterid
    numbers = rows.read(lambda conn: conn.execute(sa.select(schema.builds.c.number)).scalars().all())
    assert len(set(numbers)) == len(numbers) == len(won)


@pytest.mark.only_on("postgresql", "mariadb")
def test_the_last_two_requests_of_a_buildset_may_end_on_two_masters_at_once(place: Place, rows: Rows) -> None:
    other = Rows(place, "m2")
    made = [rows.add(builders=(1, 2), mode=None) for _ in range(20)]
    pending = []
    for _, (one, two) in made:
        pending.append((rows, rows.db.write(ending.complete_in, [one], SUCCESS)))
        pending.append((other, other.db.write(ending.complete_in, [two], SUCCESS)))
    for master, deferred in pending:
        master.wait(deferred)
    assert [rows.read(buildsets.get, buildsetid).complete for buildsetid, _ in made] == [1] * 20


def test_a_held_request_is_released_once(rows: Rows) -> None:
    older = rows.add(rows.change("r1"), mode=None)[1][0]
    held = rows.add(rows.change("r2"), mode="custom")[1][0]
    assert rows.state(held) == ("HELD", None)
    assert [r.requestid for r in rows.read(collapsing.open_before, 1, held)] == [older]
    assert rows.write(collapsing.release, held, [older]) is True
    assert rows.write(collapsing.release, held, [older]) is False
    assert (rows.state(older), rows.state(held)) == (("COMPLETE", SKIPPED), ("PENDING", None))


def test_the_key_of_a_request_is_the_documented_rule(rows: Rows) -> None:
    change = rows.change("r1")
    requestid = rows.add(change)[1][0]
    stamp = SourceStamp("", "r", "", "main", "whatever", has_changes=True)
    assert rows.read(requests.get, requestid).collapse_key == match_key([stamp], {})


def test_a_scheduler_belongs_to_one_living_master(place: Place, rows: Rows) -> None:
    schedulerid = rows.write(schedulers.find_id, "s")
    assert rows.write(schedulers.find_id, "s") == schedulerid
    second = rows.write(masters.begin, "m2")[0]
    assert rows.write(schedulers.set_master, schedulerid, rows.masterid) is True
    assert rows.write(schedulers.set_master, schedulerid, second) is False
    assert rows.write(schedulers.set_master, schedulerid, None) is True
    assert rows.write(schedulers.set_master, schedulerid, second) is True
    rows.write(schedulers.enable, schedulerid, False)
    rows.write(schedulers.set_filter, schedulerid, {"filters": []})
    row = rows.read(schedulers.get, schedulerid)
    assert (row.name, row.enabled, row.masterid, row.filter) == ("s", False, second, {"filters": []})


def test_a_stable_timer_fires_once_for_its_deadline(rows: Rows) -> None:
    schedulerid = rows.write(schedulers.find_id, "s")
    ids = [rows.change(f"r{n}") for n in range(3)]
    rows.write(schedulers.classify, schedulerid, ids[0], "t", True, 100.25)
    rows.write(schedulers.classify, schedulerid, ids[1], "t", True, 200.25)
    rows.write(schedulers.classify, schedulerid, ids[2], "u", False)
    assert rows.read(schedulers.timers, schedulerid) == {"t": 200.25}
    assert rows.read(schedulers.classified, schedulerid, "t") == {ids[0]: True, ids[1]: True}
    new = NewBuildset([1], [SourceStamp(revision="1")], "s")
    assert rows.write(schedulers.fire, schedulerid, "t", 100.25, ids[:2], new) is None
    assert rows.write(schedulers.fire, schedulerid, "t", 200.25, ids[:2], new) is not None
    assert rows.write(schedulers.fire, schedulerid, "t", 200.25, ids[:2], new) is None
    assert rows.read(schedulers.timers, schedulerid) == {}
    assert rows.read(schedulers.classified, schedulerid) == {ids[2]: False}


def test_a_time_is_fired_once(rows: Rows) -> None:
    schedulerid = rows.write(schedulers.find_id, "s")
    new = NewBuildset([1], [SourceStamp(revision="1")], "s")
    assert rows.write(schedulers.fire_at, schedulerid, 1000, new) is not None
    assert rows.write(schedulers.fire_at, schedulerid, 1000, new) is None
    assert rows.read(schedulers.last_firing, schedulerid) == 1000


def test_a_poll_stores_its_changes_with_the_pollers_state(rows: Rows) -> None:
    from buildmaster.db import state

    objectid = rows.write(state.object_id, "poller", "Poller")
    ids = rows.write(
        sources.report, objectid, [NewChange("a", "1", revision="1"), NewChange("a", "2", revision="2")], [("last", 2)]
    )
    assert [rows.read(changes.get, i).revision for i in ids] == ["1", "2"]
    assert rows.read(state.get, objectid, "last") == 2


def test_the_survey_finds_what_nobody_runs(rows: Rows) -> None:
    parent = rows.add(mode=None)[1][0]
    got, _ = rows.write(claim_and_add, [claiming.Claim(parent, 1, None)], rows.masterid, rows.db.epoch, [], {})
    build = got[parent]
    child = rows.add(mode=None, waited_for=True, parent_buildid=build.buildid)[1][0]
    lonely = rows.add(mode=None)[1][0]
    rows.write(claiming.claim_exactly, [lonely], rows.masterid)
    found = rows.read(reconciling.survey, rows.masterid, 0.0)
    assert [row.buildid for row in found.orphaned_builds] == [build.buildid]
    assert list(found.orphaned_claims) == [lonely]
    rows.write(reconciling.end_orphan, build)
    assert rows.state(parent) == ("PENDING", None)
    assert rows.read(reconciling.abandoned_requests) == []
    rows.write(ending.complete_in, [parent], FAILURE)
    assert rows.read(reconciling.abandoned_requests) == [child]
