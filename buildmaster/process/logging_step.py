"""``LoggingBuildStep``: the base class, until 3.0, of steps that run one command with logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from buildmaster.process.buildstep import BuildStep
from buildmaster.process.old_commands import OldCommandHooks


class LoggingBuildStep(OldCommandHooks, BuildStep):
    """A step whose ``start()`` makes a command and gives it to ``startCommand(cmd)``.

    ``logfiles`` maps names of logs to files of the worker, ``lazylogfiles`` makes such a log only when it gets text,
    ``log_eval_func(cmd, step_status)`` returns the result.  New steps derive from
    :class:`~buildmaster.process.buildstep.BuildStep` and override ``run()``.
    """

    def __init__(
        self,
        logfiles: Mapping[str, Any] | None = None,
        lazylogfiles: bool = False,
        log_eval_func: Callable[[Any, Any], int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.logfiles = dict(logfiles or {})
        self.lazylogfiles = lazylogfiles
        if log_eval_func is not None:
            self.log_eval_func = log_eval_func

    def addLogFile(self, logname: str, filename: Any) -> None:
        """Watch one more file of the worker."""
        self.logfiles[logname] = filename
