"""Services that a configuration names: arguments, reconfiguration, and what becomes of one that raises."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster import service
from buildmaster.base.errors import ConfigErrors, error
from buildmaster.testing.sync import failure_of, result_of


class Greeter(service.BuildbotService):
    """Keeps the greeting that it is configured with, and everything it was asked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.said: list[str] = []
        self.greeting: str | None = None

    def checkConfig(self, greeting, bad=()):
        if not isinstance(greeting, str):
            error("greeting must be text")

    def reconfigService(self, greeting, bad=()):
        self.said.append(f"reconfigure {greeting}")
        if greeting in bad:
            raise ValueError(f"can't say {greeting}")
        self.greeting = greeting
        return defer.succeed(None)

    def startService(self):
        self.said.append("start")
        return super().startService()

    def stopService(self):
        self.said.append("stop")
        return super().stopService()


def config(*services: Any) -> SimpleNamespace:
    return SimpleNamespace(services={one.name: one for one in services})


@pytest.fixture
def manager():
    """A manager below a running master."""
    master = service.MasterService()
    result_of(master.startService())
    made = service.BuildbotServiceManager()
    result_of(made.setServiceParent(master))
    return made


def reconfigure(manager: Any, *services: Any) -> None:
    result_of(manager.reconfigServiceWithBuildbotConfig(config(*services)))


def test_arguments_are_checked_when_it_is_made():
    with pytest.raises(ConfigErrors, match="greeting must be text"):
        Greeter(1, name="g")


def test_a_service_without_a_name_is_a_mistake():
    with pytest.raises(ConfigErrors, match="Greeter: it needs a name"):
        Greeter("hello")


def test_what_it_shows():
    assert Greeter("hello", name="g", bad=("x",)).getConfigDict() == {
        "name": "g",
        "class": f"{__name__}.Greeter",
        "args": ("hello",),
        "kwargs": {"bad": ("x",)},
    }


def test_a_check_that_wants_the_name_gets_it_however_it_was_given():
    class Named(service.BuildbotService):
        def checkConfig(self, name, password):
            self.checked = (name, password)

    class Loose(Named):
        def checkConfig(self, *args, **kwargs):
            super().checkConfig(*args, **kwargs)

    for kind in (Named, Loose):
        assert kind(name="n", password="p").checked == ("n", "p")


def test_a_new_service_is_configured_and_started(manager):
    one = Greeter("hello", name="g")
    reconfigure(manager, one)
    assert one.said == ["start", "reconfigure hello"]
    assert one.running
    assert manager.namedServices == {"g": one}


def test_an_unchanged_service_is_left_alone(manager):
    one = Greeter("hello", name="g")
    reconfigure(manager, one)
    reconfigure(manager, Greeter("hello", name="g"))
    assert one.said == ["start", "reconfigure hello"]


def test_a_changed_service_takes_over_the_new_arguments_and_stays(manager):
    one = Greeter("hello", name="g")
    reconfigure(manager, one)
    reconfigure(manager, Greeter("good day", name="g"))
    reconfigure(manager, Greeter("good day", name="g"))
    assert one.said == ["start", "reconfigure hello", "reconfigure good day"]
    assert list(manager) == [one]


def test_a_service_that_went_is_stopped(manager):
    one, other = Greeter("a", name="one"), Greeter("b", name="other")
    reconfigure(manager, one, other)
    reconfigure(manager, Greeter("b", name="other"))
    assert one.said[-1] == "stop"
    assert list(manager) == [other]


def test_another_class_under_the_name_replaces_the_service(manager):
    class Other(Greeter):
        pass

    one, replacement = Greeter("a", name="g"), Other("a", name="g")
    one.objectid = 7
    reconfigure(manager, one)
    reconfigure(manager, replacement)
    assert one.said[-1] == "stop"
    assert list(manager) == [replacement]
    assert replacement.objectid == 7


def test_the_same_class_of_a_second_loading_is_reconfigured_in_place(manager):
    def load(text: str) -> Any:
        space: dict[str, Any] = {"__name__": "config", "Greeter": Greeter}
        exec(text, space)
        return space["Mine"]("hello", name="g")

    text = "class Mine(Greeter):\n    suffix = '!'\n"
    one, again, changed = load(text), load("\n" + text), load(text.replace("!", "?"))
    reconfigure(manager, one)
    reconfigure(manager, again)
    assert list(manager) == [one]
    reconfigure(manager, changed)
    assert list(manager) == [changed]


def test_a_service_without_reconfiguration_is_replaced(manager):
    class Legacy(Greeter):
        def reconfigService(self, greeting):
            if self.configured:
                raise NotImplementedError
            return super().reconfigService(greeting)

    one, other = Legacy("a", name="g"), Legacy("b", name="g")
    reconfigure(manager, one)
    reconfigure(manager, other)
    assert one.said[-1] == "stop"
    assert list(manager) == [other]
    assert other.greeting == "b"


def test_a_service_that_raises_gets_its_old_arguments_back(manager):
    one, neighbour = Greeter("a", name="g"), Greeter("a", name="n")
    reconfigure(manager, one, neighbour)
    failed = failure_of(
        manager.reconfigServiceWithBuildbotConfig(config(Greeter("b", bad=("b",), name="g"), Greeter("c", name="n"))),
        service.ReconfigFailed,
    )
    assert one.said == ["start", "reconfigure a", "reconfigure b", "reconfigure a"]
    assert str(failed) == (
        "Greeter 'g' could not be reconfigured: ValueError: can't say b; it goes on with its old configuration"
    )
    assert manager.failures == {"g": failed.failures[0]}
    assert neighbour.greeting == "c"
    reconfigure(manager, Greeter("d", name="g"), Greeter("c", name="n"))
    assert (one.greeting, manager.failures) == ("d", {})


def test_a_service_that_can_not_even_go_back_is_failed_alone(manager):
    class Fragile(Greeter):
        def reconfigService(self, greeting):
            if self.said[1:]:
                raise OSError("gone")
            return super().reconfigService(greeting)

    one, neighbour = Fragile("a", name="g"), Greeter("a", name="n")
    reconfigure(manager, one, neighbour)
    failed = failure_of(
        manager.reconfigServiceWithBuildbotConfig(config(Fragile("b", name="g"), Greeter("a", name="n")))
    )
    assert [one.outcome for one in failed.failures] == [
        "its old configuration could not be restored either (OSError: gone): it is failed"
    ]
    assert not one.configured
    assert neighbour.configured


def test_a_new_service_that_can_not_start_is_left_aside(manager):
    bad, good = Greeter("b", bad=("b",), name="bad"), Greeter("a", name="good")
    failed = failure_of(manager.reconfigServiceWithBuildbotConfig(config(bad, good)), service.ReconfigFailed)
    assert [one.name for one in failed.failures] == ["bad"]
    assert list(manager) == [good]


def test_built_in_services_go_first_the_users_last(manager):
    order: list[str] = []

    class Noting(service.BuildbotService):
        def reconfigService(self):
            order.append(self.name)
            return defer.succeed(None)

    class BuiltIn(Noting):
        __module__ = "buildmaster.somewhere"

    reconfigure(manager, Noting(name="mine"), BuiltIn(name="ours"))
    assert order == ["ours", "mine"]


def test_named_secrets_are_rendered_before_it_is_configured(manager):
    class Hidden:
        def getRenderingFor(self, properties):
            return defer.succeed("pa55")

    class Client(service.BuildbotService):
        secrets = ("password",)

        def reconfigService(self, host, password=None):
            self.given = (host, password)
            return defer.succeed(None)

    from zope.interface import classImplements

    from buildmaster.base.interfaces import IRenderable

    classImplements(Hidden, IRenderable)
    client = Client("h", password=Hidden(), name="c")
    reconfigure(manager, client)
    assert client.given == ("h", "pa55")
    assert result_of(client.renderSecrets(Hidden())) == "pa55"
    assert result_of(client.renderSecrets(Hidden(), "x")) == ["pa55", "x"]


def test_services_of_equal_configuration_are_equal():
    assert Greeter("a", name="g") == Greeter("a", name="g")
    assert Greeter("a", name="g") != Greeter("b", name="g")
