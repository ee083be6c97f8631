"""GitHub's REST interface, as far as hooks, pollers and reporters need it.

Source: "GitHub REST API documentation", https://docs.github.com/rest (endpoints *pulls*, *commits*, *statuses*,
*issue comments*; pagination by ``page`` and ``per_page``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from buildmaster.net.httpclient import Requests

HOSTED_BASE_URL = "https://api.github.com"

PER_PAGE = 100
MOST_PAGES = 50
AT_ONCE = 10

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+\Z")
"""``owner/name``."""


class ApiError(Exception):
    """A service did not answer as it should; ``status`` is None if it did not answer at all."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def api_headers(token: str | None) -> dict[str, str]:
    """Headers of a request; GitHub wants a user agent."""
    headers = {"User-Agent": "buildmaster", "Accept": "application/vnd.github+json"}
    if token:
        headers["Authorization"] = f"token {token}"
    return headers


class GitHubApi:
    """Asks one GitHub, the hosted one or one's own."""

    def __init__(
        self, reactor: Any, base_url: str, token: str | None = None, verify: Any = None, debug: bool = False
    ) -> None:
        self._requests = Requests(
            reactor, base_url.rstrip("/"), None, api_headers(token), verify, None, debug, at_once=AT_ONCE
        )

    async def get(self, path: str, timeout: float, **params: Any) -> Any:
        """What GitHub answers for a path below its base address, read as JSON; raises ApiError.

        ``timeout`` is in seconds.
        """
        try:
            response = await self._requests.request("GET", path, params=params or None, timeout=timeout)
            if response.code != 200:
                raise ApiError(f"{path}: GitHub answered {response.code}{_hint(response.code)}", response.code)
            return await response.json()
        except ApiError:
            raise
        except Exception as error:
            raise ApiError(f"{path}: no answer from GitHub: {error or type(error).__name__}") from error

    async def get_all(
        self, path: str, timeout: float, stop: Callable[[list[Any]], bool] | None = None, **params: Any
    ) -> list[Any]:
        """All items of a list that GitHub gives page by page, or up to the page for which ``stop`` says so."""
        found: list[Any] = []
        for page in range(1, MOST_PAGES + 1):
            items = await self.get(path, timeout, per_page=PER_PAGE, page=page, **params)
            if not isinstance(items, list):
                raise ApiError(f"{path}: GitHub answered with something that is no list")
            found += items
            if len(items) < PER_PAGE or (stop is not None and stop(items)):
                break
        return found

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._requests.close()


def _hint(status: int) -> str:
    if status in (401, 403):
        return " (is the token right, and may it read this repository? without a token the rate is limited)"
    if status == 404:
        return " (a private repository needs a token)"
    return ""


def file_names(entries: list[Any]) -> list[str]:
    """The files that a pull request touches: a renamed one under both names."""
    names: list[str] = []
    for entry in entries:
        names.append(entry["filename"])
        if entry.get("previous_filename"):
            names.append(entry["previous_filename"])
    return names


def pull_request_comments(number: int, pull: Mapping[str, Any]) -> str:
    """What a change says of a pull request: its number, size, title and description."""
    commits = pull.get("commits") or 1
    plural = "" if commits == 1 else "s"
    lines = [f"GitHub Pull Request #{number} ({commits} commit{plural})", pull.get("title"), pull.get("body")]
    return "\n".join(str(line) for line in lines if line)
