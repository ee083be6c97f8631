"""rpmlint."""

from __future__ import annotations

from typing import Any

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
        options = ["-f", self.config] if self.config else []
        self.command = ["rpmlint", "-i", *options, self.fileloc]
