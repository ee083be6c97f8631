"""DbConfig: values of a configuration in the database, beside a master that may be running on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.db import migrate, state
from buildmaster.plugins import schedulers, util
from buildmaster.properties import Secret
from tests.support.path import BuildPath, configuration


def test_a_master_and_its_configuration_see_the_same_values(tmp_path: Path) -> None:
    path = BuildPath(tmp_path, configuration(lambda: [schedulers.AnyBranchScheduler(name="s", builderNames=["b"])]))
    values = util.DbConfig({}, str(tmp_path))
    values.set("workers", [{"name": "w", "passwd": "pw"}])
    values.set("workers", [{"name": "v", "passwd": "ü"}])
    assert values.get("workers") == [{"name": "v", "passwd": "ü"}]
    db = path.master.db
    objectid = path.kit.wait_for(db.write(state.object_id, "config", "DbConfig"))
    path.kit.wait_for(db.write(state.put, objectid, "level", 3))
    assert values.get("level") == 3
    path.kit.wait_for(db.write(state.object_id, "new", "Object"))  # the master's own ids go on undisturbed
    path.kit.stop()


@pytest.mark.only_on("sqlite", "postgresql", "mariadb")
def test_sets_of_different_names_are_different(place: Any) -> None:
    db = place.open()
    one, other = (util.DbConfig({"db": {"db_url": place.url}}, str(place.basedir), name) for name in ("one", "other"))
    assert one.get("a", None) is None
    one.set("a", 1)
    other.set("a", 2)
    assert (one.get("a"), other.get("a")) == (1, 2)
    assert one.get("b", "default") == "default"
    with pytest.raises(KeyError, match="'b'"):
        one.get("b")
    with pytest.raises(TypeError):
        one.set("x", object())
    objectid = place.wait(db.write(state.object_id, "one", "DbConfig"))
    assert place.wait(db.read(state.get_all, objectid)) == {"a": 1}


def test_before_there_is_a_database_only_defaults_are_known(tmp_path: Path) -> None:
    values = util.DbConfig({"db_url": "sqlite:///state.sqlite"}, str(tmp_path))
    assert values.get("workers", None) is None
    with pytest.raises(KeyError, match=r"workers: there is no database .*state\.sqlite yet: run"):
        values.get("workers")
    with pytest.raises(migrate.NotCreated, match="run `buildmaster upgrade-master`"):
        values.set("workers", [])
    assert list(tmp_path.iterdir()) == []


def test_a_secret_address_is_not_known_yet(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"DbConfig needs .* as text"):
        util.DbConfig({"db_url": Secret("database")}, str(tmp_path))
