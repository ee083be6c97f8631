"""What a JSON-RPC call must look like, and the codes of what it must not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildmaster.www import jsonrpc

GOOD = {"jsonrpc": "2.0", "id": 1, "method": "stop", "params": {"reason": "x"}}


def parsed(data: Any, content_type: str = "application/json") -> jsonrpc.Call:
    return jsonrpc.parse(data if isinstance(data, bytes) else json.dumps(data).encode(), content_type)


def test_a_call() -> None:
    assert parsed(GOOD) == jsonrpc.Call(1, "stop", {"reason": "x"})
    assert parsed({**GOOD, "id": None}, "application/json; charset=utf-8").id is None


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"{bad", -32700, "JSON parse error"),
        (b"\xff", -32700, "JSON parse error"),
        ([GOOD], -32600, "JSONRPC batch requests are not supported"),
        ("text", -32600, "JSONRPC root object must be an object"),
        ({**GOOD, "jsonrpc": "1.0"}, -32600, "only JSONRPC 2.0 is supported"),
        ({**GOOD, "params": []}, -32600, "'params' must be an object"),
        ({**GOOD, "method": 3}, -32600, "'method' must be a string"),
        ({**GOOD, "id": True}, -32600, "'id' must be"),
        *[({k: v for k, v in GOOD.items() if k != key}, -32600, f"missing key '{key}'") for key in GOOD],
    ],
)
def test_mistakes(data: Any, code: int, message: str) -> None:
    with pytest.raises(jsonrpc.RpcError) as raised:
        parsed(data)
    assert (raised.value.status, raised.value.code) == (400, code)
    assert message in str(raised.value)


def test_a_form_is_no_call() -> None:
    with pytest.raises(jsonrpc.RpcError, match="Invalid content-type"):
        parsed(GOOD, "application/x-www-form-urlencoded")


def test_answers() -> None:
    call = parsed({**GOOD, "id": "q"})
    assert jsonrpc.result(call, [1, {"2": 3}]) == {"id": "q", "jsonrpc": "2.0", "result": [1, {"2": 3}]}
    error = jsonrpc.RpcError(400, -32602, {"branch": "wrong"})
    assert jsonrpc.failure(call, error) == {
        "jsonrpc": "2.0",
        "id": "q",
        "error": {"code": -32602, "message": {"branch": "wrong"}},
    }
    assert jsonrpc.failure(None, error) == {"jsonrpc": "2.0", "error": {"code": -32602, "message": {"branch": "wrong"}}}
