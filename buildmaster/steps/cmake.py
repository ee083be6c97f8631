"""CMake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.process.buildstep import BuildStep, ShellMixin


class CMake(ShellMixin, BuildStep):
    """Runs CMake.

    ``path`` is the source directory or an existing build directory, ``generator`` a generator of build systems;
    ``definitions`` is a dictionary that becomes ``-D NAME=VALUE``, ``options`` a list of further options; ``cmake`` is
    the program.
    """

    DEFAULT_CMAKE = "cmake"

    name = "cmake"
    description = ["running", "cmake"]
    descriptionDone = ["cmake"]
    renderables = ("cmake", "definitions", "generator", "options", "path")
    haltOnFailure = True

    def __init__(
        self,
        path: Any = None,
        generator: Any = None,
        definitions: Mapping[str, Any] | Any = None,
        options: Sequence[Any] | Any = None,
        cmake: Any = DEFAULT_CMAKE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.path = path
        self.generator = generator
        self.definitions = definitions
        self.options = options
        self.cmake = cmake
        rendered_later = IRenderable.providedBy
        if definitions is not None and not isinstance(definitions, Mapping) and not rendered_later(definitions):
            error("CMake: definitions must be a dictionary or a renderable of one")
        if options is not None and not isinstance(options, list | tuple) and not rendered_later(options):
            error("CMake: options must be a list or a tuple, or a renderable of one")

    @deferred
    async def run(self) -> int:
        command: list[Any] = [self.cmake]
        if self.generator:
            command += ["-G", self.generator]
        if self.definitions:
            command += [f"-D{name}={value}" for name, value in self.definitions.items()]
        if self.options:
            command += self.options
        if self.path:
            command.append(self.path)
        remote = await self.makeRemoteShellCommand(command=command)
        await self.runCommand(remote)
        return remote.results()
