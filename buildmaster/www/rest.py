"""The REST interface, version 2: paths, queries and actions of the data API over HTTP.

GET reads; the answer is an object with the resource's plural name and ``meta``, also for a single resource.  POST is an
action in JSON-RPC 2.0.  This file knows HTTP and nothing of any resource.
"""

from __future__ import annotations

import hashlib
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.web.error import Error

from buildmaster.base.aio import maybe
from buildmaster.base.strings import bytes2unicode
from buildmaster.data.base import EndpointKind
from buildmaster.data.exceptions import (
    DataException,
    InvalidActionException,
    InvalidControlException,
    InvalidOptionError,
    InvalidPathError,
    InvalidQueryParameter,
)
from buildmaster.www import jsonrpc, raw
from buildmaster.www.encoding import to_json, to_readable_json
from buildmaster.www.resource import ErrorPage, Resource, render_async

log = Logger()

RAW_KINDS = (EndpointKind.RAW, EndpointKind.RAW_INLINE)
ALLOWED = b"GET, HEAD, POST, OPTIONS"
JSON = b"application/json; charset=utf-8"
VERSIONS = (2,)


class BadRequest(Exception):
    """A request can't be answered: HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RestRootResource(Resource):
    """``/api``: one child for each version of the interface."""

    needsReconfig = True

    def __init__(self, master: Any) -> None:
        super().__init__(master)
        self.minimum_version = 0

    def reconfigResource(self, new_config: Any) -> None:
        self.minimum_version = new_config.www.get("rest_minimum_version") or 0

    def getChild(self, name: bytes, request: Any) -> Any:
        for version in VERSIONS:
            if name == b"v%d" % version and version >= self.minimum_version:
                return V2RootResource(self.master)
        offered = ", ".join(f"v{version}" for version in VERSIONS if version >= self.minimum_version)
        return ErrorPage(404, f"No such version of the REST interface; there is: {offered or 'none'}")


class V2RootResource(Resource):
    """``/api/v2`` and everything below it."""

    isLeaf = True

    def render(self, request: Any) -> int:
        return render_async(request, self._answer, _write_error(request))

    async def _answer(self, request: Any) -> Any:
        method = request.method
        try:
            self.www.check_cross_origin(request)
            if method == b"POST":
                return await self._post(request)
            if method == b"OPTIONS":
                return self._options(request)
            if method in (b"GET", b"HEAD"):
                return await self._get(request)
            request.setHeader(b"allow", ALLOWED)
            raise BadRequest(405, "invalid HTTP method")
        except BadRequest as error:
            return _error(request, error.status, str(error))

    def _options(self, request: Any) -> bytes:
        request.setHeader(b"allow", ALLOWED)
        if request.getHeader(b"access-control-request-method"):
            request.setHeader(b"access-control-allow-methods", ALLOWED)
        request.setResponseCode(204)
        return b""

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _get(self, request: Any) -> Any:
        path = path_of(request)
        try:
            await self.www.assertUserAllowed(request, path, "get", {})
            endpoint, kwargs = self.master.data.getEndpoint(path)
            if endpoint.kind in RAW_KINDS:
                return await raw.send(request, endpoint, kwargs)
            spec = self._spec(request, endpoint)
            data = await self.master.data.get_with_resultspec(path, spec)
        except InvalidPathError:
            raise BadRequest(404, f"Invalid path: {'/'.join(path)}")
        except (InvalidQueryParameter, InvalidOptionError) as error:
            raise BadRequest(400, str(error))
        except raw.NotFound:
            data = None
        if data is None:
            raise BadRequest(404, f"not found: {'/'.join(path)}")
        return self._send(request, envelope(endpoint, data))

    def _spec(self, request: Any, endpoint: Any) -> Any:
        is_collection = endpoint.kind == EndpointKind.COLLECTION or endpoint.isPseudoCollection
        return self.master.data.resultspec_from_jsonapi(request.args, endpoint.rtype.entityType, is_collection)

    def _send(self, request: Any, answer: dict[str, Any]) -> bytes:
        for_people = b"text/html" in (request.getHeader(b"accept") or b"")
        body = to_readable_json(answer) if for_people else to_json(answer)
        headers = request.responseHeaders
        headers.setRawHeaders(b"content-type", [JSON])
        seconds = self.www.settings.json_cache_seconds
        headers.setRawHeaders(b"cache-control", [b"private, max-age=%d" % seconds if seconds else b"private, no-cache"])
        tag = b'"' + hashlib.blake2b(body, digest_size=12).hexdigest().encode() + b'"'
        if request.setETag(tag):
            return b""
        headers.setRawHeaders(b"content-length", [b"%d" % len(body)])
        return body

    # -- acting ------------------------------------------------------------------------------------------------------

    async def _post(self, request: Any) -> bytes:
        call = None
        try:
            request.content.seek(0)
            call = jsonrpc.parse(request.content.read(), bytes2unicode(request.getHeader(b"content-type") or b""))
            if self.www.origins.refuses(request):
                raise jsonrpc.RpcError(403, jsonrpc.INVALID_REQUEST, "invalid origin")
            answer = jsonrpc.result(call, await self._call(request, call))
        except jsonrpc.RpcError as error:
            request.setResponseCode(error.status)
            answer = jsonrpc.failure(call, error)
        body = to_json(answer)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"content-length", b"%d" % len(body))
        return body

    async def _call(self, request: Any, call: jsonrpc.Call) -> Any:
        path = path_of(request)
        try:
            return await act(self.www, request, path, call.method, call.params)
        except InvalidPathError:
            message = f"Invalid path: {'/'.join(path)}"
            raise jsonrpc.RpcError(404, jsonrpc.INVALID_REQUEST, message)
        except InvalidControlException as error:
            raise jsonrpc.RpcError(501, jsonrpc.METHOD_NOT_FOUND, str(error) or f"no action {call.method!r} here")
        except (InvalidActionException, InvalidOptionError) as error:
            raise jsonrpc.RpcError(400, jsonrpc.INVALID_PARAMS, jsonrpc.validation_message(error))
        except Error as error:  # Forbidden, and what the user's own rules raise
            raise jsonrpc.RpcError(int(error.status), jsonrpc.INVALID_REQUEST, bytes2unicode(error.message or b""))
        except defer.CancelledError:
            raise
        except Exception as error:
            raise _call_failed(error, call, path)


def _call_failed(error: Exception, call: jsonrpc.Call, path: tuple[str, ...]) -> jsonrpc.RpcError:
    """What to tell of an action that raised: wrong parameters in full, our own faults by their class only."""
    if isinstance(error, (DataException, ValueError)) or hasattr(error, "errors"):
        return jsonrpc.RpcError(400, jsonrpc.INVALID_PARAMS, jsonrpc.validation_message(error))
    log.failure("action {method} on {path} failed", method=call.method, path="/".join(path))
    message = f"internal error ({type(error).__name__}): see twistd.log"
    return jsonrpc.RpcError(500, jsonrpc.INTERNAL_ERROR, message)


async def act(www: Any, request: Any, path: tuple[str, ...], action: str, params: dict[str, Any]) -> Any:
    """Do an action for the visitor who sent this request; the pages' forms come this way too.

    The parameter ``owner`` is the visitor, never what the call says.
    """
    await www.assertUserAllowed(request, path, action, params)
    user = await www.visitor(request)
    params = {**params, "owner": owner_of(user)}
    return await maybe(www.master.data.control, action, params, path)


def owner_of(user: dict[str, Any]) -> str | None:
    """How a visitor is named as the owner of what he starts; None for an anonymous one."""
    if user.get("anonymous"):
        return None
    return user.get("email") or user.get("username") or user.get("full_name")


def path_of(request: Any) -> tuple[str, ...]:
    """The data path that a request's URL names."""
    words = tuple(bytes2unicode(word, errors="replace") for word in request.postpath)
    return () if words == ("",) else words


def envelope(endpoint: Any, data: Any) -> dict[str, Any]:
    """The answer that carries a resource or a collection."""
    plural = endpoint.rtype.plural
    if endpoint.kind == EndpointKind.COLLECTION:
        total = getattr(data, "total", None)
        return {plural: data, "meta": {"total": len(data) if total is None else total}}
    return {plural: [data], "meta": {}}


def _error(request: Any, status: int, message: str) -> bytes:
    body = to_json({"error": message})
    request.setResponseCode(status)
    request.setHeader(b"content-type", JSON)
    request.setHeader(b"content-length", b"%d" % len(body))
    return body


def _write_error(request: Any) -> Any:
    def write(message: bytes, errcode: int = 400) -> None:
        request.write(_error(request, errcode, bytes2unicode(message)))

    return write
