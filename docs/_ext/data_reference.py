"""Writes the reference of the data API from the declarations of its resources, one page for each."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from buildmaster.data.base import ResourceType
from buildmaster.data.connector import DataConnector


def setup(app: Any) -> dict[str, Any]:
    """Have the pages written before the sources are read."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "reference" / "data"))
    return {"parallel_read_safe": True}


def write_pages(directory: Path) -> None:
    """Write a page for each resource; an unchanged page is left alone."""
    directory.mkdir(parents=True, exist_ok=True)
    data = DataConnector(object())
    for rtype in vars(data.rtypes).values():
        page = directory / f"{rtype.name.strip('_') if rtype.name != '_property' else 'property_list'}.rst"
        text = "\n".join(lines_of(rtype)) + "\n"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def lines_of(rtype: ResourceType) -> Iterator[str]:
    """The page of one resource."""
    yield from (rtype.name, "=" * len(rtype.name), "", inspect.getdoc(type(rtype)) or "", "")
    yield from _fields(rtype)
    yield from _endpoints(rtype)
    yield from _events(rtype)
    yield from _updates(rtype)


def _heading(text: str) -> tuple[str, ...]:
    return (text, "-" * len(text), "")


def _fields(rtype: ResourceType) -> Iterator[str]:
    if rtype.entityType.fields:
        yield from _heading("Fields")
        for name, field in rtype.entityType.fields.items():
            yield f"* ``{name}``: {field.describe()}"
        yield ""


def _endpoints(rtype: ResourceType) -> Iterator[str]:
    endpoints = rtype.getEndpoints()
    if endpoints:
        yield from _heading("Paths")
    for endpoint in endpoints:
        yield f"{inspect.getdoc(type(endpoint))} ({endpoint.kind.name.lower().replace('_', ' ')})"
        yield ""
        yield from (f"* ``{pattern}``" for pattern in endpoint.pathPatterns)
        yield ""
        for action, arguments in endpoint.actions.items():
            shown = ", ".join(f"``{name}`` ({kind})" for name, kind in arguments.items())
            yield f"Action ``{action}``{': ' + shown if shown else ''}"
            yield ""


def _events(rtype: ResourceType) -> Iterator[str]:
    if rtype.eventPathPatterns:
        yield from _heading("Events")
        for pattern in rtype.eventPathPatterns:
            yield f"* ``{pattern.strip('/')}/`` " + ", ".join(f"``{event}``" for event in rtype.events)
        yield ""
        yield inspect.getdoc(type(rtype).body) or ""
        yield ""


def _updates(rtype: ResourceType) -> Iterator[str]:
    methods = [m for _, m in inspect.getmembers(rtype, callable) if getattr(m, "isUpdateMethod", False)]
    if methods:
        yield from _heading("Update methods")
    for method in methods:
        yield f".. py:function:: {method.__name__}{inspect.signature(method)}"
        yield ""
        yield from ("   " + line for line in (inspect.getdoc(method) or "").splitlines())
        yield ""
