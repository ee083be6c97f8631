"""A small reader of a master's own REST interface, for commands that follow what it does."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlencode


class RestError(Exception):
    """The master gave no answer, or one that says no."""


class Rest:
    """Reads ``/api/v2`` of the master at a host and port over one kept connection."""

    def __init__(self, host: str, port: int, timeout: float = 30) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout)

    def get(self, *path: object, **query: object) -> list[dict[str, Any]]:
        """The members of a collection, or a list of the one resource at this path.

        Raises :class:`RestError`.
        """
        parts = [quote(str(part), safe="") for part in path]
        address = "/api/v2/" + "/".join(parts) + (f"?{urlencode(query)}" if query else "")
        try:
            self._connection.request("GET", address)
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as e:
            self._connection.close()
            raise RestError(f"{address}: {e}") from None
        if answer.status != 200:
            raise RestError(f"{address}: {answer.status} {body[:200].decode('utf-8', 'replace')}")
        found = json.loads(body)
        return next(value for name, value in found.items() if name != "meta")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
