"""For latent workers whose instances are made from properties of a build: which other builds they suit."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred, maybe


class CompatibleLatentWorkerMixin:
    """Renders what an instance is made from, and compares it with what another build would render.

    A subclass defines ``renderWorkerProps(build_props)``, whose answer (or its Deferred's) is compared by ``==``;
    it calls :meth:`renderWorkerPropsOnStart` at the start of an instance and :meth:`resetWorkerPropsOnStop` at its end.
    """

    builds_may_be_incompatible = True
    _actual_build_props: Any = None
    renderWorkerProps: Any

    @deferred
    async def renderWorkerPropsOnStart(self, build: Any) -> Any:
        """A Deferred of what the instance for this build is made from."""
        self._actual_build_props = await maybe(self.renderWorkerProps, build)
        return self._actual_build_props

    def resetWorkerPropsOnStop(self) -> None:
        """There is no instance any more."""
        self._actual_build_props = None

    @deferred
    async def isCompatibleWithBuild(self, build_props: Any) -> bool:
        """Whether a build with these properties would make the same instance as the one that is here, if one is."""
        if self._actual_build_props is None:
            return True
        return bool(await maybe(self.renderWorkerProps, build_props) == self._actual_build_props)
