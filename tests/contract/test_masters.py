"""Several lives of one master, several masters of one database."""

from __future__ import annotations

import pytest

from buildmaster.db import masters, schema
from buildmaster.db.batch import LeaseLost
from buildmaster.db.txn import Txn
from tests.contract.conftest import Place
from tests.support.core import CoreMaster


def _let_lease_end(txn: Txn, masterid: int) -> None:
    txn.update(schema.masters, masterid, lease_until=1.0)


def test_a_new_life_shuts_out_the_old_one(place: Place) -> None:
    first = CoreMaster(place, "m")
    second = CoreMaster(place, "m")
    assert (second.masterid, second.db.epoch) == (first.masterid, first.db.epoch + 1)
    with pytest.raises(LeaseLost):
        first.update("findBuilderId", "late")
    second.update("findBuilderId", "b")
    assert [b["name"] for b in second.get("builders")] == ["b"]


def test_an_expired_master_writes_nothing_any_more(place: Place) -> None:
    silent, other = CoreMaster(place, "silent"), CoreMaster(place, "other")
    heard = other.listen("masters", None, "stopped")
    silent.wait(silent.db.write(_let_lease_end, silent.masterid))
    other.update("expireMasters")
    assert other.hear(heard, 1)[0][1] == {"masterid": silent.masterid, "name": "silent", "active": False}
    with pytest.raises(LeaseLost):
        silent.update("masterActive", "silent", silent.masterid)


def test_a_beat_renews_the_lease(place: Place) -> None:
    master, other = CoreMaster(place, "m"), CoreMaster(place, "other")
    master.wait(master.db.write(_let_lease_end, master.masterid))
    master.update("masterActive", "m", master.masterid)
    other.update("expireMasters")
    assert [m["active"] for m in other.get("masters")] == [True, True]


def test_house_keeping_frees_what_the_dead_left_behind(place: Place) -> None:
    gone, other = CoreMaster(place, "gone"), CoreMaster(place, "other")
    gone.update("masterStopped", "gone", gone.masterid)
    gone.update("updateBuilderList", gone.masterid, ["b"])
    other.update("expireMasters")
    assert other.get("builders/b")["masterids"] == [gone.masterid]
    other.update("expireMasters", forceHouseKeeping=True)
    assert other.get("builders/b")["masterids"] == []


def test_the_end_of_a_life_is_told_once(place: Place) -> None:
    master = CoreMaster(place, "m")
    assert master.wait(master.db.write(masters.stop, master.masterid)) is True
    assert master.wait(master.db.write(masters.stop, master.masterid)) is False


def test_a_lease_runs_by_the_clock_of_the_server(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if place.server is None:
        return  # the masters of a file share their machine's clock
    master, other = CoreMaster(place, "m"), CoreMaster(place, "other")
    monkeypatch.setattr(Txn, "now", lambda txn: 4e9)  # this master's clock is decades ahead
    assert other.update("expireMasters") is None
    assert [m["active"] for m in other.get("masters")] == [True, True]
    master.update("masterActive", "m", master.masterid)
    lease = master.wait(
        master.db.read(
            lambda conn: conn.scalar(schema.masters.select().with_only_columns(schema.masters.c.lease_until))
        )
    )
    assert lease < 4e9
