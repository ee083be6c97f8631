"""A service that people have accounts at: OAuth 2.0 (RFC 6749) and the interfaces of GitHub, Google and others.

A real HTTP server in a thread.  It is strict: a code is good once, for the client and the redirect URI that it was made
for, and a token for what it was asked for.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

CLIENT = ("id", "s3cret")


class OAuthService:
    """``answers`` maps paths of the interface to JSON or to a function of the request's query and body.

    ``form`` makes it answer for tokens as GitHub does without ``Accept``.
    """

    def __init__(self, authorize: str, token: str, answers: dict[str, Any], basic: bool = False) -> None:
        self.paths = (authorize, token)
        self.answers = answers
        self.basic = basic
        self.form = False
        self.asked: list[tuple[str, str]] = []
        self._codes: dict[str, tuple[str, str]] = {}
        self._tokens: set[str] = set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.handle(self, b"")

            def do_POST(self) -> None:
                service.handle(self, self.rfile.read(int(self.headers["content-length"])))

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # -- what a person does there --------------------------------------------------------------------------------------

    def allow(self, location: str) -> str:
        """Somebody who was sent to ``location`` agrees; where he is sent back to, as path and query."""
        parts = urlsplit(location)
        assert parts.path == self.paths[0]
        asked = dict(parse_qsl(parts.query))
        assert (asked["client_id"], asked["response_type"]) == (CLIENT[0], "code")
        code = secrets.token_hex(8)
        self._codes[code] = (asked["client_id"], asked["redirect_uri"])
        back = urlsplit(asked["redirect_uri"])
        return f"{back.path}?{urlencode({'code': code, 'state': asked['state']})}"

    # -- what the master asks ------------------------------------------------------------------------------------------

    def handle(self, request: Any, body: bytes) -> None:
        parts = urlsplit(request.path)
        self.asked.append((request.command, request.path))
        if parts.path == self.paths[1]:
            status, answer = self._token(request, dict(parse_qsl(body.decode())))
        elif request.headers.get("authorization", "").partition(" ")[2] not in self._tokens:
            status, answer = 401, {"message": "Bad credentials"}
        elif parts.path not in self.answers:
            status, answer = 404, {"message": "Not Found"}
        else:
            found = self.answers[parts.path]
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            status, answer = 200, found(query, body) if isinstance(found, Callable) else found  # type: ignore[arg-type]
        is_form = self.form and parts.path == self.paths[1]
        data = (urlencode(answer) if is_form else json.dumps(answer)).encode()
        request.send_response(status)
        request.send_header("content-type", "application/x-www-form-urlencoded" if is_form else "application/json")
        request.send_header("content-length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _token(self, request: Any, asked: dict[str, str]) -> tuple[int, dict[str, str]]:
        if self.basic:
            header = request.headers.get("authorization", "Basic ").partition(" ")[2]
            client = tuple(base64.b64decode(header).decode().split(":"))
        else:
            client = (asked.get("client_id", ""), asked.get("client_secret", ""))
        made_for = self._codes.pop(asked.get("code", ""), None)
        wrong = made_for != (client[0], asked.get("redirect_uri")) or asked.get("grant_type") != "authorization_code"
        if client != CLIENT or wrong:
            return 200, {"error": "bad_verification_code", "error_description": "The code is incorrect"}
        token = secrets.token_hex(8)
        self._tokens.add(token)
        return 200, {"access_token": token, "token_type": "bearer"}
