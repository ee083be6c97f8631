"""The REST interface as an OpenAPI 3.0 document, made from the declarations of the resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildmaster.data import types
from buildmaster.data.base import Endpoint, EndpointKind
from buildmaster.data.connector import DataConnector
from buildmaster.data.paths import split

_PAGE = (
    ("limit", "integer", "the most resources to return"),
    ("offset", "integer", "how many resources to leave out before"),
    ("order", "array", "fields to sort by; descending with a - before the name"),
)
_FIELDS = (("field", "array", "fields to return; all if none is named"),)
_PROPERTIES = (("property", "array", "properties to embed; * for all"),)
_JSON_TYPES = {"string": "string", "integer": "integer", "boolean": "boolean"}


def describe(data: DataConnector, version: str, url: str = "/api/v2") -> dict[str, Any]:
    """The document; ``version`` is the program's, ``url`` where the interface is reached."""
    paths: dict[str, Any] = {}
    for pattern, endpoint in data.matcher.items():
        path, parameters = _path(pattern)
        paths.setdefault(path, {"parameters": parameters, "summary": _summary(endpoint)})
        paths[path]["get"] = _read(endpoint)
        if endpoint.actions:
            paths[path]["post"] = _act(endpoint)
    return {
        "openapi": "3.0.3",
        "info": {"title": "buildmaster", "version": version, "description": "REST interface, version 2"},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": dict(_schemas(data))},
    }


def _path(pattern: str) -> tuple[str, list[dict[str, Any]]]:
    """A path with its variables in braces, and their descriptions."""
    words, parameters = [], []
    for word in split(pattern):
        kind, colon, name = str(word).partition(":")
        words.append("{" + name + "}" if colon else str(word))
        if colon:
            schema = {"type": "integer" if kind == "n" else "string"}
            parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    return "/" + "/".join(words), parameters


def _summary(endpoint: Endpoint) -> str:
    return (type(endpoint).__doc__ or "").strip().partition("\n")[0]


def _read(endpoint: Endpoint) -> dict[str, Any]:
    rtype = endpoint.rtype
    if endpoint.kind in (EndpointKind.RAW, EndpointKind.RAW_INLINE):
        content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
        return {"tags": [rtype.name], "responses": _responses(content)}
    meta = {"type": "object", "properties": {"total": {"type": "integer"}}}
    items = {"type": "array", "items": rtype.entityType.to_openapi()}
    schema = {"type": "object", "properties": {rtype.plural: items, "meta": meta}}
    return {
        "tags": [rtype.name],
        "parameters": list(_query(endpoint)),
        "responses": _responses({"application/json": {"schema": schema}}),
    }


def _responses(content: Mapping[str, Any]) -> dict[str, Any]:
    wrong = {"type": "object", "properties": {"error": {"type": "string"}}}
    error = {"content": {"application/json": {"schema": wrong}}}
    return {
        "200": {"description": "the answer", "content": content},
        "400": {"description": "a query parameter can't be used", **error},
        "404": {"description": "there is no such path or resource", **error},
    }


def _query(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    fields = endpoint.rtype.entityType.fields
    known = [*_FIELDS, *(_PROPERTIES if "properties" in fields else ())]
    if endpoint.kind is EndpointKind.COLLECTION or endpoint.isPseudoCollection:
        known += _PAGE
    for name, kind, text in known:
        schema: dict[str, Any] = {"type": kind, **({"items": {"type": "string"}} if kind == "array" else {})}
        yield {"name": name, "in": "query", "description": text, "schema": schema}
    if endpoint.kind is EndpointKind.COLLECTION:
        for name, field in fields.items():
            inner = field.nestedType if isinstance(field, types.NoneOk) else field
            if not isinstance(inner, (types.Entity, types.List, types.SourcedProperties, types.JsonObject)):
                text = "filter; with __ne, __lt, __le, __gt, __ge, __contains, __in or __notin for other comparisons"
                yield {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}


def _act(endpoint: Endpoint) -> dict[str, Any]:
    calls = []
    for action, arguments in endpoint.actions.items():
        properties = {name: {"type": _JSON_TYPES[kind]} for name, kind in arguments.items()}
        call = {
            "jsonrpc": {"type": "string", "enum": ["2.0"]},
            "method": {"type": "string", "enum": [action]},
            "id": {},
            "params": {"type": "object", "properties": properties},
        }
        calls.append({"type": "object", "properties": call, "required": ["jsonrpc", "method", "id", "params"]})
    answer = {"type": "object", "properties": {"result": {}, "error": {"type": "object"}}}
    return {
        "tags": [endpoint.rtype.name],
        "summary": "actions: " + ", ".join(endpoint.actions),
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": calls}}}},
        "responses": {
            "200": {"description": "done", "content": {"application/json": {"schema": answer}}},
            "400": {"description": "the arguments can't be used"},
            "403": {"description": "not allowed"},
            "404": {"description": "there is no such resource"},
        },
    }


def _schemas(data: DataConnector) -> Iterator[tuple[str, Any]]:
    """The schema of each resource, and of those that are only part of others."""
    waiting: list[types.Type] = [rtype.entityType for rtype in vars(data.rtypes).values()]
    seen: set[str] = set()
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, types.NoneOk):
            waiting.append(found.nestedType)
        elif isinstance(found, types.List):
            waiting.append(found.of)
        elif isinstance(found, types.Entity) and found.name not in seen:
            seen.add(found.name)
            yield found.name, {**found.schema(), "description": (type(found).__doc__ or "").strip()}
            waiting.extend(found.fields.values())
