"""Actions by JSON-RPC and by forms, and who may do them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from buildmaster.base.results import CANCELLED
from buildmaster.plugins import schedulers, util
from tests.unit.www import conftest
from tests.unit.www.conftest import Web


def heard(web: Web, *filter: str | None) -> list[Any]:
    """A list that fills with the messages that this filter lets through."""
    got: list[Any] = []
    web.kit.call(web.master.mq.startConsuming, lambda key, body: got.append((key, body)), filter)
    return got


def test_an_action_is_done_and_answered(web: Web) -> None:
    build = web.add_build()
    asked = heard(web, "control", "builds", None, "stop")
    answer = web.client.call(f"builds/{build['buildid']}", "stop", reason="enough")
    assert (answer.status, answer.json) == (200, {"id": 1, "jsonrpc": "2.0", "result": None})
    assert asked == [(("control", "builds", "1", "stop"), {"reason": "enough", "owner": None})]


def test_the_owner_is_who_asks_and_not_who_is_named(make_web: Callable[..., Web]) -> None:
    web = make_web(auth=util.UserPasswordAuth({"bob@x.org": "pw"}))
    web.add_build()
    asked = heard(web, "control", "builds", None, "stop")
    web.client.call("builds/1", "stop", owner="somebody else")
    web.client.get("/auth/login", authorization=basic("bob@x.org", "pw"))
    web.client.call("builds/1", "stop", owner="somebody else")
    assert [body["owner"] for _, body in asked] == [None, "bob@x.org"]


@pytest.mark.parametrize(
    ("path", "method", "status", "code", "message"),
    [
        ("nosuch", "stop", 404, -32600, "Invalid path: nosuch"),
        ("builds/1", "dance", 501, -32601, "dance"),
        ("builders", "stop", 501, -32601, "stop"),
    ],
)
def test_what_can_not_be_done(web: Web, path: str, method: str, status: int, code: int, message: str) -> None:
    web.add_build()
    answer = web.client.call(path, method)
    error = answer.json["error"]
    assert (answer.status, answer.json["id"], error["code"]) == (status, 1, code)
    assert message in error["message"]


def test_a_malformed_call(web: Web) -> None:
    answer = web.client.post("/api/v2/builds/1", b"{", content_type="application/json")
    assert answer.status == 400
    assert answer.json["error"]["code"] == -32700


def test_a_body_that_is_too_large_is_not_read(web: Web) -> None:
    answer = web.client.ask("POST", "/api/v2/builds/1", b"", {"content-length": str(10**9)})
    assert answer.status == 413


def forced(*fields: Any) -> dict[str, Any]:
    scheduler = schedulers.ForceScheduler(name="force", builderNames=["b1"], buttonName="Go!", properties=list(fields))
    config = conftest.config()
    return {**config, "schedulers": [*config["schedulers"], scheduler]}


@pytest.fixture
def force_web(make_web: Callable[..., Web]) -> Web:
    """A master with a force scheduler."""
    web = make_web()
    web.kit.reconfig(
        lambda: forced(
            util.ChoiceStringParameter(name="kind", choices=["full", "quick"], default="quick"),
            util.BooleanParameter(name="clean", default=True),
            util.StringParameter(name="note", regex="^[a-z]*$"),
        )
    )
    return web


def test_force_with_wrong_fields_says_which(force_web: Web) -> None:
    answer = force_web.client.call("forceschedulers/force", "force", builderid=1, kind="huge", note="UPPER")
    assert answer.status == 400
    assert answer.json["error"]["code"] == -32602
    assert set(answer.json["error"]["message"]) == {"kind", "note"}


def test_force_from_the_form(force_web: Web) -> None:
    page = force_web.client.get("/builders/1").text
    assert "Go!" in page
    assert "<option selected>quick</option>" in page
    fields = {"kind": "full", "note": "abc", "reason": "because", "username": "Me <me@x.org>"}
    answer = force_web.client.form("/builders/1/force/force", fields)
    assert (answer.status, answer.header("location")) == (303, "../../../buildrequests/1")
    properties = force_web.kit.get("buildsets", 1, "properties")
    assert (properties["kind"][0], properties["clean"][0], properties["note"][0]) == ("full", False, "abc")


def test_a_form_filled_in_wrongly_comes_back_with_what_is_wrong(force_web: Web) -> None:
    fields = {"kind": "full", "note": "<UPPER>", "reason": "x", "username": "Me <me@x.org>"}
    answer = force_web.client.form("/builders/1/force/force", fields)
    assert answer.status == 400
    assert 'role="alert"' in answer.text
    assert 'value="&lt;UPPER&gt;"' in answer.text
    assert "<option selected>full</option>" in answer.text
    assert force_web.kit.get("buildsets") == []


def test_forms_of_other_sites_are_refused(force_web: Web) -> None:
    answer = force_web.client.form("/builders/1/force/force", {"kind": "full"}, origin="http://evil.org")
    assert answer.status == 403
    assert force_web.kit.get("buildsets") == []


def test_workers_and_schedulers_from_the_pages(web: Web) -> None:
    asked = heard(web, "control", "worker", None, None)
    answer = web.client.form("/workers/w1/pause", {"reason": "tired"})
    assert (answer.status, answer.header("location")) == (303, "../../workers/w1")
    assert [(key, body["reason"]) for key, body in asked] == [(("control", "worker", "1", "pause"), "tired")]
    answer = web.client.form("/schedulers/1/enable", {"enabled": "0"})
    assert (answer.status, answer.header("location")) == (303, "../../schedulers")
    assert web.kit.get("schedulers", 1)["enabled"] is False
    assert "Switch on" in web.client.get("/schedulers").text


def test_stop_rebuild_and_cancel_from_the_pages(web: Web) -> None:
    build = web.add_build()
    asked = heard(web, "control", None, None, None)
    answer = web.client.form("/builders/1/builds/1/stop", {"reason": "enough"})
    assert (answer.status, answer.header("location")) == (303, "../../../../builders/1/builds/1")
    web.update("finishBuild", build["buildid"], 2)
    answer = web.client.form("/builders/1/builds/1/rebuild")
    assert (answer.status, answer.header("location")) == (303, "../../../../buildrequests/2")
    answer = web.client.form("/buildrequests/2/cancel", {"back": "1"})
    assert (answer.status, answer.header("location")) == (303, "../../builders/1")
    assert [key for key, _ in asked] == [("control", "builds", "1", "stop")]
    assert web.kit.get("buildrequests", 2)["results"] == CANCELLED


def basic(name: str, password: str) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


# -- rules -------------------------------------------------------------------------------------------------------------


def rules(*allow: Any) -> dict[str, Any]:
    return {
        "auth": util.UserPasswordAuth({"ada@x.org": "a", "bob@x.org": "b"}),
        "authz": util.Authz(
            allowRules=list(allow),
            roleMatchers=[util.RolesFromEmails(admins=["ada@x.org"]), util.RolesFromOwner(role="owner")],
        ),
    }


def log_in(web: Web, name: str, password: str) -> None:
    web.client.cookies.clear()
    assert web.client.get("/auth/login", authorization=basic(name, password)).status == 302


def test_control_can_be_for_admins_only(make_web: Callable[..., Web]) -> None:
    web = make_web(**rules(util.AnyControlEndpointMatcher(role="admins")))
    web.add_build()
    assert web.client.get("/api/v2/builds/1").status == 200
    answer = web.client.call("builds/1", "stop")
    assert answer.status == 403
    assert answer.json["error"] == {"code": -32600, "message": "you need to have role 'admins'"}
    log_in(web, "bob@x.org", "b")
    assert web.client.call("builds/1", "stop").status == 403
    log_in(web, "ada@x.org", "a")
    assert web.client.call("builds/1", "stop").status == 200


def test_owners_may_stop_what_is_theirs(make_web: Callable[..., Web]) -> None:
    web = make_web(**rules(util.StopBuildEndpointMatcher(role="owner"), util.AnyControlEndpointMatcher(role="admins")))
    web.add_build(owner="bob@x.org")
    web.add_build(owner="ada@x.org")
    log_in(web, "bob@x.org", "b")
    assert web.client.call("builds/1", "stop").status == 200
    assert web.client.call("builders/b1/builds/1", "stop").status == 200
    assert web.client.call("builds/2", "stop").status == 403
    assert web.client.call("buildrequests/2", "cancel").status == 403
    assert web.client.call("builds/1", "rebuild").status == 403


def test_rules_about_a_builder_leave_the_others_alone(make_web: Callable[..., Web]) -> None:
    web = make_web(**rules(util.StopBuildEndpointMatcher(builder="b 2*", role="admins")))
    web.add_build("b1")
    web.add_build("b 2/ü")
    assert web.client.call("builds/1", "stop").status == 200
    assert web.client.call("builds/2", "stop").status == 403


def test_a_rule_that_does_not_deny_lets_the_next_one_decide(make_web: Callable[..., Web]) -> None:
    web = make_web(
        **rules(util.AnyEndpointMatcher(role="admins", defaultDeny=False), util.StopBuildEndpointMatcher(role="owner"))
    )
    web.add_build(owner="bob@x.org")
    assert web.client.get("/api/v2/builds/1").status == 200
    assert web.client.call("builds/1", "stop").status == 403
    log_in(web, "ada@x.org", "a")
    assert web.client.call("builds/1", "stop").status == 200


def test_forcing_can_be_restricted_by_builder(make_web: Callable[..., Web]) -> None:
    web = make_web(**rules(util.ForceBuildEndpointMatcher(builder="b1", role="admins")))
    web.kit.reconfig(lambda: {**forced(), "www": {"port": 8010, **web.www}})
    assert web.client.call("forceschedulers/force", "force", builderid=1).status == 403
    log_in(web, "ada@x.org", "a")
    assert web.client.call("forceschedulers/force", "force", builderid=1).status == 200


def test_a_closed_master_shows_nothing_to_strangers(make_web: Callable[..., Web]) -> None:
    web = make_web(**rules(util.AnyEndpointMatcher(role="admins")))
    web.add_build()
    assert web.client.get("/api/v2/builds").json == {"error": "you need to have role 'admins'"}
    for path in ("/api/v2/builds", "/", "/builders/1", "/builders/1/builds/1", "/sse/listen/builds/*/*"):
        assert web.client.get(path).status == 403
    assert "Log in" in web.client.get("/builders/1").text
    log_in(web, "ada@x.org", "a")
    assert web.client.get("/builders/1").status == 200


def test_buttons_are_shown_to_those_who_may_press_them(make_web: Callable[..., Web]) -> None:
    web = make_web(**rules(util.AnyControlEndpointMatcher(role="admins")))
    web.add_build()
    assert "/stop" not in web.client.get("/builders/1/builds/1").text
    log_in(web, "ada@x.org", "a")
    assert "/stop" in web.client.get("/builders/1/builds/1").text


def test_a_users_own_rule_is_asked_by_endpoint_and_action(make_web: Callable[..., Web]) -> None:
    from buildmaster.www.authz.endpointmatchers import EndpointMatcherBase, Match

    asked: list[Any] = []

    class Mine(EndpointMatcherBase):
        def match_BuildEndpoint_stop(self, epobject: Any, epdict: Any, options: Any) -> Any:
            asked.append((epdict, options["reason"]))
            return self.master.data.get(("builds", epdict["buildid"])).addCallback(
                lambda build: Match(self.master, build=build)
            )

    web = make_web(**rules(Mine(role="owner")))
    web.add_build(owner="bob@x.org")
    log_in(web, "bob@x.org", "b")
    assert web.client.call("builds/1", "stop", reason="mine").status == 200
    assert asked == [({"buildid": 1}, "mine")]
