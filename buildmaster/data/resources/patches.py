"""Patches: differences on top of a revision, part of source stamps."""

from __future__ import annotations

from buildmaster.data import base, types


class Patch(base.ResourceType):
    """A difference; it has no path of its own."""

    name = "patch"
    plural = "patches"

    class EntityType(types.Entity):
        patchid = types.Integer()
        body = types.Binary()
        level = types.Integer()
        subdir = types.String()
        author = types.String()
        comment = types.String()

    entityType = EntityType("patch")
