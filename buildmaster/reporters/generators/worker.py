"""Reports on workers that have been away too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IReportGenerator
from buildmaster.base.times import epoch2datetime
from buildmaster.reporters.generators.utils import short_name
from buildmaster.reporters.message import MessageFormatterMissingWorker

ENCODING = "utf-8"


@implementer(IReportGenerator)
class WorkerMissingGenerator(ComparableMixin):
    """Reports each worker that has been away for longer than its ``missing_timeout``.

    :param workers: ``"all"`` or the names of the workers that are reported
    :param message_formatter: makes the text, by default a
        :class:`~buildmaster.reporters.message.MessageFormatterMissingWorker`

    Only workers with ``notify_on_missing`` are ever missing; these addresses are the report's users.
    """

    wanted_event_keys: Sequence[tuple[str | None, ...]] = [("workers", None, "missing")]
    compare_attrs: ClassVar[Sequence[str]] = ["workers", "formatter"]

    def __init__(self, workers: Any = "all", message_formatter: Any = None) -> None:
        self.workers = workers
        self.formatter = MessageFormatterMissingWorker() if message_formatter is None else message_formatter

    def check(self) -> None:
        """Report mistakes in the arguments by :func:`buildmaster.config.error`."""
        if self.workers != "all" and not isinstance(self.workers, list | tuple | set | frozenset):
            error(f"{type(self).__name__}: workers must be 'all' or a list of names, not {self.workers!r}")

    def generate_name(self) -> str:
        """A text that tells this generator from others, for the names of reporters that were given none."""
        name = type(self).__name__
        return name if self.workers == "all" else short_name(f"{name}_workers_{'+'.join(map(str, self.workers))}")

    @deferred
    async def generate(self, master: Any, reporter: Any, key: Sequence[str], worker: Any) -> Any:
        """The report on a missing worker, or None if it is not wanted."""
        if self.workers != "all" and worker["name"] not in self.workers:
            return None
        if not worker["notify"]:
            return None
        told = dict(worker)
        if isinstance(told["last_connection"], int | float):
            told["last_connection"] = epoch2datetime(told["last_connection"]).strftime("%Y-%m-%d %H:%M:%S UTC")
        message = await maybe(self.formatter.formatMessageForMissingWorker, master, told)
        return {
            "body": message["body"],
            "type": message["type"],
            "subject": message["subject"],
            "extra_info": message.get("extra_info"),
            "results": None,
            "builds": None,
            "buildset": None,
            "users": list(worker["notify"]),
            "patches": None,
            "logs": None,
            "worker": worker["name"],
        }
