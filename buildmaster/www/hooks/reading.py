"""How a request of a hook is read, and how it is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from buildmaster.base.strings import bytes2unicode

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Refused(ValueError):
    """A request can't be taken: an HTTP status and a sentence for its sender."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def text(value: Any) -> str:
    """Bytes of a request as text; what is no UTF-8 is replaced."""
    return str(bytes2unicode(value, errors="replace"))


def header(request: Any, name: bytes) -> str | None:
    """A header of the request."""
    value = request.getHeader(name)
    return None if value is None else text(value)


def argument(request: Any, name: bytes, default: str | None = None) -> str | None:
    """The first value that the URL or the form gives this name."""
    values = request.args.get(name)
    return text(values[0]) if values else default


def body(request: Any) -> bytes:
    """The whole body; it is in memory or in a file, and its size is limited by the site."""
    request.content.seek(0)
    data: bytes = request.content.read()
    return data


def content_type(request: Any) -> str:
    """The type of the body, without its parameters."""
    return (header(request, b"Content-Type") or "").partition(";")[0].strip().lower()


def read_json(data: str | bytes) -> Any:
    """The value of a JSON text; raises Refused."""
    try:
        return json.loads(data)
    except RecursionError:
        raise Refused("Error loading JSON: it is nested too deeply")
    except ValueError as error:
        raise Refused(f"Error loading JSON: {error}")


def json_payload(request: Any, form: bool = True) -> dict[str, Any]:
    """The payload: the body, or with ``form`` also the field ``payload`` of a form.  Raises Refused."""
    kind = content_type(request)
    if kind == JSON:
        return as_object(read_json(body(request)))
    if form and kind == FORM:
        return as_object(read_json(form_field(request)))
    usual = f"{JSON} or {FORM}" if form else JSON
    raise Refused(f"Unknown content type: {kind or 'none'}; set it to {usual} where the hook is configured", 415)


def form_field(request: Any) -> str:
    """The field ``payload`` of a form; raises Refused."""
    value = argument(request, b"payload")
    if value is None:
        raise Refused("the form has no field 'payload'")
    return value


def as_object(value: Any) -> dict[str, Any]:
    """The payload, if it is an object; raises Refused."""
    if not isinstance(value, dict):
        raise Refused(f"the payload is a JSON {_kind(value)}, not an object")
    return value


def _kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "string" if isinstance(value, str) else "value"


def pick(payload: Any, path: str, kind: type | tuple[type, ...] = str) -> Any:
    """The value at a dotted path; raises Refused, naming it, if it is not there or of another type."""
    value = payload
    for word in path.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
        if value is None:
            raise Refused(f"the payload has no {path}")
    if not isinstance(value, kind):
        raise Refused(f"the payload's {path} is a {type(value).__name__}")
    return value


def pick_list(payload: Any, path: str) -> list[Any]:
    """The list at a dotted path; empty if it is not there or null."""
    value = payload
    for word in path.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused(f"the payload's {path} is a {type(value).__name__}, not a list")
    return value


def same_secret(given: str, wanted: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing of them."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def check_signature(signature: str, secret: str, data: bytes) -> None:
    """Raise Refused unless ``signature`` (``sha256=…`` or ``sha1=…``) is the HMAC of the body with this secret."""
    kind, separator, digest = signature.partition("=")
    if not separator:
        raise Refused(f"Wrong signature format: {signature[:80]}", 403)
    if kind not in ("sha256", "sha1"):
        raise Refused(f"Unknown hash type: {kind[:80]}", 403)
    if not same_secret(digest, hmac.new(secret.encode(), data, getattr(hashlib, kind)).hexdigest()):
        raise Refused("Hash mismatch: the secret of the hook is not the one that is configured here", 403)
