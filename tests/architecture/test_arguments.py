"""A plugin's arguments stand in ``checkConfig`` and again in ``reconfigService``: both must say the same."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from inspect import Parameter
from typing import Any

import buildmaster
from buildmaster.service import BuildbotService
from tests.architecture.rooms import PLUGIN_ROOMS

ROOMS = (*PLUGIN_ROOMS, "configurators", "process", "www")


def loaded() -> list[type]:
    """The classes of all services of the plugin rooms."""
    for room in ROOMS:
        package = importlib.import_module(f"buildmaster.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found: set[type] = set()
    waiting = [BuildbotService]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.startswith(f"{buildmaster.__name__}.") and kind not in found:
                found.add(kind)
                waiting.append(kind)
    return sorted(found, key=lambda kind: (kind.__module__, kind.__qualname__))


def arguments(function: Any) -> list[tuple[str, Any, Any]]:
    """(name, kind, default) of each."""
    given = list(inspect.signature(function).parameters.values())[1:]
    return [(one.name, one.kind, one.default) for one in given]


def passes_all_on(function: Any) -> bool:
    """Whether it takes whatever the other takes, by ``*args, **kwargs``."""
    return [kind for _, kind, _ in arguments(function)] == [Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD]


DOCUMENTED = {"buildmaster.worker.described.DescribedWorker"}
"""Classes whose two lists are documented to differ: ``missing_timeout`` is None in one and 3600 in the other."""


def test_what_is_checked_is_what_is_taken_over() -> None:
    both = [kind for kind in loaded() if {"checkConfig", "reconfigService"} <= vars(kind).keys()]
    differing = [
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in both
        if not passes_all_on(kind.reconfigService) and arguments(kind.checkConfig) != arguments(kind.reconfigService)
    ]
    assert len(both) > 40
    assert set(differing) == DOCUMENTED
