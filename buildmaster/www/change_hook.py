"""``/change_hook/DIALECT``: requests that become changes.

The answer 200 means that the changes are committed; all changes of a request are stored by one write, or none.  A
delivery that a service repeats, under the same identification, adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.cred.portal import IRealm, Portal
from twisted.internet import defer
from twisted.logger import Logger
from twisted.web import guard
from twisted.web.resource import IResource
from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.strings import bytes2unicode
from buildmaster.www.hooks.dialects import handler_class, options_of
from buildmaster.www.hooks.reading import Refused, header, text
from buildmaster.www.resource import Resource, render_async

log = Logger()

DEFAULT_DIALECT = "base"
REALM = b"change hooks"

#: headers by which services identify a delivery, the same when they send it again
DELIVERY_HEADERS = (b"Idempotency-Key", b"X-GitHub-Delivery", b"X-Request-UUID", b"X-Request-Id")

_OLDER_NAMES = {"who": "author", "when": "when_timestamp"}
_LISTS = ("files", "properties", "category")


class ChangeHookResource(Resource):
    """The entrance of all hooks; what a request means is told by the handler of its dialect."""

    isLeaf = True
    needsReconfig = True
    contentType = "text/html; charset=utf-8"

    def __init__(self, master: Any, dialects: Mapping[str, Any] | None = None) -> None:
        super().__init__(master)
        self.dialects: Mapping[str, Any] = dialects or {}
        self.request_dialect: str | None = None
        self._handlers: dict[str, Any] = {}

    def reconfigResource(self, new_config: Any) -> None:
        """Take over the dialects of a configuration."""
        self.close_all()
        self.dialects = new_config.www.get("change_hook_dialects") or {}

    def open_dialects(self) -> tuple[str, ...]:
        """The dialects that are switched on without a secret; the pollers' one, which adds nothing, is left out."""
        on = {name: options_of(self.dialects, name) for name in self.dialects}
        return tuple(
            sorted(name for name, has in on.items() if has is not None and name != "poller" and not has.get("secret"))
        )

    def close_all(self) -> None:
        """Close what the handlers have open; a request that runs may fail."""
        handlers, self._handlers = self._handlers, {}
        for handler in handlers.values():
            if hasattr(handler, "close"):
                defer.maybeDeferred(handler.close).addErrback(lambda f: log.failure("closing a hook", f))

    # -- answering -----------------------------------------------------------------------------------------------------

    def getChild(self, name: bytes, request: Any) -> Any:
        """All that lies below a dialect is the dialect's."""
        return self

    def render_GET(self, request: Any) -> int:
        """The same as POST: old hooks use either."""
        return self.render_POST(request)

    def render(self, request: Any) -> Any:
        """Anything but GET and POST changes nothing."""
        if request.method in (b"GET", b"POST"):
            return super().render(request)
        request.setHeader(b"allow", b"GET, POST")
        return _say(request, 405, "hooks take GET and POST")

    def render_POST(self, request: Any) -> int:
        """Take the changes of a request."""
        return render_async(request, self._answer, _plain(request))

    async def _answer(self, request: Any) -> bytes:
        try:
            if self.www is not None and self.www.origins.refuses(request):
                raise Refused("a page of another site may not send changes", 403)
            told = await self.getAndSubmitChanges(request)
        except ValueError as error:  # Refused, InvalidChange, and what handlers raise by the documentation
            status = getattr(error, "status", 400)
            log.warn("hook {path}: refused with {status}: {e}", path=text(request.path), status=status, e=error)
            return _say(request, status, str(error))
        except defer.CancelledError:
            raise
        except Exception:  # policy: told in the log, the sender may try again
            log.failure("hook {path}", path=text(request.path))
            return _say(request, 500, "Error processing changes.")
        return _say(request, 200, told)

    @deferred
    async def getAndSubmitChanges(self, request: Any) -> str:
        """Store the changes of a request; returns how many there were, in words."""
        changes, src = await self.getChanges(request)
        if not changes:
            return "no change found"
        await self.submitChanges(changes, request, src)
        return f"{len(changes)} change found"

    @deferred
    async def getChanges(self, request: Any) -> tuple[list[dict[str, Any]], str | None]:
        """(changes, version control system) of a request, from the handler of its dialect."""
        dialect = dialect_of(request)
        options = options_of(self.dialects, dialect)
        if options is None:
            log.warn("a request for the hook {dialect}, which is not switched on", dialect=dialect)
            raise Refused(
                f"The dialect specified, '{dialect[:80]}', wasn't whitelisted in change_hook: "
                "see c['www']['change_hook_dialects']"
            )
        handler = self.makeHandler(dialect)
        changes, src = await maybe(handler.getChanges, request)
        return list(changes or ()), None if src is None else text(src)

    def makeHandler(self, dialect: str) -> Any:
        """The handler of a dialect, made when it is first asked for."""
        if dialect not in self._handlers:
            options = options_of(self.dialects, dialect) or {}
            self._handlers[dialect] = handler_class(dialect, options)(self.master, options)
        return self._handlers[dialect]

    @deferred
    async def submitChanges(self, changes: Sequence[Mapping[str, Any]], request: Any, src: str | None) -> list[int]:
        """Store changes, all or none; returns their ids when that is committed."""
        given = [add_change_arguments(change) for change in changes]
        delivery = delivery_of(request)
        keys = None if delivery is None else [f"{delivery}:{ordinal}" for ordinal in range(len(given))]
        ids: list[int] = await self.master.data.updates.addChanges(given, src=src, idempotency_keys=keys)
        log.info("hook {path}: changes {ids}", path=text(request.path), ids=ids)
        return ids


def dialect_of(request: Any) -> str:
    """The word after ``/change_hook``; ``base`` if there is none."""
    words = [text(word) for word in request.postpath]
    return words[0] if words and words[0] else DEFAULT_DIALECT


def delivery_of(request: Any) -> str | None:
    """What identifies a delivery, the same when its service sends it again; None if it does not tell."""
    for name in DELIVERY_HEADERS:
        given = header(request, name)
        if given and len(given) <= 100 and given.isascii() and given.isprintable():
            return f"hook:{dialect_of(request)[:50]}:{given}"
    return None


def add_change_arguments(change: Mapping[str, Any]) -> dict[str, Any]:
    """A handler's change as the arguments of ``addChange``.

    Bytes become text; a list where a text belongs, as ``request.args`` has them, is its first item; the names of
    Buildbot 0.8 (``who``, ``when``) are taken too.
    """
    arguments: dict[str, Any] = {}
    for name, value in change.items():
        name = _OLDER_NAMES.get(name, name)
        if name not in _LISTS and isinstance(value, list | tuple):
            value = value[0] if value else None
        if value is None and name in ("repository", "project"):
            value = ""
        arguments[name] = bytes2unicode(value, errors="replace") if isinstance(value, bytes) else value
    arguments.pop("src", None)
    return arguments


def _say(request: Any, status: int, words: str) -> bytes:
    """Plain text: what is answered may quote the request."""
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"text/plain; charset=utf-8")
    return words.encode("utf-8", "replace")


def _plain(request: Any) -> Any:
    def write(message: bytes, errcode: int = 400) -> None:
        request.write(_say(request, errcode, text(message)))

    return write


@implementer(IRealm)
class _Realm:
    """Whoever has a password may use the hooks."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        return IResource, self._resource, lambda: None


def guarded(resource: Any, checkers: Any) -> Any:
    """The hooks behind HTTP basic authentication if there are checkers, ``c['www']['change_hook_auth']``."""
    if not checkers:
        return resource
    realm: Any = _Realm(resource)
    portal = Portal(realm, checkers if isinstance(checkers, list | tuple) else [checkers])
    return guard.HTTPAuthSessionWrapper(portal, [guard.BasicCredentialFactory(REALM)])
