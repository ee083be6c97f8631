"""The rows of workers, on every database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from buildmaster.db import builders, masters, schema, workers
from buildmaster.db.workers import Arrival, Departure


def setup(place: Any) -> tuple[Any, int]:
    db = place.open()
    masterid, epoch, last = place.wait(db.write(masters.begin, "m"))
    place.wait(db.become(masterid, epoch, last))
    return db, masterid


def facts_of(db: Any) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []
    db.on_facts = lambda facts: seen.extend((f.event, f.fields["name"]) for f in facts if f.kind == "worker")
    return seen


def connected(conn: sa.Connection) -> list[int]:
    table = schema.connected_workers
    return list(conn.execute(sa.select(table.c.workerid).order_by(table.c.workerid)).scalars())


def configured(conn: sa.Connection) -> list[tuple[int, int]]:
    table = schema.configured_workers
    query = sa.select(table.c.workerid, table.c.builderid).order_by(table.c.workerid, table.c.builderid)
    return [tuple(row) for row in conn.execute(query)]


def test_names_keep_their_ids(place: Any) -> None:
    db, _ = setup(place)
    first = place.wait(db.write(workers.find_ids, ["a", "b", "a"]))
    again = place.wait(db.write(workers.find_ids, ["b", "c", "a"]))
    assert {name: row.workerid for name, row in again.items() if name != "c"} == {
        name: row.workerid for name, row in first.items()
    }
    assert len({row.workerid for row in again.values()}) == 3
    assert place.wait(db.write(workers.find_id, "c")) == again["c"].workerid


def test_a_thousand_workers_are_found_in_a_few_statements(place: Any) -> None:
    db, _ = setup(place)
    names = [f"w{n}" for n in range(1000)]
    before = db.counters["statements"]
    found = place.wait(db.write(workers.find_ids, names))
    assert sorted(found) == sorted(names)
    assert place.wait(db.write(workers.find_ids, names)) == found
    assert db.counters["statements"] - before < 20


def test_coming_and_going_is_stored_and_told_in_order(place: Any) -> None:
    db, masterid = setup(place)
    ids = place.wait(db.write(workers.find_ids, ["a", "b"]))
    a, b = ids["a"].workerid, ids["b"].workerid
    seen = facts_of(db)
    first, second = Arrival(a, "a", {"version": "1"}), Arrival(a, "a", {"version": "2"})
    events = [first, Departure(a, "a"), Arrival(b, "b", {}), second]
    place.wait(db.write(workers.attend, masterid, events))
    assert place.wait(db.read(connected)) == sorted([a, b])
    assert seen == [("connected", "a"), ("disconnected", "a"), ("connected", "b"), ("connected", "a")]
    row = place.wait(db.write(workers.get_in, a))
    assert row.info == {"version": "2"}
    assert row.last_connection is not None
    place.wait(db.write(workers.connect, b, masterid, {}))
    place.wait(db.write(workers.disconnect, a, masterid))
    place.wait(db.write(workers.disconnect, a, masterid))
    assert place.wait(db.read(connected)) == [b]
    assert place.wait(db.write(workers.disconnect_all, masterid)) == [b]
    assert place.wait(db.read(connected)) == []
    assert seen[4:] == [("connected", "b"), ("disconnected", "a"), ("disconnected", "a"), ("disconnected", "b")]


def test_which_builders_a_worker_serves_is_replaced_as_a_whole(place: Any) -> None:
    db, masterid = setup(place)
    ids = place.wait(db.write(workers.find_ids, ["a", "b"]))
    a, b = ids["a"].workerid, ids["b"].workerid
    one, two = (place.wait(db.write(builders.find_id, name)) for name in ("one", "two"))
    place.wait(db.write(workers.configure, masterid, {a: [one, two], b: [one]}))
    place.wait(db.write(workers.configure, masterid, {a: [two]}))
    assert place.wait(db.read(configured)) == sorted([(a, two), (b, one)])
    place.wait(db.write(workers.deconfigure_all, masterid, [a]))
    assert place.wait(db.read(configured)) == [(a, two)]
    place.wait(db.write(workers.deconfigure_all, masterid))
    assert place.wait(db.read(configured)) == []


def test_pauses_and_shutdowns_are_kept_and_told(place: Any) -> None:
    db, _ = setup(place)
    a = place.wait(db.write(workers.find_id, "a"))
    seen: list[Any] = []
    db.on_facts = lambda facts: seen.extend(
        (f.event, f.fields["paused"], f.fields["pause_reason"], f.fields["graceful"]) for f in facts
    )
    place.wait(db.write(workers.set_paused, a, True, "fan"))
    place.wait(db.write(workers.set_graceful, a, True))
    place.wait(db.write(workers.set_paused, a, False, "ignored"))
    assert seen == [
        ("state_updated", True, "fan", False),
        ("state_updated", True, "fan", True),
        ("state_updated", False, None, True),
    ]
    row = place.wait(db.write(workers.find_ids, ["a"]))["a"]
    assert (row.paused, row.pause_reason, row.graceful) == (False, None, True)


def test_a_missing_worker_is_told_with_those_who_want_to_know(place: Any) -> None:
    db, masterid = setup(place)
    a = place.wait(db.write(workers.find_id, "a"))
    seen: list[Any] = []
    db.on_facts = lambda facts: seen.extend((f.event, dict(f.fields)) for f in facts)
    place.wait(db.write(workers.missing, a, masterid, 12.0, ["x@y"]))
    [(event, fields)] = seen
    assert event == "missing"
    assert fields == {"workerid": a, "name": "a", "masterid": masterid, "last_connection": 12.0, "notify": ["x@y"]}
