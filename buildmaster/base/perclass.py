"""What is found out of a class once, and forgotten with it.

Classes of a configuration come and go with its generations, and two loadings of one are compared by what they hold
(:mod:`buildmaster.base.sameness`): nothing may be kept in the classes themselves.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerClass(Generic[T]):
    """A function of a class, computed once a class and forgotten with it: configurations come and go."""

    def __init__(self, function: Callable[[type], T]) -> None:
        self._function = function
        self._known: weakref.WeakKeyDictionary[type, T] = weakref.WeakKeyDictionary()

    def __call__(self, kind: type) -> T:
        """The function's value for this class."""
        if kind not in self._known:
            self._known[kind] = self._function(kind)
        return self._known[kind]
