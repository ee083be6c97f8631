"""Virtual builders: builds that are shown under another builder than the one that runs them.

A build whose properties name a ``virtual_builder_name`` gets the id of the builder of that name, and a number among
its builds; that builder is made when it is first named.  ``virtual_builder_description``, ``virtual_builder_project``
and ``virtual_builder_tags`` (a list, or text with commas) tell what is said of it.  They are properties of the request
or of the builder: what a step sets comes too late, the build has its number by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from buildmaster.db.builders import VirtualBuilder
from buildmaster.db.loading import LoadedRequest

NAME = "virtual_builder_name"
DESCRIPTION = "virtual_builder_description"
PROJECT = "virtual_builder_project"
TAGS = "virtual_builder_tags"

Values = Mapping[str, Any]


def virtual_builder(properties: Values) -> VirtualBuilder | None:
    """The virtual builder that these properties (by name) tell of; None if they name none."""
    name = properties.get(NAME)
    if not isinstance(name, str) or not name:
        return None
    return VirtualBuilder(
        name, _text(properties.get(DESCRIPTION)), _text(properties.get(PROJECT)), _tags(properties.get(TAGS))
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _tags(value: Any) -> tuple[str, ...]:
    tags = value.split(",") if isinstance(value, str) else value or ()
    return tuple(str(tag).strip() for tag in tags if str(tag).strip())


@attrs.frozen
class Naming:
    """What decides which virtual builder the build of a request belongs to, the later ones first to be asked.

    ``asked`` are the properties of the request, None if they are not known yet.
    """

    defaults: Values
    asked: Values | None
    builder: Values

    @classmethod
    def of(cls, config: Any, request: Any) -> Naming:
        """For a builder's configuration and a request, an object or None."""
        asked = None if request is None else _asked(request.properties)
        return cls(getattr(config, "defaultProperties", None) or {}, asked, getattr(config, "properties", None) or {})

    def named(self, loaded: LoadedRequest | None) -> VirtualBuilder | None:
        """The virtual builder, if one is named; ``loaded`` holds the properties of a request that had no object."""
        asked = self.asked if self.asked is not None else {}
        if loaded is not None and self.asked is None:
            asked = {name: value for name, (value, _) in loaded.properties.items()}
        if NAME not in self.builder and NAME not in asked and NAME not in self.defaults:
            return None
        return virtual_builder({**self.defaults, **asked, **self.builder})


def _asked(properties: Any) -> Values:
    """The properties of a request by name, if one of them names a virtual builder."""
    if NAME not in properties:
        return {}
    return {name: value for name, (value, _) in properties.asDict().items()}
