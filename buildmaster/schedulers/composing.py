"""Making buildsets: source stamps with their defaults, properties, builders, priority, rendered and stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from twisted.logger import Logger

from buildmaster.base.records import NewBuildset, Patch, SourceStamp
from buildmaster.db import changes as change_rows
from buildmaster.db import sourcestamps as stamp_rows
from buildmaster.process.asking import ask, describe
from buildmaster.process.buildrequest import TempChange, stamp_dict
from buildmaster.process.change import Change
from buildmaster.properties import Properties, is_plain

log = Logger()


class SchedulingError(Exception):
    """A buildset can't be made as asked for; the message says what to change."""


def stamp_from_dict(given: Mapping[str, Any]) -> SourceStamp:
    """A source stamp from the documented dictionary (``patch_*`` keys included)."""
    patch = None
    if given.get("patch_body") is not None:
        body = given["patch_body"]
        patch = Patch(
            body=body.encode() if isinstance(body, str) else body,
            level=int(given.get("patch_level") or 0),
            subdir=given.get("patch_subdir") or ".",
            author=given.get("patch_author") or "",
            comment=given.get("patch_comment") or "",
        )
    return SourceStamp(
        codebase=given.get("codebase") or "",
        repository=given.get("repository") or "",
        project=given.get("project") or "",
        branch=given.get("branch"),
        revision=given.get("revision"),
        patch=patch,
    )


def stamp_of(change: Change) -> SourceStamp:
    """The stored source stamp that a change refers to."""
    return SourceStamp(
        codebase=change.codebase,
        repository=change.repository,
        project=change.project,
        branch=change.branch,
        revision=change.revision,
        ssid=change.ssid,
        has_changes=True,
    )


@attrs.define
class Wish:
    """What a scheduler wants built, before anything is rendered."""

    stamps: Sequence[SourceStamp | int]
    reason: str = ""
    waited_for: bool = False
    properties: Properties | Mapping[str, Any] | None = None
    builder_names: Any = None
    external_idstring: str | None = None
    priority: Any = None
    changes: Sequence[Change] = ()
    changeids: Sequence[int] = ()  # if the changes themselves are not at hand
    parent_buildid: int | None = None
    parent_relationship: str | None = None
    rebuilt_buildid: int | None = None
    idempotency_key: str | None = None


class Composer:
    """Turns wishes of one scheduler into buildsets that can be stored."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._builderids: dict[str, int] = {}

    async def compose(self, wish: Wish) -> NewBuildset:
        """The buildset of a wish: properties, builder names and priority rendered, builders found."""
        scheduler = self._scheduler
        properties = _merged(wish.properties, scheduler.properties)
        names = scheduler.builderNames if wish.builder_names is None else wish.builder_names
        if not is_plain(names) or not all(is_plain(value) for value, _ in properties.properties.values()):
            await self._let_render(properties, wish)
            names = await self._rendered(properties, "builderNames", names)
            wanted = {name: value for name, (value, _) in properties.properties.items()}
            rendered = await self._rendered(properties, "properties", wanted)
            for name, value in rendered.items():
                given, source = properties.properties[name]
                properties.properties[name] = (value, source)
                if not is_plain(given):
                    self._refuse_secrets(name, properties.names_of_secrets_in(value))
        names = [names] if isinstance(names, str) else list(names)
        builderids = [await self._builder_id(name) for name in names]
        return NewBuildset(
            builderids=list(dict.fromkeys(builderids)),
            sourcestamps=list(wish.stamps),
            scheduler=scheduler.name,
            reason=wish.reason,
            properties=properties.asDict(),
            waited_for=wish.waited_for,
            external_idstring=wish.external_idstring,
            parent_buildid=wish.parent_buildid,
            parent_relationship=wish.parent_relationship,
            rebuilt_buildid=wish.rebuilt_buildid,
            priority=await self._priority(names, wish),
            idempotency_key=wish.idempotency_key,
            changeids=[change.number for change in wish.changes if change.number is not None] or list(wish.changeids),
            collapse=scheduler.master.botmaster.collapse_modes(builderids),
        )

    async def _rendered(self, properties: Properties, name: str, value: Any) -> Any:
        """An argument as it is rendered, within the time that callbacks have."""
        what = f"{name} of scheduler {self._scheduler.name!r}"
        return await ask(self._scheduler.master, what, properties.render, value)

    def _refuse_secrets(self, name: str, secrets: Sequence[str]) -> None:
        if secrets:
            raise SchedulingError(
                f"scheduler {self._scheduler.name!r}: the property {name!r} would hold the secret {secrets[0]!r}; "
                f"properties are shown to everybody. Let the steps render util.Secret({secrets[0]!r}) instead"
            )

    async def _let_render(self, properties: Properties, wish: Wish) -> None:
        """Give the properties what renderables of builder names and properties may ask for."""
        master = self._scheduler.master
        ids = [stamp for stamp in wish.stamps if isinstance(stamp, int)]
        known = await master.db.read(stamp_rows.get_many, ids) if ids else {}
        stamps = [known[stamp] if isinstance(stamp, int) else stamp for stamp in wish.stamps]
        changes: Iterable[Any] = wish.changes
        if not wish.changes and wish.changeids:
            changes = [TempChange(record) for record in await master.db.read(change_rows.get_many, wish.changeids)]
        properties.master = master
        properties.sourcestamps = [stamp_dict(stamp) for stamp in stamps]
        properties.changes = [change.asChDict() for change in changes]

    async def _builder_id(self, name: Any) -> int:
        if not isinstance(name, str):
            raise SchedulingError(f"scheduler {self._scheduler.name!r}: {name!r} is not the name of a builder")
        known = self._builderids.get(name)
        if known is None:
            known = self._builderids[name] = await self._scheduler.master.botmaster.find_builder_id(name)
        return known

    async def _priority(self, names: Sequence[str], wish: Wish) -> int:
        """The priority; 0 if the function that says it fails, because a build matters more than its place."""
        wanted = self._scheduler.priority if wish.priority is None else wish.priority
        if callable(wanted):
            by_codebase: dict[str, list[Change]] = {}
            for change in wish.changes:
                by_codebase.setdefault(change.codebase, []).append(change)
            what = f"priority of scheduler {self._scheduler.name!r}, {describe(wanted)},"
            try:
                wanted = await ask(self._scheduler.master, what, wanted, list(names), by_codebase)
                return 0 if wanted is None else int(wanted)
            except Exception:  # policy: skip
                log.failure("{what} failed, its builds have priority 0", what=what)
                return 0
        return 0 if wanted is None else int(wanted)


def _merged(given: Properties | Mapping[str, Any] | None, own: Properties) -> Properties:
    """The given properties with the scheduler's own on top."""
    merged = Properties()
    if isinstance(given, Properties):
        merged.properties.update(given.properties)
    elif given:
        merged.properties.update({name: (value, source) for name, (value, source) in given.items()})
    merged.properties.update(own.properties)
    return merged


def properties_of(changes: Iterable[Change], given: Properties | Mapping[str, Any] | None = None) -> Properties:
    """The properties of changes, those of later ones on top, with the given ones above all."""
    properties = Properties()
    for change in changes:
        properties.properties.update(change.properties.properties)
    return properties if given is None else _merged_over(properties, given)


def _merged_over(properties: Properties, given: Properties | Mapping[str, Any]) -> Properties:
    if isinstance(given, Properties):
        properties.properties.update(given.properties)
    else:
        properties.properties.update({name: (value, source) for name, (value, source) in given.items()})
    return properties


def newest_by_codebase(changes: Iterable[Change]) -> dict[str, Change]:
    """The newest change of each codebase."""
    newest: dict[str, Change] = {}
    for change in sorted(changes, key=lambda change: change.number or 0):
        newest[change.codebase] = change
    return newest
