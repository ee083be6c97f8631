"""The local modules of a configuration: imported anew for each generation, and gone with it.

A module is local when it was imported while a configuration was being loaded and its file lies below the master's
directory, but not in a virtual environment there.  Nothing else is ever reloaded.  At the start of a loading
the local modules of the generation in force are taken out of ``sys.modules``; they live on in the objects that use
them.  If the loading fails they are put back.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from buildmaster.base.sameness import DIGEST
from buildmaster.base.where import CONFIG_MODULE

_in_force: dict[str, ModuleType] = {}
"""The local modules of the generation that was loaded last, by name."""


class LocalModules:
    """The local modules of one loading."""

    def __init__(self, basedir: str) -> None:
        self._root = os.path.join(os.path.realpath(basedir), "")
        self.found: dict[str, ModuleType] = {}

    def files(self) -> list[str]:
        """Their source files."""
        return sorted(os.path.realpath(module.__file__) for module in self.found.values() if module.__file__)

    def collect(self, before: set[str]) -> None:
        """Find what has been imported since ``before`` was noted."""
        for name in set(sys.modules) - before:
            module = sys.modules[name]
            if isinstance(module, ModuleType) and name != CONFIG_MODULE and self.is_local(module):
                self.found[name] = module

    def is_local(self, module: ModuleType) -> bool:
        """Whether a module's file lies below the master's directory and belongs to no installed package."""
        file = getattr(module, "__file__", None)
        if not file:
            paths = list(getattr(module, "__path__", ()))
            file = paths[0] if paths else None
        if not file or module.__name__.partition(".")[0] == "buildmaster":
            return False
        real = os.path.realpath(file)
        return real.startswith(self._root) and not _installed(real, self._root)


def _installed(file: str, root: str) -> bool:
    """Whether a file below ``root`` lies in a virtual environment or the like."""
    parts = Path(file[len(root) :]).parts
    if "site-packages" in parts or "dist-packages" in parts:
        return True
    prefixes = {os.path.join(os.path.realpath(prefix), "") for prefix in (sys.prefix, sys.base_prefix)}
    return any(len(prefix) > len(root) and file.startswith(prefix) for prefix in prefixes)


@contextmanager
def fresh_modules(basedir: str) -> Iterator[LocalModules]:
    """A loading: inside, local modules are imported anew, found first in ``basedir``.

    When the block ends without an error the new modules are in force, else the old ones are again.
    """
    global _in_force
    old = {name: module for name, module in _in_force.items() if sys.modules.get(name) is module}
    for name in old:
        del sys.modules[name]
    old_config = sys.modules.pop(CONFIG_MODULE, None)
    before, modules = set(sys.modules), LocalModules(basedir)
    try:
        with _found_first(basedir):
            yield modules
            modules.collect(before)
    except BaseException:
        modules.collect(before)
        for name in [*modules.found, CONFIG_MODULE]:
            sys.modules.pop(name, None)
        sys.modules.update(old)
        if old_config is not None:
            sys.modules[CONFIG_MODULE] = old_config
        raise
    _in_force = dict(modules.found)


@contextmanager
def _found_first(basedir: str) -> Iterator[None]:
    """Let imports look in ``basedir`` first, and afterwards last; write no byte code there meanwhile.

    Byte code is matched with its source by whole seconds, which an edit and a reconfiguration can fall into.
    """
    path = os.path.abspath(basedir)
    writes = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.path.insert(0, path)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        if path in sys.path:
            sys.path.remove(path)
        if path not in sys.path:
            sys.path.append(path)


def note_digest(modules: LocalModules) -> str:
    """Note in each local module a digest of all of them, by which two loadings are told apart; returns it."""
    digest = hashlib.sha256()
    for file in modules.files():
        digest.update(file.encode("utf-8", "surrogateescape") + b"\0")
        try:
            digest.update(hashlib.sha256(Path(file).read_bytes()).digest())
        except OSError:
            digest.update(b"unreadable")
    for module in modules.found.values():
        setattr(module, DIGEST, digest.hexdigest())
    return digest.hexdigest()
