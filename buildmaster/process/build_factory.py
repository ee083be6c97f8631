"""Build factories: the list of steps that a builder's builds run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.process.build import Build
from buildmaster.process.secret_files import DownloadSecretsToWorker, RemoveWorkerFileSecret
from buildmaster.process.step_factory import get_factory_from_step_or_factory


class BuildFactory(ComparableMixin):
    """Steps, in their order, from which each build makes its own.

    ``workdir`` is the directory that steps without one of their own work in, below the builder's: a path, a renderable,
    or a function of the list of source stamps.  ``buildClass`` is the class of the builds.
    """

    buildClass: Any = Build
    useProgress = True
    workdir: Any = "build"
    skipBuildIf: Any = None
    compare_attrs = ("buildClass", "steps", "useProgress", "workdir")

    def __init__(self, steps: Iterable[Any] | None = None) -> None:
        self.steps: list[Any] = []
        if steps:
            self.addSteps(steps)

    def newBuild(self, requests: Sequence[Any], builder: Any) -> Build:
        """A build of these requests."""
        build = self.buildClass(requests, builder)
        build.useProgress = self.useProgress
        build.workdir = self.workdir
        build.skipBuildIf = self.skipBuildIf
        build.setStepFactories(self.steps)
        return build

    def addStep(self, step: Any) -> None:
        """Add a step at the end."""
        try:
            self.steps.append(get_factory_from_step_or_factory(step))
        except TypeError:
            error(f"BuildFactory.addStep takes a step, not {step!r}; give it an instance such as steps.Git(…)")

    def addSteps(self, steps: Iterable[Any], withSecrets: Sequence[tuple[str, Any]] | None = None) -> None:
        """Add steps at the end.

        ``withSecrets``, pairs of (path on the worker, secret), are files there just while these steps run.
        """
        if withSecrets is None:
            for step in steps:
                self.addStep(step)
            return
        with self.withSecrets(withSecrets):
            self.addSteps(steps)

    @contextmanager
    def withSecrets(self, secrets: Sequence[tuple[str, Any]]) -> Iterator[BuildFactory]:
        """A ``with`` block: steps added in it find the secrets in files on the worker."""
        self.addStep(DownloadSecretsToWorker(secrets))
        yield self
        self.addStep(RemoveWorkerFileSecret(secrets))

    def setSkipBuildIf(self, predicate: Callable[[Build], Any] | bool) -> None:
        """Builds for which ``predicate(build)`` is true (it may answer with a Deferred) end as SKIPPED at once."""
        self.skipBuildIf = predicate

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.steps)} steps>"


ConfigurableBuildFactory = BuildFactory
