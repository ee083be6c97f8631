"""Steps for Python's tools: checkers and makers of documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS
from buildmaster.steps.counting import CountingStep


class BuildEPYDoc(CountingStep):
    """Runs epydoc (by default ``make epydocs``) and counts what it warns of.

    Errors are a failure.
    """

    name = "epydoc"
    command = ["make", "epydocs"]
    description = "building epydocs"
    descriptionDone = "epydoc"
    prefix = "epydoc"
    kinds = ("import", "warnings", "errors")
    flunkingIssues = ("errors",)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**self.setupShellMixin(kwargs))

    def kind_of(self, stream: str, line: str) -> str | None:
        if line.startswith("Error importing "):
            return "import"
        if "Warning: " in line:
            return "warnings"
        return "errors" if "Error: " in line else None

    def evaluateCommand(self, cmd: Any) -> int:
        """FAILURE if the command failed, too."""
        return FAILURE if cmd.didFail() else super().evaluateCommand(cmd)


class PyFlakes(CountingStep):
    """Runs pyflakes (by default ``make pyflakes``) and counts what it found.

    Kinds are ``unused`` (imports), ``undefined`` (names), ``redefs``, ``import*`` and ``misc``; undefined names and
    files that cannot be read are a failure.
    """

    name = "pyflakes"
    command = ["make", "pyflakes"]
    description = "running pyflakes"
    descriptionDone = "pyflakes"
    flunkOnFailure = False
    prefix = "pyflakes"
    kinds = ("unused", "undefined", "redefs", "import*", "misc")
    flunkingIssues = ("undefined",)

    _patterns = (
        ("unused", re.compile(r"imported but unused|assigned to but never used")),
        ("import*", re.compile(r"unable to detect undefined names|may be undefined, or defined from star imports")),
        ("undefined", re.compile(r"undefined name|referenced before assignment")),
        ("redefs", re.compile(r"redefinition of|redefines")),
    )
    _place = re.compile(r"^.+?:\d+(:\d+)?:? ")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**self.setupShellMixin(kwargs))
        self._broken = False

    def kind_of(self, stream: str, line: str) -> str | None:
        if not self._place.match(line):
            return None
        if stream == "e":  # syntax errors and files that cannot be decoded
            self._broken = True
            return "misc"
        return next((kind for kind, pattern in self._patterns if pattern.search(line)), "misc")

    def evaluateCommand(self, cmd: Any) -> int:
        """FAILURE if a file could not be read, too."""
        return FAILURE if self._broken else super().evaluateCommand(cmd)


class PyLint(CountingStep):
    """Runs pylint (``command`` has no default) and counts its messages.

    Kinds are ``convention``, ``refactor``, ``warning``, ``error``, ``fatal`` and ``info``; errors, fatal messages and a
    wrong command line are a failure, others warnings.  With ``store_results`` each message becomes a result in the test
    result set ``Pylint warnings``, category ``code_issue``.
    """

    name = "pylint"
    description = "running pylint"
    descriptionDone = "pylint"
    prefix = "pylint"
    kinds = ("convention", "refactor", "warning", "error", "fatal", "info")
    flunkingIssues = ("error", "fatal")

    RC_OK = 0
    RC_FATAL = 1
    RC_ERROR = 2
    RC_WARNING = 4
    RC_REFACTOR = 8
    RC_CONVENTION = 16
    RC_USAGE = 32

    # path:line:column: C0103: text; path:line: [C0103(name), object] text; and the oldest, C0103: line: text
    _message = re.compile(
        r"^(?:(?P<path>.+?):(?P<line>\d+)(?::\d+)?: \[?)?(?P<code>[CRWEFI]\d{4})(?:\([\w-]+\))?[:,\]](?P<text>.*)$"
    )

    def __init__(self, store_results: bool = True, **kwargs: Any) -> None:
        super().__init__(**self.setupShellMixin(kwargs))
        self._store_results = store_results
        self._places: list[tuple[str, int, str]] = []
        if not self.command:
            error("PyLint: there is no default command; give one, such as command=['pylint', 'src']")

    def kind_of(self, stream: str, line: str) -> str | None:
        match = self._message.match(line)
        if match is None:
            return None
        if match["path"] and self._store_results:
            self._places.append((match["path"], int(match["line"]), line))
        return next(kind for kind in self.kinds if kind[0].upper() == match["code"][0])

    @deferred
    async def run(self) -> int:
        result: int = await super().run()
        if self._places:
            setid = await self.addTestResultSet("Pylint warnings", "code_issue", "message")
            for path, number, text in self._places:
                await self.addTestResult(setid, text, test_code_path=path, line=number)
        return result

    def evaluateCommand(self, cmd: Any) -> int:
        """What the exit code says: it has a bit for each kind."""
        if cmd.rc == self.RC_OK:
            return SUCCESS
        if cmd.rc < 0 or cmd.rc & (self.RC_FATAL | self.RC_ERROR | self.RC_USAGE) or cmd.rc > 63:
            return FAILURE
        return WARNINGS


class Sphinx(CountingStep):
    """Runs Sphinx and counts its warnings.

    ``sphinx_sourcedir`` is where ``conf.py`` is, ``sphinx_builddir`` where the output goes; ``sphinx_builder`` is the
    builder, ``sphinx`` the program (a text or a list); ``tags`` is a list of tags; ``defines`` are settings that
    replace those of ``conf.py`` (None: the name alone, a boolean becomes 1 or 0); ``strict_warnings`` makes warnings
    failures; ``mode`` is ``incremental`` or ``full``, which makes everything anew.
    """

    name = "sphinx"
    description = "running sphinx"
    descriptionDone = "sphinx"
    haltOnFailure = True
    prefix = "sphinx"
    kinds = ("warnings", "errors")
    counts_total = False

    _warning = re.compile(r"\bWARNING: |\bSEVERE: |^WARNING\b")
    _error = re.compile(r"\bERROR: |\bCRITICAL: ")

    def __init__(
        self,
        sphinx_sourcedir: str = ".",
        sphinx_builddir: str | None = None,
        sphinx_builder: str | None = None,
        sphinx: str | Sequence[str] = "sphinx-build",
        tags: Sequence[str] | None = None,
        defines: Mapping[str, Any] | None = None,
        strict_warnings: bool = False,
        mode: str = "incremental",
        **kwargs: Any,
    ) -> None:
        if sphinx_builddir is None:
            error("Sphinx argument sphinx_builddir is required")
        if mode not in ("incremental", "full"):
            error(f"Sphinx argument mode has to be 'incremental' or 'full', not {mode!r}")
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.success = False
        command: list[Any] = [sphinx] if isinstance(sphinx, str) else list(sphinx)
        if sphinx_builder is not None:
            command += ["-b", sphinx_builder]
        for tag in tags or ():
            command += ["-t", tag]
        for key in sorted(defines or {}):
            command += ["-D", _define(key, (defines or {})[key])]
        if mode == "full":
            command += ["-E"]
        if strict_warnings:
            command += ["-W"]
        self.command = [*command, sphinx_sourcedir, sphinx_builddir]

    def kind_of(self, stream: str, line: str) -> str | None:
        if line.startswith("build succeeded"):
            self.success = True
        if self._error.search(line):
            return "errors"
        return "warnings" if self._warning.search(line) else None

    def _count(self, name: str, number: int) -> None:
        self.setStatistic(name, number)

    def evaluateCommand(self, cmd: Any) -> int:
        """The command's result, WARNINGS if there were any."""
        if cmd.didFail():
            return FAILURE
        return WARNINGS if self.total else SUCCESS

    def getResultSummary(self) -> dict[str, str]:
        """How many warnings there were."""
        summary = super().getResultSummary()
        number = len(self.found["warnings"])
        return {"step": summary["step"].replace(f"warnings={number}", f"{number} warnings")}


def _define(key: str, value: Any) -> str:
    if value is None:
        return key
    return f"{key}={int(value) if isinstance(value, bool) else value}"
