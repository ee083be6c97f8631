"""What the generators of reports on builds share: which builds they want, and the report itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, SUCCESS, WARNINGS, statusToString

ALL_MODES = ("failing", "passing", "warnings", "exception", "cancelled")
DEFAULT_SUBJECT = "Buildbot %(result)s in %(title)s on %(builder)s"

_BY_RESULT = {
    "failing": FAILURE,
    "passing": SUCCESS,
    "warnings": WARNINGS,
    "exception": EXCEPTION,
    "cancelled": CANCELLED,
}


class BuildStatusGeneratorMixin(ComparableMixin):
    """Chooses builds by result, builder, tag, scheduler and branch, and makes their reports.

    :param mode: ``"all"``, ``"warnings"`` (warnings and failures), one of :attr:`possible_modes` or several of them
    :param tags: report only builders that have one of these tags
    :param builders: report only builders of these names; may not be given together with ``tags``
    :param schedulers: report only builds that these schedulers asked for
    :param branches: report only builds of these branches
    :param subject: the subject of reports whose formatter makes none; ``%(builder)s``, ``%(result)s``, ``%(title)s``
        and ``%(projectName)s`` are replaced
    :param add_logs: True, or the names of logs to be attached with their text; the formatter's ``want_logs_content`` is
        the newer way
    :param add_patch: whether patches that were built are attached
    """

    possible_modes = ("change", "failing", "passing", "problem", "warnings", "exception", "cancelled")
    compare_attrs: ClassVar[Sequence[str]] = [
        "mode",
        "tags",
        "builders",
        "schedulers",
        "branches",
        "subject",
        "add_logs",
        "add_patch",
    ]

    def __init__(
        self,
        mode: Any,
        tags: Sequence[str] | None,
        builders: Sequence[str] | None,
        schedulers: Sequence[str] | None,
        branches: Sequence[str] | None,
        subject: str | None,
        add_logs: Any,
        add_patch: bool,
    ) -> None:
        self.mode = _expanded(mode)
        self.tags = tags
        self.builders = builders
        self.schedulers = schedulers
        self.branches = branches
        self.subject = subject
        self.add_logs = add_logs
        self.add_patch = add_patch

    def check(self) -> None:
        """Report mistakes in the arguments by :func:`buildmaster.config.error`."""
        kind = type(self).__name__
        for mode in self.mode if isinstance(self.mode, tuple) else ():
            if mode not in self.possible_modes:
                known = ", ".join(self.possible_modes)
                error(f"{kind}: mode {mode!r} is unknown; there are {known}, and 'all' for every result")
        if not isinstance(self.mode, tuple):
            error(f"{kind}: mode must be a word or a list of words, not {self.mode!r}")
        for name in ("tags", "builders", "schedulers", "branches"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, list | tuple | set | frozenset):
                error(f"{kind}: {name} must be a list of names, not {value!r}")
        if self.tags is not None and self.builders is not None:
            error(f"{kind}: tags and builders cannot both be given; remove one of them")
        if self.subject is not None and (not isinstance(self.subject, str) or "\n" in self.subject):
            error(f"{kind}: the subject must be one line of text, not {self.subject!r}")
        if self.add_logs is not None and not isinstance(self.add_logs, bool | list | tuple):
            error(f"{kind}: add_logs must be True, False or a list of log names, not {self.add_logs!r}")

    def generate_name(self) -> str:
        """A text that tells this generator from others, for the names of reporters that were given none."""
        parts = [type(self).__name__]
        for name in ("tags", "builders", "schedulers", "branches"):
            value = getattr(self, name)
            if value is not None:
                parts.append(f"{name}_{'+'.join(map(str, value))}")
        parts.extend(map(str, self.mode))
        return short_name("_".join(parts))

    def is_message_needed_by_props(self, build: Mapping[str, Any]) -> bool:
        """Whether builder, tags, scheduler and branch of a build are among those that are wanted."""
        builder = build["builder"]
        if self.builders is not None and builder["name"] not in self.builders:
            return False
        if self.tags is not None and not set(self.tags) & set(builder["tags"]):
            return False
        if self.schedulers is not None and _value(build, "scheduler") not in self.schedulers:
            return False
        return self.branches is None or _value(build, "branch") in self.branches

    def is_message_needed_by_results(self, build: Mapping[str, Any]) -> bool:
        """Whether the result of a build is one that is wanted; for ``change`` and ``problem`` it has ``prev_build``."""
        results = build["results"]
        if any(_BY_RESULT[mode] == results for mode in self.mode if mode in _BY_RESULT):
            return True
        before = (build.get("prev_build") or {}).get("results")
        if "change" in self.mode and before is not None and before != results:
            return True
        return "problem" in self.mode and results == FAILURE and before != FAILURE

    def _want_previous_build(self) -> bool:
        return "change" in self.mode or "problem" in self.mode

    def _wants_properties(self, formatter: Any) -> bool:
        return bool(formatter.want_properties) or self.schedulers is not None or self.branches is not None

    def _ruled_out(self, build: Mapping[str, Any]) -> bool:
        """Whether the results alone say that no report is wanted, so that no details need be read."""
        if type(self).is_message_needed_by_results is not BuildStatusGeneratorMixin.is_message_needed_by_results:
            return False
        return not self._want_previous_build() and not self.is_message_needed_by_results(build)

    def _details(self, formatter: Any) -> dict[str, Any]:
        """Which details the formatter and this generator want, as arguments of ``utils.getDetailsForBuild``."""
        return {
            "want_properties": self._wants_properties(formatter),
            "want_steps": formatter.want_steps,
            "want_logs": formatter.want_logs,
            "add_logs": self.add_logs,
            "want_logs_content": formatter.want_logs_content,
        }

    # -- the report ----------------------------------------------------------------------------------------------------

    @deferred
    async def build_message(self, formatter: Any, master: Any, reporter: Any, build: Any) -> dict[str, Any]:
        """The report on one build: what :meth:`.base.ReporterBase.sendMessage` gets."""
        users = list(await maybe(reporter.getResponsibleUsersForBuild, master, build["buildid"]))
        message = await maybe(
            formatter.format_message_for_build, master, build, is_buildset=False, mode=self.mode, users=users
        )
        subject = message["subject"]
        if subject is None and build["results"] is not None:
            subject = self._subject(master, build["results"], build["builder"]["name"])
        return {
            **message_parts(message),
            "subject": subject,
            "results": build["results"],
            "builds": [build],
            "buildset": build["buildset"],
            "users": users,
            "patches": self._get_patches_for_build(build),
            "logs": self._get_logs_for_build(build),
        }

    def _subject(self, master: Any, results: int | None, builder: str) -> str:
        title = master.config.title
        values = {"result": statusToString(results), "projectName": title, "title": title, "builder": builder}
        return (self.subject if self.subject is not None else DEFAULT_SUBJECT) % values

    def _get_patches_for_build(self, build: Mapping[str, Any]) -> list[Any]:
        buildset = build.get("buildset")
        if not self.add_patch or buildset is None:
            return []
        return [stamp["patch"] for stamp in buildset["sourcestamps"] if stamp.get("patch")]

    def _get_logs_for_build(self, build: Mapping[str, Any]) -> list[Any]:
        return [log for step in build.get("steps") or () for log in step.get("logs") or () if log.get("content")]


def message_parts(message: Mapping[str, Any]) -> dict[str, Any]:
    """Body, type and further information of what a formatter made."""
    return {"body": message["body"], "type": message["type"], "extra_info": message.get("extra_info")}


def _expanded(mode: Any) -> Any:
    if isinstance(mode, str):
        return {"all": ALL_MODES, "warnings": ("failing", "warnings")}.get(mode, (mode,))
    return tuple(mode) if isinstance(mode, list | tuple | set | frozenset) else mode


def _value(build: Mapping[str, Any], name: str) -> Any:
    return (build.get("properties") or {}).get(name, (None, ""))[0]


LONGEST_NAME = 100


def short_name(name: str) -> str:
    """The name itself, or if it is long its beginning and a digest of all of it."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: LONGEST_NAME - 17]}_{digest}"
