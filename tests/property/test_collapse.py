"""Collapsing against a small model: which requests are superfluous, who took them over, and whose changes are built."""

from __future__ import annotations

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from buildmaster.base.moves import RequestState
from buildmaster.base.records import NewBuildset, NewChange, Patch, SourceStamp
from buildmaster.base.results import SKIPPED, SUCCESS, worst_of
from buildmaster.db import buildsets, changes, claiming, included, requests, schema
from buildmaster.db.engine import Database
from buildmaster.db.executors import InlineExecutor
from buildmaster.testing.sync import outcome_of

BUILDERS = (1, 2)


class Store:
    """A database on one connection, asked synchronously."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.db = Database("sqlite://", "/", InlineExecutor(self.clock), self.clock)
        self.run(self.db.open(create=True))
        self.run(self.db.write(self._prepare))

    def _prepare(self, txn: object) -> None:
        txn.insert(schema.masters, id=1, name="m", last_active=0)  # type: ignore[attr-defined]
        for builderid in BUILDERS:
            txn.insert(schema.builders, id=builderid, name=f"b{builderid}", tags="[]")  # type: ignore[attr-defined]

    def run(self, value: object) -> object:
        results = outcome_of(value)
        while not results:
            self.clock.advance(0)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]


@attrs.frozen
class Add:
    """A decision to build on both builders."""

    branch: str
    revision: str | None
    from_change: bool
    patched: bool
    property: str
    modes: tuple[str | None, str | None]


@attrs.frozen
class Claim:
    """A master takes the oldest pending request of a builder."""

    builderid: int


adds = st.builds(
    Add,
    branch=st.sampled_from(["main", "other"]),
    revision=st.sampled_from([None, "1", "2"]),
    from_change=st.booleans(),
    patched=st.sampled_from([False, False, False, True]),
    property=st.sampled_from(["x", "y"]),
    modes=st.tuples(*[st.sampled_from(["builtin", "builtin", None])] * 2),
)
stories = st.lists(st.one_of(adds, adds, adds, st.builds(Claim, builderid=st.sampled_from(BUILDERS))), max_size=12)


@attrs.define
class Modelled:
    """A request of the model."""

    builderid: int
    key: object
    changes: set[int]
    buildset: int
    state: RequestState = RequestState.PENDING
    superseded_by: int | None = None


class Model:
    """The documented rule, in the plainest words."""

    def __init__(self) -> None:
        self.requests: list[Modelled] = []
        self.changed: set[tuple[str, str | None]] = set()
        self.buildsets = 0

    def add(self, event: Add, changeid: int | None) -> None:
        if changeid is not None:
            self.changed.add((event.branch, event.revision))
        has_changes = not event.patched and (event.branch, event.revision) in self.changed
        key = None if event.patched else (event.branch, has_changes or event.revision, event.property)
        self.buildsets += 1
        for builderid, mode in zip(BUILDERS, event.modes, strict=True):
            number = len(self.requests) + 1
            mine = {changeid} if changeid is not None else set()
            if mode == "builtin" and key is not None:
                for older in self.requests:
                    if older.builderid == builderid and older.key == key and older.state is RequestState.PENDING:
                        older.state, older.superseded_by = RequestState.COMPLETE, number
                        mine |= older.changes
            self.requests.append(Modelled(builderid, key, mine, self.buildsets))

    def claim(self, builderid: int) -> int | None:
        for number, request in enumerate(self.requests, 1):
            if request.builderid == builderid and request.state is RequestState.PENDING:
                request.state = RequestState.CLAIMED
                return number
        return None


def add(store: Store, event: Add, count: int) -> int | None:
    changeid = None
    stamp = SourceStamp(repository="r", branch=event.branch, revision=event.revision)
    if event.from_change and not event.patched:
        changeid = store.run(
            store.db.write(
                changes.add,
                NewChange("me", f"c{count}", ["f"], repository="r", branch=event.branch, revision=event.revision),
            )
        )
    if event.patched:
        stamp = attrs.evolve(stamp, patch=Patch(b"diff"))
    modes = {builderid: mode for builderid, mode in zip(BUILDERS, event.modes, strict=True) if mode}
    new = NewBuildset(
        BUILDERS,
        [stamp],
        f"s{count}",
        properties={"p": (event.property, "Scheduler"), "scheduler": (f"s{count}", "Scheduler")},
        changeids=[] if changeid is None else [changeid],
        collapse=modes,
    )
    store.run(store.db.write(buildsets.add, new))
    return changeid  # type: ignore[return-value]


@settings(max_examples=60, deadline=None)
@given(stories)
def test_what_is_stored_is_what_the_model_says(story: list[Add | Claim]) -> None:
    store, model = Store(), Model()
    for count, event in enumerate(story):
        if isinstance(event, Add):
            model.add(event, add(store, event, count))
            continue
        wanted = model.claim(event.builderid)
        if wanted is not None:
            claims = [claiming.Claim(wanted, event.builderid, None)]
            taken = store.run(store.db.write(claiming.claim, claims, 1))
            assert taken == {wanted: store.run(store.db.read(requests.get, wanted))}
    for number, expected in enumerate(model.requests, 1):
        stored = store.run(store.db.read(requests.get, number))
        assert (stored.state, stored.superseded_by) == (expected.state, expected.superseded_by)
        listed = set(store.run(store.db.read(_listed, number)))
        assert listed == expected.changes
    for buildsetid in range(1, model.buildsets + 1):
        members = [request for request in model.requests if request.buildset == buildsetid]
        row = store.run(store.db.read(buildsets.get, buildsetid))
        done = all(request.state is RequestState.COMPLETE for request in members)
        assert (bool(row.complete), row.results) == ((True, SKIPPED) if done else (False, None))


def _listed(conn: object, requestid: int) -> list[int]:
    """The changes that led to a request and to those that it took over, by the lists of their buildsets."""
    found: set[int] = set()
    for member in included.superseded_chain(conn, requestid):  # type: ignore[arg-type]
        request = requests.get(conn, member)  # type: ignore[arg-type]
        assert request is not None
        found.update(buildsets.change_ids(conn, request.buildsetid))  # type: ignore[arg-type]
    return sorted(found)


@given(st.lists(st.sampled_from([SUCCESS, SKIPPED, 1, 2, 4, 5, 6]), min_size=1))
def test_a_superseded_request_never_worsens_its_buildset(results: list[int]) -> None:
    others = [result for result in results if result != SKIPPED]
    assert worst_of(results) == (worst_of(others) if others else SKIPPED)
