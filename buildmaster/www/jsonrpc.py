"""Actions by JSON-RPC 2.0: what a call must look like, and how its failures are told.

No batches and no positional parameters, as documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

_REQUIRED: dict[str, tuple[type | tuple[type, ...], str]] = {
    "jsonrpc": (str, "a string"),
    "method": (str, "a string"),
    "id": ((str, int, type(None)), "a string, a number or null"),
    "params": (dict, "an object"),
}


class RpcError(Exception):
    """A call failed: HTTP status, JSON-RPC code, and a message (text, or a dict of texts by parameter)."""

    def __init__(self, status: int, code: int, message: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@attrs.frozen
class Call:
    """One action."""

    #: what the answer will carry as its id
    id: str | int | None
    method: str
    params: dict[str, Any]


def parse(body: bytes, content_type: str) -> Call:
    """The call in a request's body; raises :class:`RpcError`."""
    if content_type.split(";")[0].strip().lower() != "application/json":
        raise RpcError(400, INVALID_REQUEST, "Invalid content-type (use application/json)")
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RpcError(400, PARSE_ERROR, f"JSON parse error: {error}")
    if isinstance(data, list):
        raise RpcError(400, INVALID_REQUEST, "JSONRPC batch requests are not supported")
    if not isinstance(data, dict):
        raise RpcError(400, INVALID_REQUEST, "JSONRPC root object must be an object")
    for key, (types, described) in _REQUIRED.items():
        if key not in data:
            raise RpcError(400, INVALID_REQUEST, f"missing key '{key}'")
        if not isinstance(data[key], types) or isinstance(data[key], bool):
            raise RpcError(400, INVALID_REQUEST, f"'{key}' must be {described}")
    if data["jsonrpc"] != "2.0":
        raise RpcError(400, INVALID_REQUEST, "only JSONRPC 2.0 is supported")
    return Call(data["id"], data["method"], data["params"])


def result(call: Call, value: Any) -> dict[str, Any]:
    """The answer of a call that went well."""
    return {"id": call.id, "jsonrpc": "2.0", "result": value}


def failure(call: Call | None, error: RpcError) -> dict[str, Any]:
    """The answer of a call that failed; without an id if there was none to be read."""
    answer: dict[str, Any] = {"jsonrpc": "2.0"}
    if call is not None:
        answer["id"] = call.id
    answer["error"] = {"code": error.code, "message": error.message}
    return answer


def validation_message(error: BaseException) -> Any:
    """What to tell of an exception that says which parameters are wrong: its ``errors`` by name, else its text."""
    errors = getattr(error, "errors", None)
    return dict(errors) if isinstance(errors, Mapping) else str(error)
