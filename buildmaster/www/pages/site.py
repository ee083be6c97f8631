"""The pages as web resources: finds the page of a URL, loads and renders it, keeps it up to date, does its forms."""

from __future__ import annotations

from typing import Any

from twisted.web import server
from twisted.web.error import Error

from buildmaster.base.strings import bytes2unicode
from buildmaster.www import headers
from buildmaster.www.pages import (
    building,
    changes,
    dashboards,
    login,
    logview,
    overview,
    requests,
    schedulers,
    views,
    workers,
)
from buildmaster.www.pages.live import LiveView, Loaded
from buildmaster.www.pages.page import Action, Invalid, Page, Routes
from buildmaster.www.pages.render import Templates
from buildmaster.www.pages.visit import NotFound, Visit
from buildmaster.www.resource import Redirect, Resource

_MODULES = (overview, building, logview, changes, workers, requests, schedulers, login, views, dashboards)
PAGES = Routes([page for module in _MODULES for page in module.PAGES])
ACTIONS = Routes([action for module in _MODULES for action in getattr(module, "ACTIONS", ())])


class PagesRoot(Resource):
    """The root of the site: what is no child of it is a page."""

    needsReconfig = True

    def __init__(self, master: Any) -> None:
        super().__init__(master)
        self.templates = Templates()
        self.views: dict[Any, LiveView] = {}

    def reconfigResource(self, new_config: Any) -> None:
        self.templates = Templates(new_config.www.get("custom_templates_dir"), self.master.basedir)

    def getChild(self, path: bytes, request: Any) -> Any:
        return PageResource(self.master, self)

    def close_all(self) -> None:
        """The master stops: no browser shall keep it waiting."""
        for view in list(self.views.values()):
            view.close()


class PageResource(Resource):
    """One page."""

    isLeaf = True

    def __init__(self, master: Any, root: PagesRoot) -> None:
        super().__init__(master)
        self.root = root

    def render_GET(self, request: Any) -> int:
        return self.asyncRenderHelper(request, self._get, self._write_error(request))

    def render_POST(self, request: Any) -> int:
        return self.asyncRenderHelper(request, self._post, self._write_error(request))

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _get(self, request: Any) -> Any:
        visit = await self._visit(request)
        path = self._trimmed(visit.path)
        found = PAGES.find(path)
        if found is None:
            raise NotFound(f"There is no page {'/'.join(path)}")
        if visit.path != path and path:  # a slash too many: relative links would miss
            raise Redirect(("../" * (len(visit.path) - len(path))) + path[-1])
        page, words = found
        if self.www.auth.autologin and visit.user.get("anonymous") and path != ("login",):
            raise Redirect(visit.url("auth", "login", redirect="/" + "/".join(path)))
        if b"live" in request.args:
            return await self._live(request, visit, page, words)
        position = self.master.mq.journal.head
        context = await self._load(visit, page, words)
        text = self.root.templates.page(page.template, {**context, "position": position})
        return self._send(request, text, page.has_own_code)

    def _trimmed(self, path: tuple[str, ...]) -> tuple[str, ...]:
        while path and path[-1] == "":
            path = path[:-1]
        if not path and self.www.settings.default_page:
            first = tuple(self.www.settings.default_page.strip("#/").split("/"))
            return first if self._is_page(first) else path  # a view of Buildbot's own front end: ours instead
        return path

    def _is_page(self, path: tuple[str, ...]) -> bool:
        found = PAGES.find(path)
        if found is None:
            return False
        name = found[1].get("dashboard")
        return name is None or self.www.dashboards.dashboards.get(name) is not None

    async def _visit(self, request: Any) -> Visit:
        return Visit(self.master, request, await self.www.visitor(request))

    async def _load(self, visit: Visit, page: Page, words: dict[str, str]) -> dict[str, Any]:
        context = {**self._common(visit), "more_pages": await self._more_pages(visit)}
        context.update(await page.load(visit, **words))
        context["is_live"] = bool(page.watch(context))
        return context

    def _common(self, visit: Visit) -> dict[str, Any]:
        config = self.master.config
        return {
            "visit": visit,
            "url": visit.url,
            "root": visit.root,
            "is_anonymous": bool(visit.user.get("anonymous")),
            "user_name": next((visit.user[k] for k in ("full_name", "username", "email") if visit.user.get(k)), ""),
            "title": config.title,
            "title_url": config.titleURL,
            "can_log_in": self.www.auth.has_form or type(self.www.auth).__name__ != "NoAuth",
            "is_open": self.www.settings.authz is None,
            "now": self.master.reactor.seconds(),
            "has_theme": bool(self.www.settings.theme),
            "position": self.master.mq.journal.head,
            "form_errors": {},
            "form_entered": {},
            "form_name": None,
            "more_pages": (),
        }

    async def _more_pages(self, visit: Visit) -> list[tuple[str, str]]:
        """(path, label) of the pages that the configuration adds to the navigation."""
        there = self.www.dashboards
        plugins = self.www.settings.plugins
        shown = [link for name, link in views.LINKS.items() if plugins.get(name, False) is not False]
        return shown + [link for link in there.dashboards.links if await there.may_see(visit.user, link[0])]

    async def _live(self, request: Any, visit: Visit, page: Page, words: dict[str, str]) -> int:
        key = visit.share_key
        view = self.root.views.get(key)
        if view is None:

            async def load() -> Loaded:
                fresh = Visit(self.master, request, visit.user)
                context = await self._load(fresh, page, words)
                return Loaded(self.root.templates.blocks(page.template, context), page.watch(context))

            view = LiveView(self.master, load, lambda: self._forget(key, view))
            self.root.views[key] = view
        try:
            await view.join(request)
        except Error:
            self._forget(key, view)
            raise
        return server.NOT_DONE_YET

    def _forget(self, key: Any, view: LiveView | None) -> None:
        if self.root.views.get(key) is view:
            del self.root.views[key]

    # -- acting --------------------------------------------------------------------------------------------------------

    async def _post(self, request: Any) -> bytes:
        if self.www.origins.refuses(request):
            raise Error(403, b"This form was sent from another site")
        visit = await self._visit(request)
        found = ACTIONS.find(self._trimmed(visit.path))
        if found is None:
            raise NotFound("There is no such action")
        action, words = found
        try:
            target = await self._run(visit, action, words)
        except Invalid as invalid:
            return await self._show_form_again(request, visit, invalid)
        request.setResponseCode(303)
        request.setHeader(b"location", target.replace("\r", "").replace("\n", "").encode())
        return b""

    async def _run(self, visit: Visit, action: Action, words: dict[str, str]) -> str:
        return await action.run(visit, **words)

    async def _show_form_again(self, request: Any, visit: Visit, invalid: Invalid) -> bytes:
        found = PAGES.find(tuple(invalid.page.split("/")))
        assert found is not None
        page, words = found
        context = await self._load(visit, page, words)
        context.update(form_errors=invalid.errors, form_entered=invalid.entered, form_name=invalid.form, is_live=False)
        request.setResponseCode(400)
        return self._send(request, self.root.templates.page(page.template, context))

    # -- answering -----------------------------------------------------------------------------------------------------

    def _send(self, request: Any, text: str, has_own_code: bool = False) -> bytes:
        (headers.dashboard if has_own_code else headers.page)(request)
        body = text.encode("utf-8", "replace")
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        request.setHeader(b"content-length", b"%d" % len(body))
        return body

    def _write_error(self, request: Any) -> Any:
        def write(message: bytes, errcode: int = 400) -> None:
            request.setResponseCode(errcode)
            visit = Visit(self.master, request, self.www.getUserInfos(request))
            context = {**self._common(visit), "is_live": False, "status": errcode, "message": bytes2unicode(message)}
            request.write(self._send(request, self.root.templates.page("error.html", context)))

        return write
