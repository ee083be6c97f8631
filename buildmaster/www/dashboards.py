"""Dashboards written with Flask, Bottle or any other WSGI framework: ``c['www']['plugins']['wsgi_dashboards']``.

An application runs in a thread of a pool of its own, never in the reactor's.  Its own pages are served below
``/wsgi_dashboards/NAME/`` as they are; what it answers for ``/index.html`` is also shown in a page of the site, at
``/NAME``, with the site's navigation and styles.
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from twisted.internet import defer, threads
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool
from twisted.web.error import Error
from twisted.web.wsgi import WSGIResource

from buildmaster.base.aio import DeadlineExceeded, with_deadline
from buildmaster.www import headers, wsgi
from buildmaster.www.resource import Redirect, Resource

log = Logger()

PLUGIN = "wsgi_dashboards"
MOST_THREADS = 10
STOP_SECONDS = 5.0
"""An application that does not answer within this time while the master stops is left behind."""
TAKEN = frozenset(
    {
        "about",
        "api",
        "auth",
        "avatar",
        "badges",
        "builders",
        "change_hook",
        "changes",
        "config",
        "console",
        "grid",
        "login",
        "metrics",
        "pendingbuildrequests",
        "plugins",
        "schedulers",
        "sse",
        "static",
        "waterfall",
        "workers",
        "ws",
        PLUGIN,
    }
)
"""Names of the site's own pages."""
_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")
_KEYS = {"name", "caption", "app", "order", "icon"}


@attrs.frozen
class Dashboard:
    """One entry of the configuration."""

    #: as used in URLs
    name: str
    #: as shown in the navigation
    caption: str
    #: the WSGI application
    app: Any
    #: the place in the navigation: lower is further left
    order: float = 100
    #: the name of an icon; for other front ends, which read it from ``/config``
    icon: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Dashboard:
        """The dashboard of checked options."""
        return cls(**{"caption": options["name"], **options})


def check(options: Any) -> list[str]:
    """A sentence for each mistake in the value of ``wsgi_dashboards``."""
    where = f"c['www']['plugins'][{PLUGIN!r}]"
    if not isinstance(options, (list, tuple)):
        return [f"{where} must be a list of dictionaries with 'name', 'caption' and 'app'"]
    errors: list[str] = []
    names: set[str] = set()
    for number, entry in enumerate(options):
        mistakes = _mistakes(entry)
        if not mistakes and entry["name"] in names:
            mistakes = [f"there is a dashboard {entry['name']!r} before it"]
        if not mistakes:
            names.add(entry["name"])
        errors += [f"{where}[{number}]: {mistake}" for mistake in mistakes]
    return errors


def _mistakes(entry: Any) -> list[str]:
    if not isinstance(entry, Mapping):
        return ["it must be a dictionary with 'name', 'caption' and 'app'"]
    mistakes = [f"unknown key {key!r}" for key in sorted(set(entry) - _KEYS, key=str)]
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.match(name) or not name.strip("."):
        mistakes.append(f"'name' is {name!r}: it must be a word that can stand in a URL")
    elif name in TAKEN:
        mistakes.append(f"'name' is {name!r}, which is a page of the site: choose another")
    if not isinstance(entry.get("caption", ""), str):
        mistakes.append("'caption' must be a text")
    if not callable(entry.get("app")):
        mistakes.append("'app' must be a WSGI application, such as a flask.Flask or a bottle.Bottle")
    if not isinstance(entry.get("order", 0), (int, float)):
        mistakes.append("'order' must be a number")
    return mistakes


class BuildbotApi:
    """What an application finds as its attribute ``buildbot_api``, and in its environment under that name."""

    def __init__(self, master: Any) -> None:
        self._master = master
        self._waiting: set[defer.Deferred[Any]] = set()
        self._closed = False

    def dataGet(
        self,
        path: str | Sequence[str | int],
        filters: Any = None,
        fields: Any = None,
        order: Any = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Any:
        """Read the data API from a thread, waiting for the answer: a resource, a list, or None.

        ``path`` is a tuple such as ``("builders", 2, "builds", 4)`` or a text such as ``"builders/2/builds/4"``; the
        others are those of ``master.data.get``.  Rules of ``authz`` are not asked.  Raises
        :class:`~buildmaster.data.exceptions.InvalidPathError`.
        """
        found = threads.blockingCallFromThread(
            self._master.reactor, self._get, path, filters, fields, order, limit, offset
        )
        return list(found) if isinstance(found, Sequence) else found

    def _get(self, path: Any, *query: Any) -> defer.Deferred[Any]:
        if self._closed:
            raise defer.CancelledError()
        asked: defer.Deferred[Any] = self._master.data.get(path, *query)
        self._waiting.add(asked)
        asked.addBoth(self._done, asked)
        return asked

    def _done(self, result: Any, asked: defer.Deferred[Any]) -> Any:
        self._waiting.discard(asked)
        return result

    def close(self) -> None:
        """The master stops: whoever waits is told so."""
        self._closed = True
        for asked in list(self._waiting):
            asked.cancel()


class Dashboards:
    """The applications of the configuration in force, and the threads that they run in."""

    def __init__(self, master: Any) -> None:
        self.master = master
        self.api = BuildbotApi(master)
        self._entries: dict[str, Dashboard] = {}
        self._pool: ThreadPool | None = None

    def configure(self, options: Sequence[Mapping[str, Any]]) -> None:
        """Serve these from now on."""
        entries = [Dashboard.of(one) for one in options]
        self._entries = {one.name: one for one in sorted(entries, key=lambda one: (one.order, one.caption))}
        for one in entries:
            with contextlib.suppress(AttributeError):  # one without attributes finds it in its environment
                object.__setattr__(one.app, "buildbot_api", self.api)  # a Bottle refuses to have it set twice

    def get(self, name: str) -> Dashboard | None:
        """The dashboard of this name."""
        return self._entries.get(name)

    @property
    def links(self) -> list[tuple[str, str]]:
        """(path, label) of each, in their order."""
        return [(one.name, one.caption) for one in self._entries.values()]

    @property
    def pool(self) -> ThreadPool:
        """The threads; they are started when they are first needed."""
        if self._pool is None:
            self._pool = pool = ThreadPool(0, MOST_THREADS, "dashboards")
            factory: Any = functools.partial(threading.Thread, daemon=True)
            pool.threadFactory = factory
            pool.start()
        return self._pool

    def run(self, function: Any, *args: Any) -> defer.Deferred[Any]:
        """Call a function in one of the threads."""
        return threads.deferToThreadPool(self.master.reactor, self.pool, function, *args)

    async def stop(self) -> None:
        """End the threads; the reactor goes on meanwhile, because they may wait for it."""
        self.api.close()
        pool, self._pool = self._pool, None
        if pool is None:
            return
        stopped = self.master.in_thread(pool.stop)
        try:
            await with_deadline(stopped, STOP_SECONDS, self.master.reactor, "stopping the dashboards")
        except DeadlineExceeded:
            log.warn("a dashboard's application does not come to an end; the master stops without it")


class DashboardsResource(Resource):
    """``/wsgi_dashboards``: each application below its name."""

    isLeaf = True
    needsReconfig = True

    def __init__(self, master: Any) -> None:
        super().__init__(master)
        self.dashboards = Dashboards(master)

    def reconfigResource(self, new_config: Any) -> None:
        plugins = new_config.www.get("plugins") or {}
        self.dashboards.configure(plugins.get(PLUGIN) or ())

    def render(self, request: Any) -> int:
        """Find out who asks, then let the application answer."""
        return self.asyncRenderHelper(request, self._answer)

    async def _answer(self, request: Any) -> Any:
        name = request.postpath[0].decode("utf-8", "replace") if request.postpath else ""
        dashboard = self.dashboards.get(name)
        if dashboard is None:
            raise Error(404, b"There is no such dashboard")
        reads = request.method in (b"GET", b"HEAD")
        if not reads and self.www.origins.refuses(request):
            raise Error(403, b"this form was sent from another site")
        await self.www.assertUserAllowed(request, (PLUGIN, name), "get" if reads else "post", {})
        request.prepath.append(request.postpath.pop(0))
        headers.dashboard(request)
        app = wsgi.prepared(dashboard.app, await self.www.visitor(request), self.dashboards.api)
        return WSGIResource(self.master.reactor, self.dashboards.pool, app).render(request)

    async def may_see(self, user: Mapping[str, Any], name: str) -> bool:
        """Whether the rules let this user look at a dashboard."""
        try:
            await self.www.assert_user_info_allowed(user, (PLUGIN, name), "get", {})
        except Error:
            return False
        return True

    async def page(self, visit: Any, name: str) -> str:
        """What an application answers for ``/index.html``; raises an Error with its status if that is not 200."""
        dashboard = self.dashboards.get(name)
        assert dashboard is not None
        await self.www.assertUserAllowed(visit.request, (PLUGIN, name), "get", {})
        app = wsgi.prepared(dashboard.app, visit.user, self.dashboards.api)
        status, location, body = await self.dashboards.run(
            wsgi.ask, app, wsgi.environ_of(visit, f"/{PLUGIN}/{name}", "/index.html")
        )
        if location and 300 <= status < 400:
            raise Redirect(location)
        if status != 200:
            raise Error(status, f"The dashboard {dashboard.caption} answers with status {status}".encode())
        return body

    def close_all(self) -> Any:
        """The master stops."""
        return defer.Deferred.fromCoroutine(self.dashboards.stop())


__all__ = ["BuildbotApi", "Dashboard", "Dashboards", "DashboardsResource", "check"]
