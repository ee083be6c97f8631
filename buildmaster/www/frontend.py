"""``/config``, the settings that a front end needs, and ``/theme.css``."""

from __future__ import annotations

import platform
import re
from typing import Any

import twisted

import buildmaster
from buildmaster.base.aio import deferred
from buildmaster.base.configured import config_value
from buildmaster.www.encoding import to_json
from buildmaster.www.resource import Resource

#: settings that are for the server only
_PRIVATE = frozenset({"change_hook_auth", "change_hook_dialects", "custom_templates_dir", "logRotateLength"})
_CSS_NAME = re.compile(r"^[a-zA-Z0-9-]+$")
_CSS_VALUE = re.compile(r"^[^;{}<>@\\]*$")


def versions(www: dict[str, Any]) -> list[tuple[str, str]]:
    """What the about page lists: ours first, then the configuration's."""
    own = [("Python", platform.python_version()), ("Buildmaster", buildmaster.__version__)]
    return [*own, ("Twisted", twisted.__version__), *((str(n), str(v)) for n, v in www.get("versions") or ())]


class ConfigResource(Resource):
    """``/config``."""

    isLeaf = True
    needsReconfig = True
    config: Any = None

    def reconfigResource(self, new_config: Any) -> None:
        self.config = new_config

    def render_GET(self, request: Any) -> int:
        return self.asyncRenderHelper(request, self.renderConfig)

    @deferred
    async def renderConfig(self, request: Any) -> bytes:
        """The settings, with this visitor's user info."""
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"private, no-cache")
        self.www.check_cross_origin(request)
        user = await self.www.visitor(request)
        return to_json(self.frontend_config(user))

    def frontend_config(self, user: dict[str, Any]) -> dict[str, Any]:
        """The whole object."""
        www = self.config.www
        shown = {key: config_value(value) for key, value in www.items() if key not in _PRIVATE}
        shown["auth"] = self.www.auth.getConfigDict()
        shown["authz"] = config_value(www.get("authz")) or {}
        shown.setdefault("plugins", {})
        shown.setdefault("avatar_methods", {"name": "gravatar"})
        shown["versions"] = [list(pair) for pair in versions(www)]
        shown["buildbotURL"] = self.config.buildbotURL
        shown["title"] = self.config.title
        shown["titleURL"] = self.config.titleURL
        shown["multiMaster"] = bool(getattr(self.config, "multiMaster", False))
        shown["user"] = user
        return shown


class ThemeResource(Resource):
    """``/theme.css``: the CSS variables of ``c['www']['theme']``."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"content-type", b"text/css; charset=utf-8")
        request.setHeader(b"cache-control", b"max-age=60")
        pairs = self.www.settings.theme.items()
        sane = (f"--{n}:{v}" for n, v in pairs if _CSS_NAME.match(n) and _CSS_VALUE.match(str(v)))
        return (":root{" + ";".join(sane) + "}\n").encode()
