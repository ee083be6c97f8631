"""The documented renderables: Property, Secret, renderer, Transform, FlattenList, URLForBuild."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.properties.operators import RenderableOperatorsMixin
from buildmaster.properties.rendering import all_of, rendering_of, settled, then


@implementer(IRenderable)
class Property(RenderableOperatorsMixin, ComparableMixin):
    """The value of a property.

    ``default`` (may itself be renderable) is used when there is no such property; with ``defaultWhenFalse``, as it
    is by default, also when the value is false.
    """

    compare_attrs = ("key", "default", "defaultWhenFalse")

    def __init__(self, key: str, default: Any = None, defaultWhenFalse: bool = True) -> None:
        self.key = key
        self.default = default
        self.defaultWhenFalse = defaultWhenFalse

    def __repr__(self) -> str:
        return f"Property({self.key})"

    def getRenderingFor(self, props: Any) -> Any:
        if self.defaultWhenFalse:
            value = props.getProperty(self.key)
            if value:
                return value
        elif props.hasProperty(self.key):
            return props.getProperty(self.key)
        return rendering_of(self.default, props)


@implementer(IRenderable)
class Secret(RenderableOperatorsMixin, ComparableMixin):
    """The value of a secret, taken from the configured ``secretsProviders``.

    Raises KeyError while rendering if no provider knows it.  Once rendered for a build, the value is hidden in all
    of the build's logs.
    """

    compare_attrs = ("secret_name",)

    def __init__(self, secret_name: str) -> None:
        self.secret_name = secret_name

    def __repr__(self) -> str:
        return f"Secret({self.secret_name})"

    def getRenderingFor(self, props: Any) -> Any:
        return then(find_secret(self.secret_name, props), self._value)

    def _value(self, value: str | None) -> str:
        if value is None:
            raise KeyError(f"secret key {self.secret_name} is not found in any provider; see c['secretsProviders']")
        return value


def find_secret(name: str, props: Any) -> Any:
    """A secret's value, or None if there is none of this name; or a Deferred of that.  It will be hidden in logs."""
    services = getattr(props.master, "namedServices", None) or {}
    manager = services.get("secrets") or getattr(props.master, "secrets_manager", None)
    if manager is None:
        raise KeyError(f"secret key {name} is wanted, but c['secretsProviders'] is not configured")

    def use(details: Any) -> str | None:
        if details is None:
            return None
        value = getattr(details, "value", details)
        props.useSecret(value, name)
        return value

    return then(settled(manager.get(name)), use)


@implementer(IRenderable)
class _Renderer(ComparableMixin):
    """A function of the properties, as made by the decorator :func:`renderer`."""

    compare_attrs = ("fn", "args", "kwargs")

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.args: list[Any] = []
        self.kwargs: dict[str, Any] = {}
        self.__doc__ = getattr(fn, "__doc__", None)

    def withArgs(self, *args: Any, **kwargs: Any) -> _Renderer:
        """The same function with more arguments, which are rendered before it is called."""
        more = _Renderer(self.fn)
        more.args = self.args + list(args)
        more.kwargs = {**self.kwargs, **kwargs}
        return more

    def getRenderingFor(self, props: Any) -> Any:
        given = all_of([rendering_of(self.args, props), rendering_of(self.kwargs, props)])
        answer = then(given, lambda ready: settled(self.fn(props, *ready[0], **ready[1])))
        return then(answer, lambda value: rendering_of(value, props))

    def __repr__(self) -> str:
        if not self.args and not self.kwargs:
            return f"renderer({self.fn!r})"
        return f"renderer({self.fn!r}, args={self.args!r}, kwargs={self.kwargs!r})"


def renderer(fn: Callable[..., Any]) -> _Renderer:
    """Decorator: the function, called with the properties, gives the value.

    It may return a Deferred, be a coroutine function, or return another renderable.
    """
    if not callable(fn):
        error(f"renderer needs a function, not {fn!r}")
    return _Renderer(fn)


@implementer(IRenderable)
class Transform(RenderableOperatorsMixin, ComparableMixin):
    """A plain function of rendered arguments.  The function may be given by a renderable too."""

    compare_attrs = ("_function", "_args", "_kwargs")

    def __init__(self, function: Any, *args: Any, **kwargs: Any) -> None:
        if not callable(function) and not IRenderable.providedBy(function):
            error(f"function given to Transform neither callable nor renderable: {function!r}")
        self._function = function
        self._args = args
        self._kwargs = kwargs

    def getRenderingFor(self, iprops: Any) -> Any:
        parts = all_of([rendering_of(part, iprops) for part in (self._function, self._args, self._kwargs)])
        return then(parts, lambda ready: settled(ready[0](*ready[1], **ready[2])))

    def __repr__(self) -> str:
        return f"Transform({self._function!r}, {self._args!r}, {self._kwargs!r})"


@implementer(IRenderable)
class FlattenList(RenderableOperatorsMixin, ComparableMixin):
    """A list in which inner lists, after rendering, are replaced by their items.

    ``types`` are the types that count as inner lists.
    """

    compare_attrs = ("nestedlist",)

    def __init__(self, nestedlist: Any, types: tuple[type, ...] = (list, tuple)) -> None:
        self.nestedlist = nestedlist
        self.types = types

    def getRenderingFor(self, props: Any) -> Any:
        return then(rendering_of(self.nestedlist, props), lambda items: list(_flat(items, self.types)))

    def __add__(self, other: Any) -> FlattenList:
        right = other.nestedlist if isinstance(other, FlattenList) else other
        return FlattenList(self.nestedlist + right, self.types)

    def __repr__(self) -> str:
        return f"FlattenList({self.nestedlist!r})"


def _flat(items: Any, types: tuple[type, ...]) -> Any:
    for item in items:
        if isinstance(item, tuple(types)):
            yield from _flat(item, types)
        else:
            yield item


@implementer(IRenderable)
class _URLForBuild(RenderableOperatorsMixin, ComparableMixin):
    """The address of the page of the build that is running."""

    def getRenderingFor(self, props: Any) -> Any:
        return settled(props.getBuild().getUrl())

    def __repr__(self) -> str:
        return "URLForBuild"


URLForBuild = _URLForBuild()
