"""Finding a secret by key."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet import defer

from buildmaster.config.lists import Lists
from buildmaster.config.places import LocatedErrors
from buildmaster.secrets.manager import SecretManager
from buildmaster.secrets.providers.base import SecretProviderBase, SecretUnavailable
from buildmaster.secrets.secret import SecretDetails
from buildmaster.service import MasterService
from buildmaster.testing.sync import result_of


class Drawer(SecretProviderBase):
    """A provider that answers at once."""

    def reconfigService(self, **values):
        self.values = values

    def get(self, key):
        return self.values.get(key)


class Safe(Drawer):
    """A provider that answers with a Deferred."""

    def get(self, key):
        return defer.succeed(self.values.get(key))


def manager_with(*providers):
    master = MasterService()
    master.config = SimpleNamespace(secretsProviders=list(providers))
    manager = SecretManager()
    result_of(manager.setServiceParent(master))
    result_of(master.startService())
    result_of(manager.reconfigServiceWithBuildbotConfig(master.config))
    return manager


def test_the_first_provider_that_has_the_key_is_believed():
    manager = manager_with(Drawer(name="a", x="1"), Safe(name="b", x="2", y="3"))
    assert result_of(manager.get("x")) == SecretDetails("Drawer", "x", "1")
    assert result_of(manager.get("y")) == SecretDetails("Safe", "y", "3")


def test_a_key_that_nobody_has_gives_none():
    assert result_of(manager_with(Drawer(name="a")).get("x")) is None


class Broken(Drawer):
    """A provider that does not reach what it asks."""

    def get(self, key):
        raise SecretUnavailable(f"{self.values['why']}: no {key}")


def test_a_provider_that_fails_does_not_keep_the_others_from_being_asked():
    manager = manager_with(Broken(name="a", why="first"), Broken(name="b", why="second"), Drawer(name="c", x="1"))
    assert result_of(manager.get("x")) == SecretDetails("Drawer", "x", "1")
    with pytest.raises(SecretUnavailable, match="first: no y"):
        result_of(manager.get("y"))


def test_what_was_given_out_is_known_to_the_master_s_log():
    manager = manager_with(Drawer(name="a", x="sesame", y="abc", z={"user": "alibaba"}, unasked="others"))
    for key in ("x", "y", "z"):
        result_of(manager.get(key))
    assert manager.given == {"sesame": "x", "alibaba": "z"}


class Named(Drawer):
    """A provider that has a name by itself."""

    name = "Named"


def test_providers_without_names_are_told_apart():
    config = {"secretsProviders": [Named(x="1"), Named(x="2"), Named(name="mine", x="3")]}
    found = Lists(config, LocatedErrors()).secrets_providers()
    assert [provider.name for provider in found] == ["Named", "Named-2", "mine"]


def test_secrets_may_be_wanted_before_any_service_is_started():
    master = MasterService()
    master.config = SimpleNamespace(secretsProviders=[Drawer(name="a", x="1")])
    manager = SecretManager()
    result_of(manager.setServiceParent(master))
    found = result_of(manager.before_start(master.config, lambda: manager.get("x")))
    assert (found.value, list(manager)) == ("1", [])


def test_a_secret_is_not_shown_in_its_text_form():
    assert repr(SecretDetails("Drawer", "x", "sesame")) == "<SecretDetails 'x' of Drawer>"
