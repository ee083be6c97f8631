"""A project of the configuration: a name under which builders and codebases are gathered."""

from __future__ import annotations

from typing import Any

from buildmaster.base import where
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.params import check_param_length, check_param_str, check_param_str_none
from buildmaster.base.showing import show

MAX_NAME = 512
MAX_SLUG = 50


class Project(ComparableMixin):
    """A project.

    ``name`` is unique; ``slug`` (by default the name) stands for it in addresses; ``description`` is shown, as
    Markdown if ``description_format`` is ``"markdown"``.
    """

    compare_attrs = ("name", "slug", "description", "description_format")

    config_place: where.Place | None = None

    def __init__(
        self,
        name: str,
        slug: str | None = None,
        description: str | None = None,
        description_format: str | None = None,
    ) -> None:
        self.config_place = where.caller()
        self.name = check_param_str(name, type(self), "name")
        check_param_length(self.name, "Project name", MAX_NAME)
        self.slug = check_slug(type(self), slug, self.name)
        self.description = check_param_str_none(description, type(self), "description")
        if description_format not in (None, "markdown"):
            shown = show(description_format)
            error(f'project {self.name!r}: description format must be None or "markdown", not {shown}')
            description_format = None
        self.description_format = description_format

    def __repr__(self) -> str:
        return f"<Project {self.name!r}>"


def check_slug(kind: type, slug: Any, name: str) -> str:
    """The slug given, else the name, which must then be short enough to be one."""
    if slug is None:
        return name[:MAX_SLUG]
    checked = check_param_str(slug, kind, "slug")
    check_param_length(checked, f"{kind.__name__} slug", MAX_SLUG)
    return checked
