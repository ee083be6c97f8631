"""Steps as their own factories.

A configuration makes a step once; each build needs one of its own.  A step therefore remembers how it was made.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.interfaces import IBuildStepFactory


@implementer(IBuildStepFactory)
class StepFactory(ComparableMixin):
    """A step's class and the arguments it was made with."""

    compare_attrs = ("step_class", "args", "kwargs")

    def __init__(self, step_class: type, *args: Any, **kwargs: Any) -> None:
        self.step_class = step_class
        self.args = args
        self.kwargs = kwargs

    # names of older releases
    @property
    def factory(self) -> type:
        """The step's class."""
        return self.step_class

    def buildStep(self) -> Any:
        """A new step; a mistake in its arguments is told together with the class."""
        try:
            return self.step_class(*self.args, **self.kwargs)
        except Exception as e:
            e.add_note(f"while making a step of {self.step_class.__name__} with {self.args!r} and {self.kwargs!r}")
            raise

    def __repr__(self) -> str:
        return f"<StepFactory {self.step_class.__name__} {self.args!r} {self.kwargs!r}>"


def get_factory_from_step_or_factory(step_or_factory: Any) -> Any:
    """The factory of a step; a factory is its own."""
    get = getattr(step_or_factory, "get_step_factory", None)
    return get() if get is not None else IBuildStepFactory(step_or_factory)


def create_step_from_step_or_factory(step_or_factory: Any) -> Any:
    """A new step."""
    return get_factory_from_step_or_factory(step_or_factory).buildStep()
