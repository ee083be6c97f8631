"""A codebase of the configuration: one of the repositories of a project, whose branches and commits are kept."""

from __future__ import annotations

from buildmaster.base import where
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.params import check_param_length, check_param_str
from buildmaster.process.project import check_slug

MAX_NAME = 255


class Codebase(ComparableMixin):
    """A codebase.

    ``name`` is unique in the project called ``project``; ``slug`` (by default the name) stands for it in addresses.
    """

    compare_attrs = ("name", "slug", "project")

    config_place: where.Place | None = None

    def __init__(self, name: str, project: str, slug: str | None = None) -> None:
        self.config_place = where.caller()
        self.name = check_param_str(name, type(self), "name")
        check_param_length(self.name, "Codebase name", MAX_NAME)
        self.project = check_param_str(project, type(self), "project")
        self.slug = check_slug(type(self), slug, self.name)

    def __repr__(self) -> str:
        return f"<Codebase {self.name!r} of project {self.project!r}>"
