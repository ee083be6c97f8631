"""rpmlint."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.steps.shell import Test


class RpmLint(Test):
    """Runs rpmlint on ``fileloc``, a file, or a directory with RPMs and spec files (by default the workdir).

    ``config`` is a configuration file for it.  Its warnings are counted as those of other commands are.
    """

    name = "rpmlint"
    description = ["Checking for RPM/SPEC issues"]
    descriptionDone = ["Finished checking RPM/SPEC issues"]
    fileloc = "."
    config: str | None = None

    def __init__(self, fileloc: str | None = None, config: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if fileloc:
            self.fileloc = fileloc
        if config:
            self.config = config

    @deferred
    async def run(self) -> int:
        asked = await self.makeRemoteShellCommand(
            command=["rpmlint", "--version"], collectStdout=True, stdioLogName="version"
        )
        await self.runCommand(asked)
        self.command = ["rpmlint", *self._options(asked.stdout), self.fileloc]
        result: int = await super().run()
        return result

    def _options(self, version: str) -> list[str]:
        """Version 1 says ``rpmlint version 1.11``, and explains what it finds when it is asked to; 2 says ``2.4.0``."""
        if "version 1." in version:
            return ["-i", *(["-f", self.config] if self.config else [])]
        return ["--config", self.config] if self.config else []
