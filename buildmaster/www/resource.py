"""The base of all web resources: how an answer that takes time is awaited, and how errors leave the house."""

from __future__ import annotations

import html
import traceback
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.logger import Logger
from twisted.web import resource, server
from twisted.web.error import Error
from twisted.web.iweb import IRequest

from buildmaster.base.aio import maybe
from buildmaster.base.strings import unicode2bytes

log = Logger()


def protect_redirect_url(url: str | bytes) -> bytes:
    """The URL made fit for a Location header: a line break in it would let a visitor write headers of his own."""
    return unicode2bytes(url).replace(b"\r", b"").replace(b"\n", b"")


class Redirect(Error):
    """Raised while rendering: send the browser elsewhere (302)."""

    def __init__(self, url: str | bytes) -> None:
        super().__init__(302, b"redirect")
        self.url = protect_redirect_url(url)


class Resource(resource.Resource):
    """A web resource of this master.

    ``needsReconfig`` asks for a call of :meth:`reconfigResource` with each new configuration.
    """

    needsReconfig = False

    def __init__(self, master: Any) -> None:
        super().__init__()
        self.master = master
        if self.needsReconfig and master is not None and master.www is not None:
            master.www.resourceNeedsReconfigs(self)

    @property
    def base_url(self) -> bytes:
        """The configured ``buildbotURL`` as bytes, ending in a slash."""
        return unicode2bytes(self.master.config.buildbotURL)

    @property
    def www(self) -> Any:
        """The :class:`~buildmaster.www.service.WWWService` that this resource belongs to."""
        return self.master.www

    def reconfigResource(self, new_config: Any) -> Any:
        """Take over a new configuration; called when ``needsReconfig`` is set.  May return a Deferred."""

    def asyncRenderHelper(
        self, request: IRequest, _callable: Callable[[IRequest], Any], writeError: Callable[..., Any] | None = None
    ) -> int:
        """Answer with what ``_callable(request)`` returns: bytes, or a Deferred or coroutine of bytes.

        ``server.NOT_DONE_YET`` as its result means that it finishes the request itself.  A
        :class:`~twisted.web.error.Error` it raises becomes that status, :class:`Redirect` a redirect, and anything
        else is logged and answered with 500.  ``writeError(message, errcode)`` may write the body of an error.
        """
        return render_async(request, _callable, writeError or _plain_error(request))


def _plain_error(request: Any) -> Callable[..., None]:
    def write(message: bytes, errcode: int = 400) -> None:
        request.setResponseCode(errcode)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        request.write(message)

    return write


def render_async(request: Any, function: Callable[[Any], Any], write_error: Callable[..., Any]) -> int:
    """The body of :meth:`Resource.asyncRenderHelper`, for resources that do not derive from it."""
    d = defer.Deferred.fromCoroutine(_render(request, function, write_error))
    d.addErrback(_could_not_tell, request)
    if not getattr(request, "_disconnected", False):
        request.notifyFinish().addErrback(_gone, d)
    return server.NOT_DONE_YET


def _could_not_tell(failure: Any, request: Any) -> None:
    """The page that should have told of an error failed itself."""
    log.failure("telling of an error at {path}", failure, path=request.path)
    request.setResponseCode(500)
    _finish(request)


def _gone(failure: Any, d: defer.Deferred[None]) -> None:
    """The browser went away: nobody waits for the answer any more."""
    failure.trap(ConnectionDone, ConnectionLost, defer.CancelledError)
    d.cancel()


async def _render(request: Any, function: Callable[[Any], Any], write_error: Callable[..., Any]) -> None:
    try:
        body = await maybe(function, request)
        if body is server.NOT_DONE_YET:
            return
        if body is not None:
            request.write(body)
    except defer.CancelledError:
        return
    except Redirect as redirect:
        request.redirect(redirect.url)
    except Error as error:
        write_error(unicode2bytes(error.message or b""), errcode=int(error.status))
    except Exception:
        log.failure("answering {method} {path}", method=request.method, path=request.path)
        if getattr(request, "startedWriting", 0):  # half an answer is out: a cut connection tells the reader
            request.loseConnection()
            return
        write_error(_told(request), errcode=500)
    _finish(request)


def _told(request: Any) -> bytes:
    """What the browser is told of an internal error: all of it only if ``c['www']['debug']`` is set."""
    if request.site.master.www.settings.debug:
        return traceback.format_exc().encode()
    return b"internal error: see twistd.log"


def _finish(request: Any) -> None:
    if not getattr(request, "_disconnected", False) and not getattr(request, "finished", 0):
        request.finish()


class RedirectResource(Resource):
    """Sends everything below it to one path under the base URL."""

    isLeaf = True

    def __init__(self, master: Any, basepath: str) -> None:
        super().__init__(master)
        self.basepath = unicode2bytes(basepath)

    def render(self, request: Any) -> bytes:
        request.redirect(protect_redirect_url(self.base_url + self.basepath))
        return b"redirecting"


class Directory(resource.Resource):
    """Nothing but a path to others, which are given by their names."""

    def __init__(self, **children: Any) -> None:
        super().__init__()
        for name, child in children.items():
            self.putChild(name.encode(), child)

    def getChild(self, path: bytes, request: Any) -> Any:
        return ErrorPage(404, "No such page")

    def render(self, request: Any) -> bytes:
        return ErrorPage(404, "No such page").render(request)


class ErrorPage(resource.Resource):
    """A resource that is only an error: a status and one sentence."""

    isLeaf = True

    def __init__(self, status: int, message: str) -> None:
        super().__init__()
        self.status = status
        self.message = message

    def render(self, request: Any) -> bytes:
        request.setResponseCode(self.status)
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        title = html.escape(self.message)
        return f"<!doctype html><title>{title}</title><h1>{title}</h1>".encode()
