"""The imports of every module of the package, read from its text: lazy and type-only ones included."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "buildmaster"


@attrs.frozen
class Import:
    """One import statement's view of one module."""

    importer: str
    """The module that imports."""
    imported: str
    """What it imports: a module of ours by its own name, anything else as it is written."""
    line: int
    """Where."""

    def __str__(self) -> str:
        return f"{self.importer.replace('.', '/')}:{self.line} imports {self.imported}"


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if "templates" not in parts:
            found[name] = path
    return found


@functools.cache
def tree(module: str) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@functools.cache
def imports_of(module: str) -> tuple[Import, ...]:
    """All imports in a module, wherever they stand."""
    found: dict[tuple[str, int], Import] = {}
    for node in ast.walk(tree(module)):
        for name in _names(node):
            found[name, node.lineno] = Import(module, name, node.lineno)
    return tuple(found.values())


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [_module_of(alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [_module_of(f"{node.module}.{alias.name}") for alias in node.names]
    return []


def _module_of(name: str) -> str:
    """The module that a dotted name lies in, if it is ours; other names unchanged."""
    if name != PACKAGE and not name.startswith(PACKAGE + "."):
        return name
    while name not in modules() and "." in name:
        name = name.rpartition(".")[0]
    return name


def all_imports() -> list[Import]:
    """Every import of every module."""
    return [one for module in modules() for one in imports_of(module)]
