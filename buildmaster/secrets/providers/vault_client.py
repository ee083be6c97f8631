"""As much of HashiCorp Vault's HTTP interface as reading secrets takes.

Source: https://developer.hashicorp.com/vault/api-docs: the pages "HTTP API", "AppRole auth method", "KV version 1" and
"KV version 2".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from twisted.internet import error as net_error
from twisted.web.client import ResponseFailed

from buildmaster.base.aio import DeadlineExceeded
from buildmaster.secrets.providers.base import SecretUnavailable

SECONDS = 30.0
"""How long Vault may take to answer."""

OK, FORBIDDEN, NOT_FOUND = 200, 403, 404


class Forbidden(SecretUnavailable):
    """Vault does not take the token (any more), or the token's policies do not allow this."""


class VaultClient:
    """Talks to one server.

    ``http`` has ``get`` and ``post`` as an ``HTTPClientService`` has; ``token`` is what proves the login.
    """

    def __init__(self, http: Any, server: str) -> None:
        self.server = server
        self.token: str | None = None
        self._http = http

    async def read(self, mount: str, path: str, version: int) -> Mapping[str, Any] | None:
        """The keys and values stored under a path of a key/value engine; None if there is nothing.

        Raises :class:`Forbidden`, or SecretUnavailable for all else that goes wrong.
        """
        middle = "data/" if version == 2 else ""
        answer = await self._ask("get", f"/v1/{_quoted(mount)}/{middle}{_quoted(path)}", headers=self._headers())
        if answer is None:
            return None
        data = answer.get("data")
        if version == 2 and isinstance(data, dict):
            data = data.get("data")
        if data is not None and not isinstance(data, dict):
            raise SecretUnavailable(f"Vault at {self.server}: the answer for {path!r} is not that of a KV engine")
        return data

    async def login(self, method: str, **credentials: str) -> None:
        """Log in by an authentication method that is mounted under ``method``; sets :attr:`token`."""
        answer = await self._ask("post", f"/v1/auth/{_quoted(method)}/login", json=credentials)
        token = ((answer or {}).get("auth") or {}).get("client_token")
        if not token:
            raise SecretUnavailable(f"Vault at {self.server} gave no token for a login by {method}")
        self.token = token

    def _headers(self) -> dict[str, str]:
        headers = {"X-Vault-Request": "true"}
        if self.token:
            headers["X-Vault-Token"] = self.token
        return headers

    async def _ask(self, verb: str, path: str, **kwargs: Any) -> Mapping[str, Any] | None:
        try:
            response = await getattr(self._http, verb)(path, timeout=SECONDS, **kwargs)
            body = await response.content()
        except (net_error.ConnectError, net_error.ConnectionClosed, ResponseFailed, DeadlineExceeded, OSError) as why:
            raise SecretUnavailable(f"Vault at {self.server} does not answer: {why}") from why
        if response.code == NOT_FOUND:
            return None
        if response.code != OK:
            kind = Forbidden if response.code == FORBIDDEN else SecretUnavailable
            raise kind(f"Vault at {self.server} answers {response.code} to {path}: {_errors(body)}")
        answer = _json(body)
        if not isinstance(answer, dict):
            raise SecretUnavailable(f"what answers at {self.server} does not seem to be a Vault server")
        return answer


def _quoted(path: str) -> str:
    return quote(path.strip("/"), safe="/")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _errors(body: bytes) -> str:
    answer = _json(body)
    errors = answer.get("errors") if isinstance(answer, dict) else None
    return "; ".join(" ".join(str(one).split()) for one in errors) if errors else "no reason given"
