"""The secrets that builds of this master have used, for who knows a build by its id only."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from buildmaster.properties.masking import masks_of
from buildmaster.properties.values import Properties

MOST_BUILDS = 5000
"""So many builds are remembered: those that used a secret last, for what is written about a build after its end."""


class SecretsOfBuilds:
    """Build id → the secrets that it has used.  False as long as no build has used any."""

    def __init__(self) -> None:
        self._of: dict[int, Mapping[str, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def watch(self, buildid: int, properties: Properties) -> None:
        """A build begins, with these properties."""
        note = functools.partial(self._note, buildid, properties.used_secrets)
        if properties.used_secrets:
            note()
        else:
            properties.on_first_secret = note

    def _note(self, buildid: int, secrets: Mapping[str, str]) -> None:
        self._of[buildid] = secrets
        if len(self._of) > MOST_BUILDS:
            del self._of[next(iter(self._of))]

    def without(self, buildid: int | None, value: Any) -> Any:
        """A value that is written about a build, without its secrets: in all text and bytes, however it is nested.

        May be called in any thread.
        """
        secrets = None if buildid is None else self._of.get(buildid)
        return masks_of(secrets).value(value) if secrets else value
