"""Arithmetic and comparison with values that are not known yet."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.interfaces import IRenderable
from buildmaster.properties.rendering import all_of, rendering_of, then


class RenderableOperatorsMixin:
    """Gives a renderable the operators ``== != < <= > >= + - * / // %`` and ``in_``.

    Each makes another renderable, which computes its value when both sides are rendered.  The truth of a renderable
    comparison made with ``==`` or ``!=`` tells whether the two *descriptions* are the same; this lets two
    configurations be compared.
    """

    def __eq__(self, other: object) -> Any:
        return Operation(self, other, "==", operator.eq)

    def __ne__(self, other: object) -> Any:
        return Operation(self, other, "!=", operator.ne)

    def __lt__(self, other: Any) -> Any:
        return Operation(self, other, "<", operator.lt)

    def __le__(self, other: Any) -> Any:
        return Operation(self, other, "<=", operator.le)

    def __gt__(self, other: Any) -> Any:
        return Operation(self, other, ">", operator.gt)

    def __ge__(self, other: Any) -> Any:
        return Operation(self, other, ">=", operator.ge)

    def __add__(self, other: Any) -> Any:
        return Operation(self, other, "+", operator.add)

    def __radd__(self, other: Any) -> Any:
        return Operation(other, self, "+", operator.add)

    def __sub__(self, other: Any) -> Any:
        return Operation(self, other, "-", operator.sub)

    def __mul__(self, other: Any) -> Any:
        return Operation(self, other, "*", operator.mul)

    def __truediv__(self, other: Any) -> Any:
        return Operation(self, other, "/", operator.truediv)

    def __floordiv__(self, other: Any) -> Any:
        return Operation(self, other, "//", operator.floordiv)

    def __mod__(self, other: Any) -> Any:
        return Operation(self, other, "%", operator.mod)

    def in_(self, other: Any) -> Any:
        """Whether this value is in ``other``; the ``in`` operator of Python cannot be delayed."""
        return Operation(self, other, "in", _in)

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))


def _in(left: Any, right: Any) -> bool:
    return left in right


def same_description(left: Any, right: Any) -> bool:
    """Whether two renderables (or plain values) describe the same."""
    if left is right:
        return True
    if not isinstance(left, RenderableOperatorsMixin):
        return bool(left == right)
    if type(left) is not type(right):
        return False
    if isinstance(left, ComparableMixin) and isinstance(right, ComparableMixin):
        return bool(left._compare_key() == right._compare_key())
    return False


@implementer(IRenderable)
class Operation(RenderableOperatorsMixin, ComparableMixin):
    """An operator with its two sides."""

    compare_attrs = ("left", "right", "symbol")

    def __init__(self, left: Any, right: Any, symbol: str, function: Callable[[Any, Any], Any]) -> None:
        self.left, self.right, self.symbol = left, right, symbol
        self._function = function

    def __bool__(self) -> bool:
        if self.symbol == "==":
            return same_description(self.left, self.right)
        if self.symbol == "!=":
            return not same_description(self.left, self.right)
        return True

    def getRenderingFor(self, iprops: Any) -> Any:
        both = all_of([rendering_of(self.left, iprops), rendering_of(self.right, iprops)])
        return then(both, lambda sides: self._function(*sides))

    def __repr__(self) -> str:
        return f"{self.left!r} {self.symbol} {self.right!r}"
