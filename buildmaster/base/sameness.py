"""Whether two things of two configurations mean the same: the question behind every reconfiguration.

Each loading of a configuration makes new objects, and new classes and functions where the user defines them, so
neither identity nor the name decides.  Here two

* functions are the same when their code is, and all they refer to: defaults, closures, the module-level names used;
* classes are the same when their names, bases and everything in their bodies are;
* instances are the same when of the same class and equal in what they were made from (``compare_attrs``, the
  arguments of a service) or, for plain objects, in all their attributes;
* modules are the same when they are one object, or the same file read from the same sources and equal in what is
  used of them.

Two objects about which none of these rules speaks are different unless ``==`` says otherwise: **in doubt, changed**.
A cycle that comes back to a pair under comparison counts as equal there; it is decided by the rest.
"""

from __future__ import annotations

import functools
import operator
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from buildmaster.base.compare import ComparableMixin

_PLAIN = (type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis), re.Pattern)
DIGEST = "__configuration_digest__"
"""Where the loader notes in a local module the digest of the sources that it was loaded with."""

_IGNORED_CLASS_ENTRIES = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__doc__",
        "__module__",
        "__qualname__",
        "__firstlineno__",
        "__static_attributes__",
        "__abstractmethods__",
        "_abc_impl",
        "__implemented__",
        "__provides__",
        "__providedBy__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
    }
)
_WRAPPERS = (staticmethod, classmethod)
_GETTERS = (operator.itemgetter, operator.attrgetter, operator.methodcaller)
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def same(old: Any, new: Any) -> bool:
    """Whether two values of two configurations mean the same."""
    return Comparison().same(old, new)


def same_class(old: type, new: type) -> bool:
    """Whether two classes are one, or the same class of two loadings with nothing in it changed."""
    return Comparison().classes(old, new)


class Comparison:
    """One comparison; it remembers the pairs under way, so that cycles end, and those found equal."""

    def __init__(self) -> None:
        self._assumed: set[tuple[int, int]] = set()
        self._alive: list[tuple[Any, Any]] = []  # keeps ids in _assumed from being used again
        self._kinds: Sequence[tuple[Any, Callable[[Any, Any], bool]]] = (
            (types.FunctionType, self._functions),
            (types.MethodType, self._methods),
            (types.CodeType, self._code),
            (types.ModuleType, same_module),
            (functools.partial, self._partials),
            (property, lambda old, new: self._all(_accessors(old), _accessors(new))),
            (_WRAPPERS, lambda old, new: type(old) is type(new) and self.same(old.__func__, new.__func__)),
            (_SLOTS, lambda old, new: type(old) is type(new) and old.__name__ == new.__name__),
            (types.MappingProxyType, self._mappings),
            (_GETTERS, lambda old, new: type(old) is type(new) and self.same(old.__reduce__(), new.__reduce__())),
        )

    def same(self, old: Any, new: Any) -> bool:
        """Whether two values mean the same."""
        if old is new:
            return True
        if isinstance(old, type) or isinstance(new, type):
            return isinstance(old, type) and isinstance(new, type) and self.classes(old, new)
        if isinstance(old, _PLAIN):
            return type(old) is type(new) and bool(old == new)
        pair = (id(old), id(new))
        if pair in self._assumed:
            return True
        self._assumed.add(pair)
        self._alive.append((old, new))
        result = self._of_kind(old, new)
        if not result:
            self._assumed.discard(pair)
        return result

    def classes(self, old: type, new: type) -> bool:
        """Whether two classes are the same in name, bases and body."""
        if old is new:
            return True
        if (old.__module__, old.__qualname__) != (new.__module__, new.__qualname__):
            return False
        if not self.classes(type(old), type(new)):
            return False
        pair = (id(old), id(new))
        if pair in self._assumed:
            return True
        self._assumed.add(pair)
        self._alive.append((old, new))
        result = self._all(old.__bases__, new.__bases__) and self._mappings(_body(old), _body(new))
        if not result:
            self._assumed.discard(pair)
        return result

    def _of_kind(self, old: Any, new: Any) -> bool:
        for kinds, compare in self._kinds:
            if isinstance(old, kinds):
                return isinstance(new, kinds) and compare(old, new)
        return self.classes(type(old), type(new)) and self._instances(old, new)

    def _instances(self, old: Any, new: Any) -> bool:
        if isinstance(old, ComparableMixin) and old._all_compare_attrs():
            return self._all(old._compare_key(), new._compare_key())
        if isinstance(old, dict):
            return self._mappings(old, new)
        if isinstance(old, list | tuple):
            return self._all(old, new)
        if isinstance(old, set | frozenset):
            return bool(old == new)
        if type(old) is type(new) and _equal(old, new):
            return True
        state, other = _state(old), _state(new)
        return state is not None and other is not None and self._mappings(state, other)

    def _all(self, old: Sequence[Any], new: Sequence[Any]) -> bool:
        return len(old) == len(new) and all(map(self.same, old, new))

    def _mappings(self, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> bool:
        return old.keys() == new.keys() and all(self.same(value, new[key]) for key, value in old.items())

    def _methods(self, old: Any, new: Any) -> bool:
        return self._all((old.__func__, old.__self__), (new.__func__, new.__self__))

    def _partials(self, old: Any, new: Any) -> bool:
        return self._all((old.func, old.args, old.keywords), (new.func, new.args, new.keywords))

    def _functions(self, old: types.FunctionType, new: types.FunctionType) -> bool:
        return (
            self._code(old.__code__, new.__code__)
            and self._all(
                (old.__defaults__, old.__kwdefaults__, _closure(old), old.__dict__),
                (new.__defaults__, new.__kwdefaults__, _closure(new), new.__dict__),
            )
            and self._mappings(_globals_named(old), _globals_named(new))
        )

    def _code(self, old: types.CodeType, new: types.CodeType) -> bool:
        """Equal instructions, whatever the line or the file they stand in."""
        return _signature(old) == _signature(new) and self._all(_constants(old), _constants(new))


def same_module(old: types.ModuleType, new: types.ModuleType) -> bool:
    """Whether no source changed between the two loadings that gave these modules.

    The loader notes in each module that it loads a digest of the sources of all of them.
    """
    if old.__name__ != new.__name__ or getattr(old, "__file__", None) != getattr(new, "__file__", None):
        return False
    digest = getattr(old, DIGEST, None)
    return digest is not None and digest == getattr(new, DIGEST, None)


def _body(klass: type) -> dict[str, Any]:
    return {name: value for name, value in vars(klass).items() if name not in _IGNORED_CLASS_ENTRIES}


def _accessors(value: property) -> tuple[Any, Any, Any]:
    return value.fget, value.fset, value.fdel


def _closure(function: types.FunctionType) -> list[Any]:
    contents = []
    for cell in function.__closure__ or ():
        try:
            contents.append(cell.cell_contents)
        except ValueError:  # a name of the enclosing function that it has not bound yet
            contents.append(ValueError)
    return contents


def _signature(code: types.CodeType) -> tuple[Any, ...]:
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_flags,
        code.co_exceptiontable,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
    )


def _constants(code: types.CodeType) -> list[Any]:
    """The constants but for qualified names, which tell where a nested function stands, not what it does."""
    return [constant for constant in code.co_consts if not isinstance(constant, str) or ".<locals>." not in constant]


def _names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def _globals_named(function: types.FunctionType) -> dict[str, Any]:
    """The module-level objects that a function may use: every name in its code that its module has.

    Of a local module also what the function may use of it.  Attribute names are among the names by accident; one more
    name compared can only make two functions differ.
    """
    space = function.__globals__
    names = _names(function.__code__)
    used = {name: space[name] for name in names if name in space}
    for module in [value for value in used.values() if isinstance(value, types.ModuleType) and hasattr(value, DIGEST)]:
        used.update((f"{module.__name__}.{name}", getattr(module, name)) for name in names if hasattr(module, name))
    return used


def _state(value: Any) -> dict[str, Any] | None:
    """All attributes of a plain object; None when it keeps something where we can't see it."""
    kind = type(value)
    slots = [name for klass in kind.__mro__ for name in _slots(klass)]
    own = getattr(value, "__dict__", None)
    if own is None and not slots:
        return {} if kind.__basicsize__ == object.__basicsize__ else None
    state = dict(own or {})
    for name in slots:
        if hasattr(value, name):
            state[name] = getattr(value, name)
    return state if _made_of_python(kind) else None


def _slots(klass: type) -> Sequence[str]:
    slots = klass.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _made_of_python(kind: type) -> bool:
    """Whether no base class is one of an extension module, with state of its own."""
    return all(klass is object or klass.__flags__ & (1 << 9) for klass in kind.__mro__)  # Py_TPFLAGS_HEAPTYPE


def _equal(old: Any, new: Any) -> bool:
    try:
        return bool(old == new)
    except Exception:  # policy: a comparison that raises decides nothing, and in doubt it is changed
        return False
