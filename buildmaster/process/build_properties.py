"""Which properties a build has when it starts, and whose value wins.

Later ones win: the configuration's, the changes', the request's, the builder's, the worker's, and those that the build
knows itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import as_deferred
from buildmaster.properties import Properties


async def known_before_start(
    props: Properties, requests: Sequence[Any], builder: Any, workerforbuilder: Any = None
) -> None:
    """Set what is known before the build has a number: also what ``nextWorker`` or a latent worker may ask for."""
    config = builder.master.config if builder is not None else None
    if config is not None and getattr(config, "properties", None) is not None:
        props.updateFromProperties(config.properties)
    for request in requests:
        for source in request.sources.values():
            for change in source.changes:
                props.updateFromProperties(change.properties)
    for request in requests:
        props.updateFromPropertiesNoRuntime(request.properties)
    if builder is not None:
        await _of_builder(props, builder)
    if workerforbuilder is not None and workerforbuilder.worker is not None:
        of_worker(props, workerforbuilder)


async def _of_builder(props: Properties, builder: Any) -> None:
    props.setProperty("buildername", builder.name, "Builder")
    builderid = getattr(builder, "builderid", None)
    if builderid is None and hasattr(builder, "getBuilderId"):
        builderid = await as_deferred(builder.getBuilderId())
    if builderid is not None:
        props.setProperty("builderid", builderid, "Builder")
    project = getattr(builder.config, "project", None)
    if project:
        props.setProperty("projectname", project, "Builder")
    props.update(builder.config.properties or {}, "Builder")
    for name, value in (getattr(builder.config, "defaultProperties", None) or {}).items():
        if name not in props:
            props.setProperty(name, value, "Builder")


def of_worker(props: Properties, workerforbuilder: Any) -> None:
    """The worker's name, directories and own properties."""
    worker = workerforbuilder.worker
    props.setProperty("workername", worker.workername, "Worker")
    if hasattr(worker, "setupProperties"):
        worker.setupProperties(props)
    basedir = getattr(worker, "worker_basedir", None)
    builder = workerforbuilder.builder
    directory = getattr(getattr(builder, "config", None), "workerbuilddir", None)
    if basedir is not None and directory is not None:
        props.setProperty("builddir", worker.path_module.join(basedir, directory), "Worker")
        props.setProperty("basedir", basedir, "Worker")


def of_build(props: Properties, requests: Sequence[Any], sources: Sequence[Any], number: int | None) -> None:
    """The build's number, its source if it has a single one, and its owners.

    ``owners`` are those who asked for it, and the authors of the changes that are built.
    """
    if number is not None:
        props.setProperty("buildnumber", number, "Build")
    if len(sources) == 1:
        source = sources[0]
        for name in ("branch", "revision", "repository", "codebase", "project"):
            props.setProperty(name, getattr(source, name), "Build")
    owners = [request.properties["owner"] for request in requests if "owner" in request.properties]
    owners += sorted({change.who for source in sources for change in getattr(source, "changes", ())})
    if owners:
        props.setProperty("owners", list(dict.fromkeys(owners)), "Build")


def of_request(asked: Any, builder: Any, buildset: Any) -> dict[str, tuple[Any, str]]:
    """What is known of a build's properties when it has only been asked for, as name → (value, source).

    ``asked`` are the buildset's properties; ``builder`` and ``buildset`` are resources of the data API, or None.
    """
    known: dict[str, tuple[Any, str]] = {name: tuple(pair) for name, pair in asked.items()}
    if builder is not None:
        known["buildername"] = (builder["name"], "Builder")
        known["builderid"] = (builder["builderid"], "Builder")
    known["buildnumber"] = (None, "Build")
    stamps = buildset["sourcestamps"] if buildset is not None else []
    if len(stamps) == 1:
        for name in ("branch", "revision", "repository", "codebase", "project"):
            known[name] = (stamps[0][name], "Build")
    return known
