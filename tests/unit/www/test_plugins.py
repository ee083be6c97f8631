"""Web plugins of other packages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.www.conftest import Web

PLUGIN = """
from twisted.web import resource
from buildbot.www.plugin import Application

class Hello(resource.Resource):
    isLeaf = True
    def render_GET(self, request):
        return f"hello {app.config['who']} from {app.master.config.title}".encode()

app = Application(__name__, "says hello", ui=False)
app.resource = Hello()
"""


@pytest.fixture
def package(tmp_path: Path) -> Iterator[None]:
    """An installed package with two plugins, one of which is broken."""
    site = tmp_path / "site"
    (site / "hello_view" / "static").mkdir(parents=True)
    (site / "hello_view" / "__init__.py").write_text(PLUGIN)
    information = site / "hello_view-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: hello_view\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[buildbot.www]\nhello = hello_view:app\nbroken = no_such:thing\n")
    sys.path.insert(0, str(site))
    yield
    sys.path.remove(str(site))
    sys.modules.pop("hello_view", None)


def test_a_plugin_is_served_under_its_name(package: None, make_web: Callable[..., Web]) -> None:
    web = make_web(plugins={"hello": {"who": "you"}, "broken": {}, "waterfall_view": {}, "nobody_has_this": {}})
    assert web.client.get("/hello").text == "hello you from Test & Co"
    assert web.client.get("/config").json["plugins"]["hello"] == {"who": "you"}


def test_a_plugin_that_left_the_configuration_is_served_no_more(package: None, make_web: Callable[..., Web]) -> None:
    web = make_web(plugins={"hello": {"who": "you"}})
    web.www = {}
    web.kit.reconfig()
    assert web.client.get("/hello").status == 404
