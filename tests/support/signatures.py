"""What a plugin takes: its parameters with their defaults, gathered along its constructors.

A class hands what it does not know itself (``**kwargs``) to the next class of its MRO; services take their arguments
in ``checkConfig`` and steps theirs in class attributes too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from buildmaster.process.buildstep import BuildStep
from buildmaster.process.shell_mixin import ShellMixin
from buildmaster.schedulers.parameters import BaseParameter
from buildmaster.service import BuildbotService

REQUIRED = inspect.Parameter.empty
"""The default of a parameter that has none."""

OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Taken:
    """The parameters of a callable.

    ``defaults`` maps each name to its default or :data:`REQUIRED`; ``positional`` are the names that can be given
    by position, in that order.
    """

    def __init__(self, thing: Callable[..., Any]) -> None:
        self.defaults: dict[str, Any] = {}
        self.positional: list[str] = []
        if not isinstance(thing, type):
            self._add_function(thing, bound=False)
            return
        if issubclass(thing, BuildbotService):
            self._add_chain(thing, "checkConfig")
        self._add_chain(thing, "__init__")
        self._add_attributes(thing)

    def _add_chain(self, thing: type, method: str) -> None:
        """Add what a method takes in a class and, as long as more is handed on, in the next of its bases."""
        for base in thing.__mro__[:-1]:
            function = vars(base).get(method)
            if function is not None and not self._add_function(function, bound=True):
                return

    def _add_function(self, function: Callable[..., Any], bound: bool) -> bool:
        """Add a function's parameters; whether it takes others too."""
        parameters = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
        named = [one for one in parameters if one.kind not in OPEN]
        if not self.positional:
            self.positional = [one.name for one in named if one.kind in POSITIONAL]
        for one in named:
            self.defaults.setdefault(one.name, one.default)
        return len(named) < len(parameters)

    def _add_attributes(self, thing: type) -> None:
        """Add the arguments that a class takes as attributes, and the name of a service."""
        if issubclass(thing, BuildStep):
            for name in thing.known_arguments():
                self.defaults.setdefault(name, getattr(thing, name, None))
            if issubclass(thing, ShellMixin):
                for name in ShellMixin._shell_arguments:
                    self.defaults.setdefault(name, getattr(thing, name, None))
        elif issubclass(thing, BuildbotService):
            self.defaults.setdefault("name", None)
        elif issubclass(thing, BaseParameter):
            for name in ("label", "tablabel", "regex"):
                self.defaults.setdefault(name, None)


def renderables(thing: type) -> set[str]:
    """What is rendered of an object of this class: the ``renderables`` of its bases count too."""
    return {name for base in thing.__mro__ for name in vars(base).get("renderables", ())}
