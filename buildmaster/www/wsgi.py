"""Asking a WSGI application (PEP 3333) for one page and keeping its answer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from wsgiref.handlers import SimpleHandler
from wsgiref.util import setup_testing_defaults

LARGEST_PAGE = 10 * 1024 * 1024


def prepared(app: Any, user: Mapping[str, Any], api: Any) -> Any:
    """The application with ``buildbot_api`` in its environment, and CGI's ``REMOTE_USER`` set to who is logged in."""
    name = next((str(user[key]) for key in ("username", "email") if user.get(key)), None)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        environ.pop("REMOTE_USER", None)
        environ["buildbot_api"] = api
        if name is not None:
            environ["REMOTE_USER"] = name
        return app(environ, start_response)

    return application


def environ_of(visit: Any, script: str, path: str) -> dict[str, Any]:
    """The environment (PEP 3333) of a request for a path of an application, in place of the visited page."""
    request = visit.request
    query = [(key, value) for key, values in request.args.items() for value in values]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": script,
        "PATH_INFO": path,
        "QUERY_STRING": urlencode(query),
        "REMOTE_ADDR": getattr(request.getClientAddress(), "host", ""),
        "SERVER_NAME": request.getRequestHostname().decode("latin-1"),
        "SERVER_PORT": str(getattr(request.getHost(), "port", 80)),
        "wsgi.url_scheme": "https" if request.isSecure() else "http",
    }
    for key, values in request.requestHeaders.getAllRawHeaders():
        environ["HTTP_" + key.decode("latin-1").upper().replace("-", "_")] = b",".join(values).decode("latin-1")
    setup_testing_defaults(environ)
    return environ


def ask(app: Any, environ: dict[str, Any]) -> tuple[int, str, str]:
    """Run an application for one request; its status, Location header and body.  What it raises is raised."""
    handler = _Handler(io.BytesIO(), io.StringIO(), environ)
    handler.run(app)
    return handler.code, handler.location, handler.body.decode("utf-8", "replace")


class _Handler(SimpleHandler):
    """Keeps the answer instead of writing it."""

    def __init__(self, stdin: Any, stderr: Any, environ: dict[str, Any]) -> None:
        super().__init__(stdin, io.BytesIO(), stderr, environ, multithread=True, multiprocess=False)
        self.os_environ = {}
        self.body = b""
        self.code = 500
        self.location = ""

    def send_headers(self) -> None:
        self.headers_sent = True
        handler: Any = self  # wsgiref's stubs do not tell of these
        self.code = int((handler.status or "500").split()[0])
        self.location = (handler.headers or {}).get("Location") or ""

    def _write(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > LARGEST_PAGE:
            raise ValueError(f"a dashboard's page is larger than {LARGEST_PAGE} bytes")

    def handle_error(self) -> None:
        raise
