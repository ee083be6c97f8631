"""One visit of one page: what it may read and do, and how it links to other pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from twisted.internet import defer
from twisted.web.error import Error

from buildmaster.base.aio import as_deferred
from buildmaster.base.strings import bytes2unicode
from buildmaster.data.exceptions import InvalidPathError
from buildmaster.data.resultspec import Filter


class NotFound(Error):
    """There is no such thing."""

    def __init__(self, what: str) -> None:
        super().__init__(404, what.encode())


class Visit:
    """A request of a page.

    ``user`` is the visitor's user info; ``root`` the relative way from this page to the front page, so that the site
    works below any prefix.
    """

    def __init__(self, master: Any, request: Any, user: dict[str, Any]) -> None:
        self.master = master
        self.request = request
        self.user = user
        words = request.path.split(b"/")[1:]
        self.path = tuple(bytes2unicode(word, errors="replace") for word in _unquoted(request))
        self.root = "../" * (len(words) - 1) or "./"
        self._may: dict[Any, bool] = {}

    async def get(
        self,
        *path: Any,
        filters: Sequence[Filter] | None = None,
        order: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> Any:
        """Read the data API as this visitor; None if there is no such resource."""
        words = tuple(path)
        await self.master.www.assert_user_info_allowed(self.user, tuple(str(w) for w in words), "get", {})
        try:
            return await self.master.data.get(
                words, filters=filters, order=order, limit=limit, offset=offset, fields=fields
            )
        except InvalidPathError:
            return None

    async def need(self, *path: Any) -> Any:
        """The same, for what the page is about; raises :class:`NotFound`."""
        found = await self.get(*path)
        if found is None:
            raise NotFound(f"There is no {'/'.join(str(word) for word in path)} here")
        return found

    async def may(self, path: Sequence[Any], action: str, options: dict[str, Any] | None = None) -> bool:
        """Whether the visitor may do this action."""
        words = tuple(str(word) for word in path)
        key = (words, action, str(options))
        if key not in self._may:
            try:
                await self.master.www.assert_user_info_allowed(self.user, words, action, options or {})
                self._may[key] = True
            except Error:
                self._may[key] = False
        return self._may[key]

    def argument(self, name: str, default: str = "") -> str:
        """A query parameter."""
        values = self.request.args.get(name.encode())
        return bytes2unicode(values[0], errors="replace") if values else default

    def number(self, name: str, default: int = 0) -> int:
        """A query parameter that is a number, not negative."""
        text = self.argument(name)
        return int(text) if text.isdigit() and len(text) < 15 else default

    def url(self, *words: Any, **query: Any) -> str:
        """A link to another page of the site."""
        path = "/".join(quote(str(word), safe="") for word in words)
        asked = {key: value for key, value in query.items() if value not in (None, "")}
        return self.root + path + ("?" + urlencode(asked) if asked else "")

    @property
    def query(self) -> str:
        """The page's own query parameters, ready to be followed by others."""
        pairs = [(key, value) for key, values in self.request.args.items() for value in values]
        text = urlencode([pair for pair in pairs if pair[0] != b"live"])
        return text + "&" if text else ""

    @property
    def share_key(self) -> Any:
        """Visits with the same key see the same page."""
        args = {key: tuple(v) for key, v in self.request.args.items() if key != b"live"}
        return (self.request.path, tuple(sorted(args.items())), repr(sorted(self.user.items(), key=str)))


def _unquoted(request: Any) -> list[bytes]:
    return [*request.prepath, *request.postpath]


async def together(*calls: Any) -> list[Any]:
    """Await several coroutines at once; raises the first error."""
    try:
        return list(await defer.gatherResults([as_deferred(call) for call in calls], consumeErrors=True))
    except defer.FirstError as first:
        first.subFailure.raiseException()
        raise
