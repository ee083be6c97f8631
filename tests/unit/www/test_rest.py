"""The REST interface as its clients see it: reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.http import chunks
from tests.unit.www.conftest import Web


def test_a_collection_has_its_plural_name_and_a_total(web: Web) -> None:
    answer = web.client.get("/api/v2/builders?order=-builderid&field=name&limit=1")
    assert answer.status == 200
    assert answer.json == {"builders": [{"name": "b 2/ü"}], "meta": {"total": 2}}
    assert answer.header("content-type") == "application/json; charset=utf-8"


def test_a_single_resource_is_a_list_of_one(web: Web) -> None:
    for path in ("builders/1", "builders/b1"):
        answer = web.client.get(f"/api/v2/{path}?field=builderid&field=tags")
        assert answer.json == {"builders": [{"builderid": 1, "tags": ["t"]}], "meta": {}}


def test_a_name_in_a_path_may_hold_anything(web: Web) -> None:
    answer = web.client.get("/api/v2/builders/b%202%2F%C3%BC?field=name")
    assert answer.json["builders"] == [{"name": "b 2/ü"}]


def test_times_are_epoch_seconds_and_booleans_are_booleans(web: Web) -> None:
    build = web.add_build()
    shown = web.client.get(f"/api/v2/builds/{build['buildid']}").json["builds"][0]
    assert shown["started_at"] == int(build["started_at"].timestamp())
    assert shown["complete"] is False
    assert shown["complete_at"] is None


def test_properties_are_embedded_when_they_are_asked_for(web: Web) -> None:
    build = web.add_build()
    for name, value in (("a", [1, None]), ("b", "x")):
        web.update("setBuildProperty", build["buildid"], name, value, "test")
    read = lambda query: web.client.get(f"/api/v2/builds?{query}").json["builds"][0]["properties"]  # noqa: E731
    assert read("") == {}
    assert read("property=a") == {"a": [[1, None], "test"]}
    assert read("property=*") == {"a": [[1, None], "test"], "b": ["x", "test"]}
    single = web.client.get(f"/api/v2/builds/{build['buildid']}/properties").json
    assert single == {"properties": [{"a": [[1, None], "test"], "b": ["x", "test"]}], "meta": {}}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=b1", ["b1"]),
        ("name__ne=b1", ["b 2/ü"]),
        ("name__contains=%C3%BC", ["b 2/ü"]),
        ("builderid__gt=1", ["b 2/ü"]),
        ("builderid__in=1&builderid__in=2", ["b1", "b 2/ü"]),
        ("builderid__notin=1", ["b 2/ü"]),
        ("tags__contains=t", ["b1"]),
        ("offset=1", ["b 2/ü"]),
        ("order=name", ["b 2/ü", "b1"]),
    ],
)
def test_filters_order_and_pages(web: Web, query: str, names: list[str]) -> None:
    answer = web.client.get(f"/api/v2/builders?{query}")
    assert [builder["name"] for builder in answer.json["builders"]] == names


@pytest.mark.parametrize("word", ["off", "false", "no", "0"])
def test_booleans_have_many_spellings(web: Web, word: str) -> None:
    web.add_build()
    assert len(web.client.get(f"/api/v2/builds?complete={word}").json["builds"]) == 1


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("nosuch", 404, "Invalid path: nosuch"),
        ("builds/x", 404, "Invalid path: builds/x"),
        ("builds/99", 404, "not found: builds/99"),
        ("builders/nobody", 404, "not found: builders/nobody"),
        ("logs/99/raw", 404, "not found: logs/99/raw"),
        ("logs/99/contents", 404, "not found: logs/99/contents"),
        ("builds?nosuch=1", 400, "unrecognized query parameter 'nosuch'"),
        ("builds?field=nosuch", 400, "no such field 'nosuch'"),
        ("builds?order=nosuch", 400, "no such field 'nosuch'"),
        ("builds?complete=maybe", 400, "invalid filter value for complete"),
        ("builds?buildid__lt=zz", 400, "invalid filter value for buildid__lt"),
        ("builds?name=%FF", 400, "a query parameter is not UTF-8 text"),
        ("builds/1?complete=true", 400, "unrecognized query parameter 'complete'"),
    ],
)
def test_errors_are_objects_with_a_sentence(web: Web, path: str, status: int, error: str) -> None:
    answer = web.client.get("/api/v2/" + path)
    assert (answer.status, answer.json) == (status, {"error": error})


def test_a_path_that_is_not_text_is_not_found(web: Web) -> None:
    assert web.client.get("/api/v2/builders/%FF%FE").status == 404


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_allowed(web: Web, verb: str) -> None:
    answer = web.client.ask(verb, "/api/v2/builders", b"{}")
    assert (answer.status, answer.json) == (405, {"error": "invalid HTTP method"})
    assert answer.header("allow") == "GET, HEAD, POST, OPTIONS"


def test_options_and_head(web: Web) -> None:
    options = web.client.ask("OPTIONS", "/api/v2/builders")
    assert (options.status, options.body, options.header("allow")) == (204, b"", "GET, HEAD, POST, OPTIONS")
    head, get = (web.client.ask(verb, "/api/v2/builders") for verb in ("HEAD", "GET"))
    assert (head.status, head.body) == (200, b"")
    assert head.header("content-length") == get.header("content-length") == str(len(get.body))


def test_an_unchanged_answer_is_not_sent_again(web: Web) -> None:
    first = web.client.get("/api/v2/builders")
    again = web.client.get("/api/v2/builders", if_none_match=first.header("etag") or "")
    assert (again.status, again.body) == (304, b"")
    assert first.header("cache-control") == "private, no-cache"


def test_answers_may_be_kept_for_a_while_when_so_configured(make_web: Callable[..., Web]) -> None:
    answer = make_web(json_cache_seconds=7).client.get("/api/v2/builders")
    assert answer.header("cache-control") == "private, max-age=7"


def test_people_get_indented_json(web: Web) -> None:
    answer = web.client.get("/api/v2/builders?field=name&limit=1", accept="text/html,*/*")
    assert answer.text.startswith('{\n  "builders": [\n    {')


def test_retired_versions(make_web: Callable[..., Web]) -> None:
    web = make_web(rest_minimum_version=3)
    assert web.client.get("/api/v2/builders").status == 404
    assert make_web(rest_minimum_version=2).client.get("/api/v2/builders").status == 200
    assert web.client.get("/api/v1/builders").status == 404


def test_the_root_lists_the_collections(web: Web) -> None:
    for path in ("/api/v2", "/api/v2/"):
        names = [link["name"] for link in web.client.get(path).json["rootlinks"]]
        assert {"builders", "builds", "changes", "workers"} <= set(names)


# -- logs --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def log(web: Web) -> int:
    """A log with three channels."""
    step = web.add_step(web.add_build()["buildid"])
    return web.add_log(step, "hls -l\noone\neérr\notwo\n")


def test_log_lines_by_number(web: Web, log: int) -> None:
    read = lambda query: web.client.get(f"/api/v2/logs/{log}/contents{query}").json["logchunks"][0]  # noqa: E731
    assert read("") == {"logid": log, "firstline": 0, "content": "hls -l\noone\neérr\notwo\n"}
    assert read("?offset=1&limit=2") == {"logid": log, "firstline": 1, "content": "oone\neérr\n"}
    assert read("?offset=9&limit=2") == {"logid": log, "firstline": 9, "content": ""}


def test_a_raw_log_is_saved_under_a_name_that_tells_what_it_is(web: Web, log: int) -> None:
    answer = web.client.get(f"/api/v2/logs/{log}/raw")
    assert answer.text == "ls -l\none\nérr\ntwo\n"
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert answer.header("content-disposition") == 'attachment; filename="b1_build_1_step_compile_log_stdio"'


def test_a_raw_log_can_be_shown_too(web: Web, log: int) -> None:
    answer = web.client.get(f"/api/v2/logs/{log}/raw_inline")
    assert answer.text == "ls -l\none\nérr\ntwo\n"
    assert answer.header("content-disposition") is None


def test_a_log_can_be_read_without_its_headers(web: Web, log: int) -> None:
    answer = web.client.get(f"/api/v2/logs/{log}/text")
    assert (answer.text, answer.header("content-type")) == ("one\nérr\ntwo\n", "text/plain; charset=utf-8")


def test_a_log_written_as_html_can_do_nothing(web: Web) -> None:
    step = web.add_step(web.add_build()["buildid"])
    log = web.add_log(step, "<script>alert(1)</script>\n", name="report", type="h")
    answer = web.client.get(f"/api/v2/logs/{log}/raw_inline")
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert (answer.header("content-security-policy") or "").startswith("sandbox; default-src 'none'")
    assert answer.header("x-content-type-options") == "nosniff"


def test_a_long_log_is_only_read_as_fast_as_the_client_takes_it(web: Web) -> None:
    step = web.add_step(web.add_build()["buildid"])
    log = web.add_log(step)
    line = "o" + "x" * 999 + "\n"
    for _ in range(8):
        web.update("appendLog", log, line * 1000)
    connection = web.client.open("GET", f"/api/v2/logs/{log}/raw")
    sizes = []
    data = b""
    while some := connection.take_some():
        sizes.append(len(some))
        data += some
    content, ended = chunks(data.partition(b"\r\n\r\n")[2])
    assert ended
    assert content == line[1:].encode() * 8000
    assert len(sizes) > 3
    assert max(sizes) < 2_500_000  # two pieces at most, however long the log is


def test_a_client_that_hangs_up_in_the_middle_of_a_log_is_no_error(web: Web, log: int) -> None:
    connection = web.client.open("GET", f"/api/v2/logs/{log}/raw")
    connection.hang_up()
    assert web.client.get("/api/v2/builders").status == 200


def test_build_data_is_sent_as_it_is(web: Web) -> None:
    build = web.add_build()
    web.update("setBuildData", build["buildid"], "cover", b"\x00\xff<b>", "test")
    shown = web.client.get("/api/v2/builds/1/data/cover").json["build_data"][0]
    assert (shown["name"], shown["length"], shown["source"]) == ("cover", 5, "test")
    answer = web.client.get("/api/v2/builds/1/data/cover/value")
    assert answer.body == b"\x00\xff<b>"
    assert answer.header("content-type") == "application/octet-stream"
    assert (answer.header("content-security-policy") or "").startswith("sandbox")
    assert web.client.get("/api/v2/builds/1/data/none/value").status == 404


# -- other origins -----------------------------------------------------------------------------------------------------


def test_pages_of_allowed_origins_may_read(make_web: Callable[..., Web]) -> None:
    web = make_web(allowed_origins=["http://*.friends.org"])
    answer = web.client.get("/api/v2/builders", origin="http://a.friends.org")
    assert answer.status == 200
    assert answer.header("access-control-allow-origin") == "http://a.friends.org"
    assert answer.header("vary") == "Origin"
    asked = {"origin": "http://a.friends.org", "access_control_request_method": "POST"}
    preflight = web.client.ask("OPTIONS", "/api/v2/builders", b"", asked)
    assert preflight.status == 204
    assert preflight.header("access-control-allow-headers") == "Content-Type"
    assert preflight.header("access-control-allow-methods") == "GET, HEAD, POST, OPTIONS"


@pytest.mark.parametrize("verb", ["GET", "POST", "OPTIONS"])
def test_pages_of_other_origins_may_not(web: Web, verb: str) -> None:
    answer = web.client.ask(verb, "/api/v2/builders", b"{}", {"origin": "http://evil.org"})
    assert (answer.status, answer.json) == (400, {"error": "invalid origin"})
    assert answer.header("access-control-allow-origin") is None


def test_our_own_pages_may(web: Web) -> None:
    assert web.client.get("/api/v2/builders", origin="http://ci.example:8010").status == 200


def config_of(web: Web) -> Any:
    return web.client.get("/config").json


def test_the_front_ends_configuration(make_web: Callable[..., Web]) -> None:
    config = config_of(make_web(plugins={"waterfall_view": {}}, versions=[("OS", "12")]))
    assert config["title"] == "Test & Co"
    assert config["buildbotURL"] == "http://ci.example:8010/"
    assert config["plugins"] == {"waterfall_view": {}}
    assert config["auth"] == {"name": "NoAuth"}
    assert config["user"] == {"anonymous": True}
    assert config["multiMaster"] is False
    assert ["OS", "12"] in config["versions"]
