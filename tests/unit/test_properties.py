"""Properties and what is rendered with them."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet import defer

from buildmaster.base.errors import ConfigErrors, capture_config_errors
from buildmaster.base.interfaces import IProperties, IRenderable
from buildmaster.properties import (
    FlattenList,
    Interpolate,
    MaskedText,
    Properties,
    PropertiesMixin,
    Property,
    Secret,
    Transform,
    URLForBuild,
    WithProperties,
    renderer,
)
from buildmaster.testing.sync import failure_of, result_of


class Stamp:
    """A source stamp of a build."""

    def __init__(self, codebase: str = "", branch: str | None = None) -> None:
        self.codebase, self.branch = codebase, branch

    def asDict(self) -> dict[str, Any]:
        return {"codebase": self.codebase, "branch": self.branch, "repository": "git://here", "project": ""}


class OneBuild:
    """What renderables ask of a build."""

    def __init__(self, *stamps: Stamp) -> None:
        self.stamps = stamps
        self.master = SimpleNamespace(namedServices={}, secrets_manager=None)

    def getAllSourceStamps(self) -> list[Stamp]:
        return list(self.stamps)

    def getSourceStamp(self, codebase: str) -> Stamp | None:
        return next((stamp for stamp in self.stamps if stamp.codebase == codebase), None)

    def getWorkerInfo(self) -> Properties:
        return Properties(admin="me")

    def getUrl(self) -> defer.Deferred[str]:
        return defer.succeed("http://here/builders/1/builds/2")


class Secrets:
    """The configured secrets."""

    def get(self, name: str) -> defer.Deferred[Any]:
        value = {"pw": "s3cret", "multi": "one\ntwo"}.get(name)
        return defer.succeed(None if value is None else SimpleNamespace(value=value))


@pytest.fixture
def props() -> Properties:
    made = Properties(a="1", empty="", none=None, number=5, list=["x", "y"])
    made.build = OneBuild(Stamp("", "main"), Stamp("lib", None))
    made.build.master.secrets_manager = Secrets()
    return made


def render(props: Properties, value: Any) -> Any:
    return result_of(props.render(value))


# -- properties -------------------------------------------------------------------------------------------------------


def test_a_property_has_a_value_and_a_source():
    props = Properties()
    props.setProperty("x", 1, "Scheduler")
    assert (props.getProperty("x"), props["x"], props.getPropertySource("x")) == (1, 1, "Scheduler")
    assert props.asDict() == {"x": (1, "Scheduler")}
    assert props.asList() == [("x", 1, "Scheduler")]
    assert "x" in props and props.hasProperty("x") and props.has_key("x")


def test_a_missing_property_is_its_default_and_raises_when_indexed():
    props = Properties()
    assert props.getProperty("x") is None
    assert props.getProperty("x", 3) == props.get("x", 3) == 3
    with pytest.raises(KeyError):
        props["x"]


def test_properties_found_while_building_are_not_passed_on():
    first, second = Properties(), Properties()
    first.setProperty("kept", 1, "Build")
    first.setProperty("got_revision", "abc", "Git", runtime=True)
    second.updateFromPropertiesNoRuntime(first)
    assert second.asDict() == {"kept": (1, "Build")}
    second.updateFromProperties(first)
    assert second.runtime == {"got_revision"}


def test_equal_properties_compare_equal():
    assert Properties(a=1) == Properties(a=1)
    assert Properties(a=1) != Properties(a=2)
    assert Properties.fromDict({"a": (1, "TEST")}) == Properties(a=1)


def test_a_value_that_json_cannot_express_is_warned_of():
    with pytest.warns(DeprecationWarning, match="JSON cannot express"):
        Properties().setProperty("x", object(), "here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Properties().setProperty("x", {"a": [1, None]}, "here")


def test_source_stamps_and_changes_come_from_the_build_or_are_set(props):
    assert [stamp["codebase"] for stamp in props.sourcestamps] == ["", "lib"]
    assert props.getSourceStamp("lib")["branch"] is None
    alone = Properties()
    with pytest.raises(AttributeError):
        alone.sourcestamps  # noqa: B018
    with pytest.raises(AttributeError):
        alone.changes  # noqa: B018
    alone.changes = [{"files": ["a", "b"]}, {"files": ["b", "c"]}]
    assert alone.files == ["a", "b", "c"]


def test_whatever_has_properties_can_be_adapted():
    class Owner(PropertiesMixin):
        set_runtime_properties = True

        def __init__(self) -> None:
            self.properties = Properties(a=1)

    owner = Owner()
    owner.setProperty("b", 2, "me")
    assert IProperties(owner) is owner.properties
    assert (owner.getProperty("b"), owner.hasProperty("a"), owner.properties.runtime) == (2, True, {"b"})


# -- rendering --------------------------------------------------------------------------------------------------------


def test_plain_values_are_their_own_rendering(props):
    assert render(props, [1, "a", None, {"k": (1, 2)}]) == [1, "a", None, {"k": (1, 2)}]
    assert render(props, Property) is Property


def test_containers_are_rendered_part_by_part(props):
    assert render(props, {Property("a"): [Property("number")]}) == {"1": [5]}
    assert IRenderable([Property("a")]).getRenderingFor(props) == ["1"]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Property("a"), "1"),
        (Property("nothing"), None),
        (Property("nothing", default="d"), "d"),
        (Property("empty", default="d"), "d"),
        (Property("empty", default="d", defaultWhenFalse=False), ""),
        (Property("nothing", default=Property("a")), "1"),
    ],
)
def test_a_property_or_its_default(props, made, expected):
    assert render(props, made) == expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Property("number") == 5, True),
        (Property("number") != 5, False),
        (Property("number") < 6, True),
        (Property("number") >= 6, False),
        (Property("number") + 2, 7),
        (2 + Property("number"), 7),
        (Property("number") * Property("number"), 25),
        (Property("number") // 2, 2),
        (Property("number") % 2, 1),
        (Property("a").in_(["1", "2"]), True),
        ((Property("number") - 1) / 2, 2.0),
    ],
)
def test_operators_wait_until_the_values_are_known(props, made, expected):
    assert render(props, made) == expected


def test_renderables_of_two_configurations_can_be_compared():
    assert bool(Property("a") == Property("a"))
    assert not bool(Property("a") == Property("b"))
    assert [Interpolate("%(prop:a)s")] == [Interpolate("%(prop:a)s")]
    assert [Interpolate("%(prop:a)s")] != [Interpolate("%(prop:b)s")]
    assert bool(Property("a") != Interpolate("x"))
    assert hash(Property("a")) == hash(Property("a"))


def test_a_renderer_may_answer_with_a_value_a_deferred_a_coroutine_or_a_renderable(props):
    @renderer
    def value(p):
        return p.getProperty("a") + "!"

    @renderer
    def deferred(p):
        return defer.succeed(Property("a"))

    @renderer
    async def coroutine(p):
        return [Property("number")]

    assert render(props, [value, deferred, coroutine]) == ["1!", "1", [5]]


def test_a_renderer_takes_rendered_arguments(props):
    @renderer
    def joined(p, *args, sep=""):
        return sep.join(args)

    assert render(props, joined.withArgs("x", Property("a")).withArgs("y", sep=Property("nothing", "-"))) == "x-1-y"
    assert render(props, joined.withArgs("x")) == "x"


def test_a_renderer_that_raises_fails_the_rendering(props):
    @renderer
    def wrong(p):
        raise ValueError("no")

    assert isinstance(failure_of(props.render([wrong, Property("a")])), ValueError)


def test_a_late_part_delays_the_whole(props):
    late: defer.Deferred[str] = defer.Deferred()
    waiting = props.render({"x": [renderer(lambda p: late), Property("a")]})
    assert not waiting.called
    late.callback("there")
    assert result_of(waiting) == {"x": ["there", "1"]}


def test_a_late_part_that_fails_fails_the_whole_as_it_is(props):
    late: defer.Deferred[str] = defer.Deferred()
    waiting = props.render([renderer(lambda p: late)])
    late.errback(KeyError("gone"))
    failure_of(waiting, KeyError)


def test_transform_calls_a_function_of_rendered_arguments(props):
    assert render(props, Transform(lambda x, y=None: (x, y), Property("a"), y=Property("number"))) == ("1", 5)
    with pytest.raises(ConfigErrors, match="neither callable nor renderable"):
        Transform(3)


def test_flatten_list_flattens_after_rendering(props):
    assert render(props, FlattenList(["a", [Property("list"), ["b"]]])) == ["a", "x", "y", "b"]
    assert render(props, FlattenList(["a"]) + [["b"]]) == ["a", "b"]  # noqa: RUF005
    assert render(props, FlattenList(["a", ("b",)], types=(list,))) == ["a", ("b",)]


def test_the_url_of_the_build(props):
    assert render(props, URLForBuild) == "http://here/builders/1/builds/2"


# -- Interpolate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("100%%", "100%"),
        ("a=%(prop:a)s.", "a=1."),
        ("%(prop:nothing)s", ""),
        ("%(prop:none)s", ""),
        ("%(prop:number)04d", "0005"),
        ("%(prop:a)r", "'1'"),
        ("%(prop:nothing:-d)s", "d"),
        ("%(prop:empty:-d)s", ""),
        ("%(prop:empty:~d)s", "d"),
        ("%(prop:a:~d)s", "1"),
        ("%(prop:a:+there)s|%(prop:nothing:+there)s", "there|"),
        ("%(prop:a:?|yes|no)s %(prop:nothing:?|yes|no)s", "yes no"),
        ("%(prop:empty:?:yes:no)s %(prop:empty:#?:yes:no)s", "yes no"),
        ("%(prop:a:#?/usr/bin)s", "usr"),
        ("%(prop:nothing:-%(prop:a)s and %(src::branch)s)s", "1 and main"),
        ("%(prop:nothing:?|a|%(prop:nothing:-x|y)s)s", "x|y"),
        ("%(src::branch)s %(src:lib:branch:-trunk)s %(src:lib:branch:~trunk)s", "main  trunk"),
        ("%(src:other:branch:-none)s", "none"),
        ("%(worker:admin)s%(worker:what:-?)s", "me?"),
        ("%(secret:pw)s", "s3cret"),
        ("%(secret:unknown:-none)s", "none"),
        ("f(%(prop:a)s)", "f(1)"),
        ("%(prop:x:-(a))s", "(a)"),
    ],
)
def test_interpolate(props, text, expected):
    assert render(props, Interpolate(text)) == expected


def test_interpolate_with_keywords(props):
    made = Interpolate("%(kw:a)s %(kw:p)s %(kw:missing)s%(kw:f:#?|on|off)s", a="x", p=Property("number"), f=False)
    assert render(props, made) == "x 5 off"


def test_interpolate_with_positions(props):
    assert render(props, Interpolate("%s-%03d", Property("a"), Property("number"))) == "1-005"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("%(prop)s", "without selector"),
        ("%(what:x)s", "invalid Interpolate selector 'what'"),
        ("%(prop:a b)s", "must be an identifier"),
        ("%(src:only)s", "codebase and attribute"),
        ("%(prop:a:xyz)s", "invalid Interpolate default type 'x'"),
        ("%(prop:a:?|one)s", "ternary"),
        ("100%", "written %%"),
        ("%(prop:a)", "written %%"),
    ],
)
def test_mistakes_in_interpolate_are_told_when_the_configuration_is_read(text, words):
    with pytest.raises(ConfigErrors) as info:
        Interpolate(text)
    assert words in str(info.value)


def test_several_mistakes_are_told_together():
    with capture_config_errors() as errors:
        Interpolate("%(prop)s %(what:x)s")
        Interpolate("%s", 1, a=2)
    assert len(errors.errors) == 3


def test_an_unknown_secret_fails_the_rendering(props):
    assert "nosuch" in str(failure_of(props.render(Interpolate("%(secret:nosuch)s")), KeyError))
    assert "nosuch" in str(failure_of(props.render(Secret("nosuch")), KeyError))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("%(a)s", "1"), ("%(x)s", ""), ("%(x:-d)s", "d"), ("%(empty:~d)s", "d"), ("%(a:+t)s", "t"), ("%%", "%")],
)
def test_with_properties(props, text, expected):
    assert render(props, WithProperties(text)) == expected


def test_with_properties_by_position_and_by_function(props):
    assert render(props, WithProperties("%s %s", "a", "nothing")) == "1 "
    assert (
        render(props, WithProperties("%(f)s", f=lambda given: given.getBuild().getAllSourceStamps()[0].branch))
        == "main"
    )
    assert (
        render(props, WithProperties("-j%(jobs)d", jobs=lambda given: int(given["a"]) + int(given.getProperty("a"))))
        == "-j2"
    )
    assert render(props, WithProperties("%(f)s", f=lambda given: given.hasProperty("nothing"))) == "False"
    with pytest.raises(ValueError, match="not both"):
        WithProperties("%s", "a", b=len)


# -- secrets ----------------------------------------------------------------------------------------------------------


def test_a_rendered_secret_is_hidden_from_then_on(props):
    assert props.cleanupTextFromSecrets("s3cret") == "s3cret"
    assert render(props, Secret("pw")) == "s3cret"
    assert props.cleanupTextFromSecrets("it is s3cret!") == "it is <pw>!"


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_secret_is_hidden_wherever_the_text_is_cut(cut):
    masked = MaskedText({"s3cret": "pw", "one\ntwo": "multi"})
    text = "a s3cret one\ntwo s3s3cret s3cre"
    pieces = [text[i : i + cut] for i in range(0, len(text), cut)]
    assert "".join(masked.feed(piece) for piece in pieces) + masked.flush() == "a <pw> <multi> s3<pw> s3cre"
