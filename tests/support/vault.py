"""A server that answers as HashiCorp Vault does, on a real port.

Source: https://developer.hashicorp.com/vault/api-docs (HTTP API, AppRole auth method, KV secrets engine 1 and 2).
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.support.real_reactor import reactor, run

ROLE, SECRET_ID = "59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8", "84896a0c-1347-aa90-a4f6-aca8b7558780"


class Vault(Resource):
    """``kv`` maps version → mount → path → data.  ``tokens`` are those it takes; ``requests`` are those that came."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.kv: dict[int, dict[str, dict[str, Any]]] = {1: {}, 2: {}}
        self.tokens: set[str] = set()
        self.forbidden: set[str] = set()
        self.requests: list[str] = []
        self.sealed = False
        self.address = ""
        self._issued = 0
        self._port: Any = None

    def __enter__(self) -> Vault:
        self._port = reactor.listenTCP(0, Site(self), interface="127.0.0.1")
        self.address = f"http://127.0.0.1:{self._port.getHost().port}"
        return self

    def __exit__(self, *exc: object) -> None:
        run(self._port.stopListening())

    def render(self, request: Any) -> bytes:
        verb, path = request.method.decode(), unquote(request.path.decode())
        self.requests.append(f"{verb} {path}")
        code, answer = self._answer(verb, path, request)
        request.setResponseCode(code)
        request.setHeader("content-type", "application/json")
        return json.dumps({"request_id": "6b4c", "warnings": None, **answer}).encode()

    def _answer(self, verb: str, path: str, request: Any) -> tuple[int, dict[str, Any]]:
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if (verb, path) == ("POST", "/v1/auth/approle/login"):
            return self._login(json.loads(request.content.read()))
        if (request.getHeader("x-vault-token") or "") not in self.tokens or path in self.forbidden:
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        for version, mounts in self.kv.items():
            for mount, stored in mounts.items():
                start = f"/v1/{mount}/data/" if version == 2 else f"/v1/{mount}/"
                if verb == "GET" and path.startswith(start):
                    return self._secret(version, stored.get(path.removeprefix(start)))
        return 404, {"errors": [f'no handler for route "{path}". route entry not found.']}

    def _login(self, given: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if given != {"role_id": ROLE, "secret_id": SECRET_ID}:
            return 400, {"errors": ["invalid role or secret ID"]}
        self._issued += 1
        token = f"hvs.token-{self._issued}"
        self.tokens.add(token)
        return 200, {"data": None, "auth": {"client_token": token, "lease_duration": 1200, "renewable": True}}

    def _secret(self, version: int, data: Any) -> tuple[int, dict[str, Any]]:
        metadata = {"version": 1, "created_time": "2018-03-22T02:36:43.986212308Z", "destroyed": False}
        if data is None:
            return 404, {"errors": []}
        if data == "deleted":
            return 404, {"data": {"data": None, "metadata": {**metadata, "deletion_time": "2018-03-22T02:36:33.9Z"}}}
        return 200, {"data": data if version == 1 else {"data": data, "metadata": metadata}, "lease_duration": 2764800}
