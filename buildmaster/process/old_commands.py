"""The hooks around a command that steps of releases before 0.9 override.

They are asked in the order in which they always were: ``commandComplete(cmd)``, ``createSummary(log)``,
``evaluateCommand(cmd)``, then ``getText`` and ``getText2`` for the words.  A step that has none of them pays nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from buildmaster.base.aio import as_deferred, maybe
from buildmaster.base.perclass import PerClass
from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS
from buildmaster.process.old_steps import deprecated, keep_old_things
from buildmaster.process.summary import command_words, join_words, shown_command, with_result

HOOKS = {
    "commandComplete": 1,
    "createSummary": 1,
    "evaluateCommand": 1,
    "describe": 1,
    "getText": 2,
    "getText2": 2,
    "maybeGetText2": 2,
    "setStatus": 2,
}
"""Name → number of arguments."""


def overridden(step_class: type, name: str) -> bool:
    """Whether a class of the user's has a method of this name, which takes what the hook is given."""
    owner = next((each for each in step_class.__mro__ if name in vars(each)), object)
    if owner is object or owner.__module__.startswith("buildmaster."):
        return False
    function = getattr(step_class, name)
    return takes(function, 1 + HOOKS[name]) or (name == "createSummary" and takes(function, 1))


def takes(function: Any, count: int) -> bool:
    """Whether a function can be called with so many positional arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


@PerClass
def hooks_of(step_class: type) -> tuple[str, ...]:
    """The hooks that are overridden, found once for each class."""
    return tuple(name for name in HOOKS if overridden(step_class, name))


class OldCommandHooks:
    """For steps that run one command.  Their ``run()`` ends with :meth:`judge`."""

    todays_hooks: ClassVar[tuple[str, ...]] = ()
    """Those that the class documents today, of which no one is warned."""
    log_eval_func: Callable[[Any, Any], int] | None = None
    warnOnFailure: Any
    description: Any
    descriptionDone: Any

    # -- the hooks -------------------------------------------------------------------------------------------------

    def commandComplete(self, cmd: Any) -> Any:
        """The command has ended; its logs are complete."""

    def createSummary(self, log: Any) -> Any:
        """Make further logs, statistics and properties of the log of the output."""

    def evaluateCommand(self, cmd: Any) -> Any:
        """The step's result: what ``log_eval_func(cmd, step_status)`` says if there is one, else the command's."""
        step: Any = self
        return cmd.results() if self.log_eval_func is None else self.log_eval_func(cmd, step.step_status)

    def describe(self, done: bool = False) -> list[str]:
        """The step's words while it runs, or when it is done; its result is added to these."""
        step: Any = self
        words = (self.descriptionDone if done else None) or self.description
        if words is None:
            words = command_words(shown_command(self)) or ("finished" if done else "running")
        found = [words] if isinstance(words, str) else list(words)
        return found if step.descriptionSuffix is None else [*found, join_words(step.descriptionSuffix)]

    def getText(self, cmd: Any, results: int) -> Any:
        """The step's words at its end."""
        return self.describe(True)

    def getText2(self, cmd: Any, results: int) -> Any:
        """The step's part of the build's words."""
        step: Any = self
        return [step.name]

    def maybeGetText2(self, cmd: Any, results: int) -> Any:
        """The step's part of the build's words, if its flags say that its result matters."""
        step: Any = self
        matters = {
            SUCCESS: False,
            WARNINGS: step.flunkOnWarnings or step.warnOnWarnings,
            FAILURE: step.haltOnFailure or step.flunkOnFailure or step.warnOnFailure,
        }
        return self.getText2(cmd, results) if matters.get(results, True) else []

    def setStatus(self, cmd: Any, results: int) -> Any:
        """Set the words."""
        step: Any = self
        hooks = hooks_of(type(self))
        if "getText" in hooks:
            step.step_status.setText(self.getText(cmd, results))
        if "getText2" in hooks or "maybeGetText2" in hooks:
            step.step_status.setText2(self.maybeGetText2(cmd, results))

    # -- how they are called ---------------------------------------------------------------------------------------

    async def judge(self, cmd: Any) -> int:
        """The step's result, when its command has ended; asks the hooks."""
        step: Any = self
        if not hooks_of(type(self)) and not self.todays_hooks:
            return self.evaluateCommand(cmd)
        for name in self._old_ones():
            deprecated(step, name, "3.0", "override run(), and look at the command there")
        stdio = step.step_logs.by_name.get("stdio")
        if stdio is not None:
            await stdio.finish()  # the hooks see all of it
        await maybe(self.commandComplete, cmd)
        await maybe(self.createSummary, *([stdio] if takes(self.createSummary, 1) else []))
        results = await maybe(self.evaluateCommand, cmd)
        await maybe(self.setStatus, cmd, results)
        return results

    def keep_for_hooks(self) -> None:
        """Before the work begins: what the hooks will look for."""
        if self._old_ones():
            keep_old_things(self)

    def _old_ones(self) -> list[str]:
        """The overridden hooks that are not today's; a createSummary that takes the log is none."""
        todays = [name for name in self.todays_hooks if name != "createSummary" or not takes(self.createSummary, 1)]
        return [name for name in hooks_of(type(self)) if name not in todays]

    def startCommand(self, cmd: Any, errorMessages: Iterable[str] = ()) -> None:
        """From ``start()``: run the command, ask the hooks, and end the step."""
        step: Any = self
        as_deferred(self._run_to_the_end(cmd, list(errorMessages))).addErrback(step.failed)

    async def _run_to_the_end(self, cmd: Any, messages: list[str]) -> None:
        step: Any = self
        logs = step.step_logs
        if cmd.stdioLogName is not None and cmd.stdioLogName not in cmd.logs:
            name = cmd.stdioLogName
            cmd.useLog(logs.by_name.get(name) or logs.add(step, name, "s", None), False, name)
        self.setupLogfiles(cmd, getattr(self, "logfiles", None) or {})
        for message in messages:
            cmd.addHeader(message.rstrip("\n") + "\n")
        await step.runCommand(cmd)
        step.finished(await self.judge(cmd))

    def setupLogfiles(self, cmd: Any, logfiles: Iterable[str]) -> None:
        """Make a log for each log file of the command; with ``lazylogfiles`` when the first text comes."""
        step: Any = self
        for name in logfiles:
            if name in cmd.logs or name in cmd.delayedLogs:
                continue
            if getattr(self, "lazylogfiles", False):
                cmd.useLogDelayed(name, lambda _, name=name: step.step_logs.add(step, name, "s", None), True)
            else:
                cmd.useLog(step.step_logs.add(step, name, "s", None), True, name)

    # -- words -----------------------------------------------------------------------------------------------------

    def getCurrentSummary(self) -> Any:
        """What ``describe()`` says, if it is overridden."""
        if "describe" in hooks_of(type(self)):
            return {"step": join_words(self.describe(False))}
        return super().getCurrentSummary()

    def getResultSummary(self) -> Any:
        """What ``describe()`` says, if it is overridden and ``step_status`` was told nothing."""
        step: Any = self
        told = step.step_status is not None and step.step_status.text is not None
        if told or "describe" not in hooks_of(type(self)):
            return super().getResultSummary()
        return {"step": with_result(join_words(self.describe(True)), step.results, step.timed_out)}


class OldShellHooks(OldCommandHooks):
    """The same for steps with a command line of their own, which a ``start()`` may change."""

    command: Any

    def setCommand(self, command: Any) -> None:
        """Another command line."""
        self.command = command

    def start(self) -> Any:
        """What ``super().start()`` does in the ``start()`` of a subclass: run the command line."""
        step: Any = self
        as_deferred(self._start_command()).addErrback(step.failed)

    async def _start_command(self) -> None:
        step: Any = self
        self.command = await as_deferred(step.build.render(self.command))
        self.startCommand(await step.makeRemoteShellCommand())
