"""Finding a secret by key."""

from __future__ import annotations

from types import SimpleNamespace

from twisted.internet import defer

from buildmaster.secrets.manager import SecretManager
from buildmaster.secrets.providers.base import SecretProviderBase
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


def test_a_secret_is_not_shown_in_its_text_form():
    assert repr(SecretDetails("Drawer", "x", "sesame")) == "<SecretDetails 'x' of Drawer>"
