"""cppcheck: static analysis of C and C++."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.results import FAILURE
from buildmaster.steps.counting import CountingStep


class Cppcheck(CountingStep):
    """Runs cppcheck and counts its messages by severity; errors are a failure.

    ``binary`` is the program, ``source`` a list of paths, ``enable`` a list of kinds of messages, ``inconclusive`` asks
    for those that are not certain, ``extra_args`` is a list of further arguments.
    """

    name = "cppcheck"
    description = ["running", "cppcheck"]
    descriptionDone = ["cppcheck"]
    renderables = ("binary", "source", "extra_args")

    MESSAGES = ("error", "warning", "style", "performance", "portability", "information")
    flunkingIssues = ("error",)
    prefix = "cppcheck"
    kinds = MESSAGES

    # [file:1] -> [file:2]: (error) text, of version 1; file:1:2: error: text [id], of version 2
    _message = re.compile(rf"^(?:\[.+\]: \((\w+)\)|.+?:\d+:(?:\d+:)? ({'|'.join(MESSAGES)}):)")

    def __init__(
        self,
        binary: Any = "cppcheck",
        source: Any = None,
        enable: Sequence[str] | None = None,
        inconclusive: bool = False,
        extra_args: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.binary = binary
        self.source = ["."] if source is None else source
        self.enable = list(enable or [])
        self.inconclusive = inconclusive
        self.extra_args = [] if extra_args is None else extra_args

    def kind_of(self, stream: str, line: str) -> str | None:
        match = self._message.match(line)
        kind = (match.group(1) or match.group(2)) if match else None
        return kind if kind in self.MESSAGES else None

    @deferred
    async def run(self) -> int:
        command: list[Any] = [self.binary]
        if self.enable:
            command.append(f"--enable={','.join(self.enable)}")
        if self.inconclusive:
            command.append("--inconclusive")
        self.command = [*command, *self.extra_args, *self.source]
        return await super().run()

    def evaluateCommand(self, cmd: Any) -> int:
        """FAILURE if the command failed, too."""
        return FAILURE if cmd.didFail() else super().evaluateCommand(cmd)
