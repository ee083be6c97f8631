"""A master in memory that is posted to by hosting services."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from buildmaster.testing.master import MemoryMaster
from tests.support.http import Answer, Client

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def signature(body: bytes, secret: str, kind: str = "sha256") -> str:
    """How a service signs a body."""
    return f"{kind}={hmac.new(secret.encode(), body, getattr(hashlib, kind)).hexdigest()}"


def basic(user: str, password: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Hooked:
    """``dialects`` is ``c['www']['change_hook_dialects']``; ``config`` are more keys of the configuration."""

    def __init__(self, basedir: Path, dialects: Any, **config: Any) -> None:
        www = {"port": 8010, "change_hook_dialects": dialects, **config.pop("www", {})}
        self.config = {"www": www, "multiMaster": True, **config}
        self.kit = MemoryMaster(basedir, lambda: self.config).start()
        self.client = Client(self.kit)
        self.seen = 0

    def post(self, where: str, body: bytes = b"", verb: str = "POST", **headers: str) -> tuple[int, str]:
        """Status and text of the answer to a request below ``/change_hook/``."""
        answer = self.ask(where, body, verb, **headers)
        return answer.status, answer.text

    def ask(self, where: str, body: bytes = b"", verb: str = "POST", **headers: str) -> Answer:
        return self.client.ask(verb, f"/change_hook/{where}", body, headers)

    def payload(self, where: str, payload: Any, secret: str | None = None, **headers: str) -> tuple[int, str]:
        """Post JSON, signed if there is a secret."""
        body = json.dumps(payload).encode()
        if secret is not None:
            headers["x_hub_signature_256"] = signature(body, secret)
        return self.post(where, body, content_type=JSON, **headers)

    def form(self, where: str, **fields: Any) -> tuple[int, str]:
        """Post a form; fields that are no texts are written as JSON."""
        headers = fields.pop("headers", {})
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        return self.post(where, urlencode(texts).encode(), content_type=FORM, **headers)

    def new(self, *names: str) -> list[Any]:
        """The changes since the last call, oldest first: whole, or the values of these fields."""
        changes = [c for c in self.kit.get("changes", order=["changeid"]) if c["changeid"] > self.seen]
        self.seen = max([self.seen, *(change["changeid"] for change in changes)])
        if not names:
            return changes
        picked = [tuple(change[name] for name in names) for change in changes]
        return [values[0] for values in picked] if len(names) == 1 else picked

    def stop(self) -> None:
        self.kit.stop()


def properties(change: dict[str, Any]) -> dict[str, Any]:
    """A change's properties without their source."""
    return {name: value for name, (value, _source) in change["properties"].items()}
