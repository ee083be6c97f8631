"""The import hook: ``buildbot.x`` is the module object ``buildmaster.x``, never a second copy of it.

A finder at the head of ``sys.meta_path`` answers for ``buildbot`` and all below it.  Its loader does not execute
anything: it imports our module in the ordinary way and hands over that object, which Python then enters in
``sys.modules`` under the second name too.  This file may import only the standard library: it is loaded with the
first import of any part of the package.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from buildmaster.compat.names import ATTRIBUTES, MODULES, OLD, PACKAGES, new_name


class AliasLoader(Loader):
    """Hands over the module that another name stands for."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._own_spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module under its real name, imported if need be."""
        module = importlib.import_module(self.target)
        self._own_spec = module.__spec__
        add_attributes(module)
        for name in (*PACKAGES, *ATTRIBUTES):  # what is loaded already is not imported again under this name
            if name in sys.modules:
                add_attributes(sys.modules[name])
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back: the import machinery has just written the alias's over it."""
        module.__spec__ = self._own_spec


class AliasFinder(MetaPathFinder):
    """Finds ``buildbot`` and everything below it in ``buildmaster``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The alias's spec; None for other names and for modules that we do not have."""
        if fullname != OLD and not fullname.startswith(OLD + "."):
            return None
        real = new_name(fullname)
        found = find(real)
        if found is None:
            return None
        folders = found.submodule_search_locations
        if folders is None and any(name.startswith(fullname + ".") for name in MODULES):
            folders = []  # a module here that was a package there
        spec = ModuleSpec(fullname, AliasLoader(real), origin=found.origin, is_package=folders is not None)
        if folders is not None:
            spec.submodule_search_locations = list(folders)
        return spec


def find(name: str) -> ModuleSpec | None:
    """The spec of one of our modules; None if there is no such module."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded.__spec__
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as missing:
        if missing.name is not None and (name == missing.name or name.startswith(missing.name + ".")):
            return None
        raise


def add_attributes(module: ModuleType) -> None:
    """Let a module answer for the names that :data:`~buildmaster.compat.names.ATTRIBUTES` gives it, and for submodules.

    ``import buildbot`` and then ``buildbot.process.buildstep`` works in Buildbot because a master has imported
    everything long before; here a module is imported when it is asked for.
    """
    retired = ATTRIBUTES.get(module.__name__, {})
    package = hasattr(module, "__path__")
    if not (retired or package) or isinstance(module.__dict__.get("__getattr__"), OtherNames):
        return
    module.__dict__["__getattr__"] = OtherNames(module, retired, module.__dict__.get("__getattr__"))


class OtherNames:
    """A module's ``__getattr__``: fetches what is asked for from where it is now, or imports a submodule."""

    def __init__(self, module: ModuleType, names: dict[str, str], own: Callable[[str], Any] | None) -> None:
        self._module = module
        self._names = names
        self._own = own

    def __call__(self, name: str) -> Any:
        address = self._names.get(name)
        if address is not None:
            where, _, attribute = address.partition(":")
            value = getattr(importlib.import_module(where), attribute)
            setattr(self._module, name, value)
            return value
        if self._own is not None:
            try:
                return self._own(name)
            except AttributeError:
                if not self._has_submodule(name):
                    raise
        if self._has_submodule(name):
            submodule = importlib.import_module(f"{self._module.__name__}.{name}")
            add_attributes(submodule)
            return submodule
        raise AttributeError(f"module {self._module.__name__!r} has no attribute {name!r}")

    def _has_submodule(self, name: str) -> bool:
        if name.startswith("_") or not hasattr(self._module, "__path__"):
            return False
        return find(f"{self._module.__name__}.{name}") is not None


def install() -> bool:
    """Make ``buildbot`` mean this package in the running process; True if it does now.

    A process that has already imported another package of that name keeps it, with a warning: two halves of two
    packages under one name would be worse than either.
    """
    if any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        return True
    other = sys.modules.get(OLD)
    if other is not None and getattr(other, "__name__", OLD) == OLD:
        warnings.warn(
            f"{OLD!r} was imported from {getattr(other, '__file__', 'elsewhere')} before buildmaster; in this process "
            "the name keeps its meaning. Import buildmaster first to have it mean buildmaster.",
            ImportWarning,
            stacklevel=3,
        )
        return False
    sys.meta_path.insert(0, AliasFinder())
    return True
