"""Text with values put in: Interpolate and the older WithProperties.

The grammar of a substitution is ``%(SELECTOR:KEY[:MODIFIER])CONVERSION`` where SELECTOR is ``prop``, ``src``, ``kw``,
``secret`` or ``worker``, KEY of ``src`` is ``CODEBASE:ATTRIBUTE``, CONVERSION is as in Python's ``%`` operator
(mostly ``s``), and MODIFIER is one of

======================== =====================================================================
``-TEXT``                the value if the key exists, else TEXT
``~TEXT``                the value if it is true, else TEXT
``+TEXT``                TEXT if the key exists, else nothing
``?|TEXT1|TEXT2``        TEXT1 if the key exists, else TEXT2
``#?|TEXT1|TEXT2``       TEXT1 if the value is true, else TEXT2
======================== =====================================================================

Any character may stand in place of ``|``.  A TEXT may hold substitutions itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from zope.interface import implementer

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.properties.operators import RenderableOperatorsMixin
from buildmaster.properties.renderables import find_secret
from buildmaster.properties.rendering import all_of, rendering_of, settled, then

MISSING = object()
_CONVERSION = re.compile(r"[#0\- +]*\d*(?:\.\d+)?[hlL]?[diouxXeEfFgGcrsa]")
_IDENTIFIER = re.compile(r"^[\w._-]*$")

Node = str | Callable[[Any], Any]
"""A piece of text, or a function of the properties that gives one (or a Deferred of one)."""


@implementer(IRenderable)
class Interpolate(RenderableOperatorsMixin, ComparableMixin):
    """Text into which properties, source stamp attributes, secrets and other values are put when a build uses it.

    With positional arguments the text is an ordinary format of the ``%`` operator and the arguments are rendered;
    else see the grammar above; keyword arguments are what ``%(kw:NAME)s`` stands for.  Mistakes in the text are
    reported when the configuration is loaded.
    """

    compare_attrs = ("fmtstring", "args", "kwargs")
    identifier_re = _IDENTIFIER

    def __init__(self, fmtstring: str, *args: Any, **kwargs: Any) -> None:
        self.fmtstring = fmtstring
        self.args = args
        self.kwargs = kwargs
        self._nodes: list[Node] = []
        if args and kwargs:
            error(
                f"Interpolate takes either positional or keyword substitutions, not both (in {fmtstring!r}); "
                "name them all and write %(kw:NAME)s"
            )
        if not args:
            self._nodes = parse(fmtstring, kwargs)

    def __repr__(self) -> str:
        if self.args:
            return f"Interpolate({self.fmtstring!r}, *{self.args!r})"
        if self.kwargs:
            return f"Interpolate({self.fmtstring!r}, **{self.kwargs!r})"
        return f"Interpolate({self.fmtstring!r})"

    def getRenderingFor(self, build: Any) -> Any:
        if self.args:
            return then(rendering_of(self.args, build), lambda args: self.fmtstring % args)
        return _join(self._nodes, build)


def _join(nodes: list[Node], props: Any) -> Any:
    if len(nodes) == 1 and isinstance(nodes[0], str):
        return nodes[0]
    parts = all_of([node if isinstance(node, str) else settled(node(props)) for node in nodes])
    return then(parts, "".join)


def parse(text: str, kwargs: Mapping[str, Any]) -> list[Node]:
    """The pieces of a format; mistakes are reported through ``config.error``."""
    nodes: list[Node] = []
    at = 0
    while True:
        percent = text.find("%", at)
        if percent < 0:
            nodes.append(text[at:])
            return [node for node in nodes if node != ""] or [""]
        nodes.append(text[at:percent])
        if text.startswith("%%", percent):
            nodes.append("%")
            at = percent + 2
            continue
        end = _closing(text, percent + 1)
        conversion = _CONVERSION.match(text, end + 1) if end > 0 else None
        if conversion is None:
            error(f"invalid Interpolate substitution at {text[percent : percent + 20]!r}; a bare percent is written %%")
            return ["".join(node for node in nodes if isinstance(node, str))]
        nodes.append(_substitution(text[percent + 2 : end], conversion.group(), kwargs))
        at = conversion.end()


def _closing(text: str, start: int) -> int:
    """Where the parenthesis that opens at ``start`` closes; -1 if it does not."""
    if not text.startswith("(", start):
        return -1
    depth = 0
    for at in range(start, len(text)):
        if text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if depth == 0:
                return at
    return -1


def _substitution(inside: str, conversion: str, kwargs: Mapping[str, Any]) -> Node:
    selector, colon, rest = inside.partition(":")
    if not colon:
        error(f"invalid Interpolate substitution without selector {inside!r}; write %(prop:{inside})s")
        return ""
    make = _SELECTORS.get(selector)
    if make is None:
        error(f"invalid Interpolate selector {selector!r}; known are {', '.join(sorted(_SELECTORS))}")
        return ""
    lookup, modifier = make(rest, kwargs)
    if modifier is None:
        return _Substitution(lookup, conversion)
    choose = _modifier(modifier, kwargs)
    return _Substitution(lookup, conversion, choose) if choose else ""


class _Substitution:
    """One ``%(…)s``: look up, choose, format."""

    def __init__(self, lookup: Callable[[Any], Any], conversion: str, choose: Callable | None = None) -> None:
        self._lookup = lookup
        self._conversion = conversion
        self._choose = choose

    def __call__(self, props: Any) -> Any:
        value = self._lookup(props)
        if self._choose is not None:
            choose = self._choose
            value = then(value, lambda found: choose(found, props))
        return then(value, self._format)

    def _format(self, value: Any) -> str:
        if value is MISSING or value is None:
            return ""
        if self._conversion == "s":
            return value if type(value) is str else str(value)
        return ("%" + self._conversion) % (value,)


# -- selectors: text after "SELECTOR:" → (function of the properties, modifier or None) ----------------------------


def _name_and_modifier(selector: str, rest: str) -> tuple[str, str | None]:
    name, colon, modifier = rest.partition(":")
    if not _IDENTIFIER.match(name):
        error(f"{selector} name must be an identifier in Interpolate, not {name!r}")
    return name, modifier if colon else None


def _prop(rest: str, _: Mapping[str, Any]) -> tuple[Callable, str | None]:
    name, modifier = _name_and_modifier("Property", rest)
    return lambda props: props.getProperty(name) if props.hasProperty(name) else MISSING, modifier


def _kw(rest: str, kwargs: Mapping[str, Any]) -> tuple[Callable, str | None]:
    name, modifier = _name_and_modifier("Keyword", rest)
    return lambda props: rendering_of(kwargs[name], props) if name in kwargs else MISSING, modifier


def _secret(rest: str, _: Mapping[str, Any]) -> tuple[Callable, str | None]:
    name, colon, text = rest.partition(":")  # any name: that of Vault's secrets is "path/to|key"
    modifier = text if colon else None
    if not name:
        error(f"Secret name must not be empty in Interpolate {rest!r}; write %(secret:NAME)s")

    def found(value: str | None) -> Any:
        if value is None and modifier is None:
            raise KeyError(f"secret key {name} is not found in any provider; see c['secretsProviders']")
        return MISSING if value is None else value

    return lambda props: then(find_secret(name, props), found), modifier


def _worker(rest: str, _: Mapping[str, Any]) -> tuple[Callable, str | None]:
    name, modifier = _name_and_modifier("Worker property", rest)

    def lookup(props: Any) -> Any:
        info = props.getBuild().getWorkerInfo()
        if hasattr(info, "hasProperty"):
            return info.getProperty(name) if info.hasProperty(name) else MISSING
        return info.get(name, MISSING)

    return lookup, modifier


def _src(rest: str, _: Mapping[str, Any]) -> tuple[Callable, str | None]:
    codebase, colon, tail = rest.partition(":")
    if not colon:
        error(f"must specify both codebase and attribute for src Interpolate {rest!r}; write src:CODEBASE:ATTRIBUTE")
    attribute, modifier = _name_and_modifier("Source stamp attribute", tail)
    if not _IDENTIFIER.match(codebase):
        error(f"Codebase must be an identifier in Interpolate, not {codebase!r}")

    def lookup(props: Any) -> Any:
        stamp = props.getSourceStamp(codebase)
        if not stamp:
            return MISSING
        return stamp.get(attribute, MISSING)

    return lookup, modifier


_SELECTORS = {"prop": _prop, "kw": _kw, "secret": _secret, "src": _src, "worker": _worker}


# -- modifiers: text → function(found value or MISSING, properties) ------------------------------------------------


def _modifier(text: str, kwargs: Mapping[str, Any]) -> Callable[[Any, Any], Any] | None:
    if text.startswith("#?"):
        return _ternary(text[2:], bool, kwargs)
    if text.startswith("?"):
        return _ternary(text[1:], lambda _: True, kwargs)
    if text[:1] not in ("-", "~", "+"):
        error(f"invalid Interpolate default type {text[:1]!r} in {text!r}; known are :- :~ :+ :? and :#?")
        return None
    other = parse(text[1:], kwargs)
    if text[0] == "-":
        return lambda value, props: _join(other, props) if value is MISSING else value
    if text[0] == "~":
        return lambda value, props: value if value is not MISSING and value else _join(other, props)
    return lambda value, props: "" if value is MISSING else _join(other, props)


def _ternary(text: str, test: Callable[[Any], bool], kwargs: Mapping[str, Any]) -> Callable[[Any, Any], Any] | None:
    parts = _split(text[1:], text[:1]) if text else []
    if len(parts) != 2:
        error(f"invalid Interpolate ternary expression {text!r}; write :?|if there|if not with any delimiter for |")
        return None
    yes, no = (parse(part, kwargs) for part in parts)
    return lambda value, props: _join(yes if value is not MISSING and test(value) else no, props)


def _split(text: str, delimiter: str) -> list[str]:
    """``text`` split at a delimiter that is not inside a nested substitution."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char == "(" and text[at - 1 : at] == "%":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif char == delimiter and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


@implementer(IRenderable)
class WithProperties(ComparableMixin):
    """The older way to put properties into text: ``%(name)s``, ``%(name:-default)s``, ``:~`` and ``:+``.

    Positional arguments are property names for an ordinary format; keyword arguments are functions of the build's
    :class:`~buildbot.process.properties.Properties`, used in place of a property of that name.
    """

    compare_attrs = ("fmtstring", "args", "lambda_subs")

    def __init__(self, fmtstring: str, *args: str, **lambda_subs: Callable[[Any], Any]) -> None:
        self.fmtstring = fmtstring
        self.args = args
        self.lambda_subs = lambda_subs
        if args and lambda_subs:
            raise ValueError("WithProperties takes either positional or keyword substitutions, not both.")
        for name, function in lambda_subs.items():
            if not callable(function):
                raise ValueError(f"Value for lambda substitution {name!r} must be callable.")

    def getRenderingFor(self, build: Any) -> Any:
        if self.args:
            values = [build.getProperty(name) for name in self.args]
            return self.fmtstring % tuple("" if value is None else value for value in values)
        return self.fmtstring % _PropertyText(build, self.lambda_subs)

    def __repr__(self) -> str:
        return f"WithProperties({self.fmtstring!r})"


class _PropertyText(dict):
    """What the ``%`` operator asks for the keys of a :class:`WithProperties`."""

    def __init__(self, props: Any, functions: Mapping[str, Callable[[Any], Any]]) -> None:
        super().__init__()
        self._props = props
        self._functions = functions

    def __missing__(self, key: str) -> Any:
        name, colon, rest = key.partition(":")
        exists, value = self._look_up(name)
        if colon and rest[:1] == "-":
            value = value if exists else rest[1:]
        elif colon and rest[:1] == "~":
            value = value if exists and value else rest[1:]
        elif colon and rest[:1] == "+":
            value = rest[1:] if exists else ""
        elif colon:
            exists, value = self._look_up(key)
        return "" if value is None else value

    def _look_up(self, name: str) -> tuple[bool, Any]:
        if name in self._functions:
            return True, self._functions[name](self._props)
        return self._props.hasProperty(name), self._props.getProperty(name)
