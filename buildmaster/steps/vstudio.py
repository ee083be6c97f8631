"""Microsoft's compilers: Visual Studio 6 to 2022 by ``devenv``, and MSBuild.

The versions differ in where they are installed and in their directories; that is what the classes below say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import attrs

from buildmaster.base.aio import deferred
from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable
from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS, statusToString
from buildmaster.process import logobserver
from buildmaster.process.buildstep import BuildStep, ShellMixin

PROGRAMS = "C:\\Program Files"
PROGRAMS_X86 = "C:\\Program Files (x86)"
ARCHITECTURES = ("x86", "x64")


@attrs.frozen
class Layout:
    """Where a version keeps its parts, below its directory; ``{64}`` stands for what x64 has more."""

    path: tuple[str, ...]
    include: tuple[str, ...]
    lib: tuple[str, ...]


MSDEV = Layout(
    ("Common\\MSDev98\\Bin", "VC98\\BIN", "Common\\TOOLS\\WINNT", "Common\\TOOLS"),
    ("VC98\\INCLUDE", "VC98\\ATL\\INCLUDE", "VC98\\MFC\\INCLUDE"),
    ("VC98\\LIB", "VC98\\MFC\\LIB"),
)
NET_2003 = Layout(
    ("Common7\\IDE", "VC7\\BIN", "Common7\\Tools", "Common7\\Tools\\bin"),
    ("VC7\\INCLUDE", "VC7\\ATLMFC\\INCLUDE", "VC7\\PlatformSDK\\include", "SDK\\v1.1\\include"),
    ("VC7\\LIB", "VC7\\ATLMFC\\LIB", "VC7\\PlatformSDK\\lib", "SDK\\v1.1\\lib"),
)
DEVENV = Layout(
    (
        "Common7\\IDE",
        "VC\\BIN{bin64}",
        "Common7\\Tools",
        "Common7\\Tools\\bin",
        "VC\\PlatformSDK\\bin",
        "SDK\\v2.0\\bin",
        "VC\\VCPackages",
    ),
    ("VC\\INCLUDE", "VC\\ATLMFC\\include", "VC\\PlatformSDK\\include"),
    ("VC\\LIB{lib64}", "VC\\ATLMFC\\LIB{lib64}", "VC\\PlatformSDK\\lib{lib64}", "SDK\\v2.0\\lib{lib64}"),
)


class MSLogLineObserver(logobserver.LogLineObserver):
    """Counts projects, files, warnings and errors of a compilation as they are told."""

    _project = re.compile(r"^(?:\d+>)?-+ .+?: (?:Project: )?(.+?),? .*-+\s*$|^\s*(?:\d+>)?Project \"(.+?)\".*\(.+\)\.$")
    _file = re.compile(r"^(?:\d+>)?\s*[\w.\\ -]+\.(?:cpp|cc|cxx|c|rc|idl|cs)\s*$", re.IGNORECASE)
    _warning = re.compile(r"\bwarning\s+[A-Z]+\d+\s*:|\(\d+(?:,\d+)?\)\s*:\s*warning\b|: warning :")
    _error = re.compile(r"\b(?:fatal )?error\s+[A-Z]+\d+\s*:|\(\d+(?:,\d+)?\)\s*:\s*(?:fatal )?error\b|: error :")

    def __init__(self) -> None:
        super().__init__()
        self.nbProjects = self.nbFiles = 0
        self.warnings: list[str] = []
        self.errors: list[str] = []

    def outLineReceived(self, line: str) -> None:
        """One line of the output."""
        if self._error.search(line):
            self.errors.append(line)
        elif self._warning.search(line):
            self.warnings.append(line)
            self.step.setProgress("warnings", len(self.warnings))
        elif self._file.match(line):
            self.nbFiles += 1
            self.step.setProgress("files", self.nbFiles)
        elif self._project.match(line):
            self.nbProjects += 1
            self.step.setProgress("projects", self.nbProjects)

    errLineReceived = outLineReceived


class VisualStudio(ShellMixin, BuildStep):
    """What all these steps share: a project is built, and what the compiler says is counted.

    ``projectfile`` is the project or solution, ``config`` the configuration, ``project`` a single project of a
    solution; ``mode`` is ``rebuild``, ``build`` (only what has changed) or ``clean``.  ``installdir`` is where the
    compiler is; ``PATH``, ``INCLUDE`` and ``LIB`` are lists of directories that come before its own; with ``useenv``
    (or when ``INCLUDE``, ``LIB`` or ``PATH`` is given) the compiler takes those of the environment.

    Errors are a failure; the lines with warnings and errors go to logs of their own, the numbers into statistics.
    """

    name = "compile"
    description = "compiling"
    descriptionDone = "compile"
    progressMetrics = ("projects", "files", "warnings")
    renderables = ["projectfile", "config", "project", "mode"]

    default_installdir: ClassVar[str | None] = None
    layout: ClassVar[Layout] = Layout((), (), ())
    arch: Any = "x86"

    def __init__(
        self,
        installdir: str | None = None,
        mode: Any = "rebuild",
        projectfile: Any = None,
        config: Any = "release",
        useenv: bool = False,
        project: Any = None,
        INCLUDE: Sequence[str] | None = None,
        LIB: Sequence[str] | None = None,
        PATH: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        self.installdir = installdir or self.default_installdir
        self.mode = mode
        self.projectfile = projectfile
        self.config = config
        self.project = project
        self.INCLUDE, self.LIB, self.PATH = list(INCLUDE or []), list(LIB or []), list(PATH or [])
        self.useenv = bool(useenv or INCLUDE or LIB or PATH)
        self.logobserver = MSLogLineObserver()
        self.addLogObserver("stdio", self.logobserver)
        step = type(self).__name__
        if not projectfile:
            error(f"{step}: projectfile is mandatory")
        if not config:
            error(f"{step}: config is mandatory")
        if not IRenderable.providedBy(mode) and mode not in ("build", "clean", "rebuild"):
            error(f"{step}: mode must be build, clean or rebuild, not {mode!r}")

    def _environment(self) -> dict[str, Any]:
        """The environment in which the compiler finds its parts, ours first, what the worker has last."""
        env = dict(self.env or {})
        bits = {"bin64": "\\x86_amd64", "lib64": "\\amd64"} if self.arch == "x64" else {"bin64": "", "lib64": ""}
        for name, ours, theirs in (
            ("PATH", self.PATH, self.layout.path),
            ("INCLUDE", self.INCLUDE, self.layout.include),
            ("LIB", self.LIB, self.layout.lib),
        ):
            own = [f"{self.installdir}\\{part.format(**bits)}" for part in theirs]
            before = env.pop(name, f"${{{name}}}")
            parts = [*ours, *own, *([before] if isinstance(before, str) else before)]
            if ours or own:
                env[name] = ";".join(part.rstrip(";") for part in parts) + ";"
        return env

    def _command_line(self) -> Any:
        raise TypeError(f"{type(self).__name__} has no command of its own; use one of its subclasses")

    @deferred
    async def run(self) -> int:
        command = await self.makeRemoteShellCommand(command=self._command_line(), env=self._environment())
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        seen = self.logobserver
        for name, number in (("projects", seen.nbProjects), ("files", seen.nbFiles)):
            self.setStatistic(name, number)
        for name, lines in (("warnings", seen.warnings), ("errors", seen.errors)):
            self.setStatistic(name, len(lines))
            if lines:
                await self.addCompleteLog(name, "\n".join(lines) + "\n")
        return self.evaluateCommand(command)

    def evaluateCommand(self, cmd: Any) -> int:
        """FAILURE for errors, WARNINGS for warnings."""
        if cmd.didFail() or self.logobserver.errors:
            return FAILURE
        return WARNINGS if self.logobserver.warnings else SUCCESS

    def getResultSummary(self) -> dict[str, str]:
        """How much was compiled, and how it went."""
        seen = self.logobserver
        text = f"compile {seen.nbProjects} projects {seen.nbFiles} files"
        for number, name in ((len(seen.warnings), "warnings"), (len(seen.errors), "errors")):
            if number:
                text += f" {number} {name}"
        return {"step": text if self.results == SUCCESS else f"{text} ({statusToString(self.results)})"}


class VC6(VisualStudio):
    """Visual C++ 6, by ``msdev``."""

    default_installdir = f"{PROGRAMS}\\Microsoft Visual Studio"
    layout = MSDEV

    def _command_line(self) -> list[Any]:
        target = f"{self.project or 'ALL'} - {self.config}"
        command = ["msdev", self.projectfile, "/MAKE", target, f"/{str(self.mode).upper()}"]
        return [*command, *(["/USEENV"] if self.useenv else [])]


class VC7(VisualStudio):
    """Visual Studio .NET 2003, by ``devenv``; the base of its successors."""

    default_installdir = f"{PROGRAMS}\\Microsoft Visual Studio .NET 2003"
    layout = NET_2003
    program: ClassVar[str] = "devenv.com"

    def _command_line(self) -> list[Any]:
        command = [self.program, self.projectfile, f"/{str(self.mode).capitalize()}", self.config]
        if self.useenv:
            command.append("/UseEnv")
        return [*command, *(["/Project", self.project] if self.project is not None else [])]


class VC8(VC7):
    """Visual Studio 2005; ``arch`` is ``x86`` or ``x64``."""

    renderables = ["arch"]
    default_installdir = f"{PROGRAMS}\\Microsoft Visual Studio 8"
    layout = DEVENV

    def __init__(self, arch: Any = "x86", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.arch = arch
        if not IRenderable.providedBy(arch) and arch not in ARCHITECTURES:
            error(f"{type(self).__name__}: arch must be x86 or x64, not {arch!r}")


class VCExpress9(VC8):
    """Visual C++ Express 2008, by ``vcexpress``."""

    program = "vcexpress"


class VC9(VC8):
    """Visual Studio 2008."""

    default_installdir = f"{PROGRAMS}\\Microsoft Visual Studio 9.0"


class VC10(VC9):
    """Visual Studio 2010."""

    default_installdir = f"{PROGRAMS}\\Microsoft Visual Studio 10.0"


class VC11(VC10):
    """Visual Studio 2012."""

    default_installdir = f"{PROGRAMS}\\Microsoft Visual Studio 11.0"


class VC12(VC11):
    """Visual Studio 2013."""

    default_installdir = f"{PROGRAMS}\\Microsoft Visual Studio 12.0"


class VC14(VC12):
    """Visual Studio 2015."""

    default_installdir = f"{PROGRAMS_X86}\\Microsoft Visual Studio 14.0"


class VC141(VC14):
    """Visual Studio 2017."""

    default_installdir = f"{PROGRAMS_X86}\\Microsoft Visual Studio\\2017\\Community"


class VS2019(VC141):
    """Visual Studio 2019."""

    default_installdir = f"{PROGRAMS_X86}\\Microsoft Visual Studio\\2019\\Community"


class VS2022(VC141):
    """Visual Studio 2022."""

    default_installdir = f"{PROGRAMS}\\Microsoft Visual Studio\\2022\\Community"


VS2003, VS2005, VS2008, VS2010, VS2012 = VC7, VC8, VC9, VC10, VC11
VS2013, VS2015, VS2017 = VC12, VC14, VC141


class _MSBuild(VisualStudio):
    """What the versions of MSBuild share.

    ``platform`` is the target (``Win32``, ``x64`` …), ``defines`` a list of constants for the preprocessor.
    """

    renderables = ["platform"]
    description = "building"
    vcenv_bat: ClassVar[str] = ""

    def __init__(self, platform: Any, defines: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.platform = platform
        self.defines = list(defines or [])
        if not platform:
            error(f"{type(self).__name__}: platform is mandatory")

    def _environment(self) -> dict[str, Any]:
        env = super()._environment()
        env["VCENV_BAT"] = self.vcenv_bat
        return env

    @property
    def _architecture(self) -> str:
        """The argument of ``vcvarsall.bat``."""
        return "x86_amd64" if self.platform == "x64" else "x86"

    def _target(self) -> str:
        verb = str(self.mode).capitalize()
        if not self.project:
            return f"/t:{verb}"
        return f'/t:"{self.project}"' if verb == "Build" else f'/t:"{self.project}:{verb}"'

    def _check_texts(self) -> None:
        """What stands between quotes on the command line may have none itself.  Raises ValueError."""
        for name in ("projectfile", "config", "platform", "project"):
            text = str(getattr(self, name) or "")
            if any(sign in text for sign in '"\r\n'):
                raise ValueError(f"{type(self).__name__}: {name} may have no quotes and no line breaks: {text!r}")

    def _msbuild(self) -> str:
        self._check_texts()
        parts = [f'msbuild "{self.projectfile}" /p:Configuration="{self.config}" /p:Platform="{self.platform}"']
        parts += ["/maxcpucount", self._target()]
        if self.defines:
            parts.append(f'/p:DefineConstants="{";".join(self.defines)}"')
        return " ".join(parts)

    def _command_line(self) -> str:
        return f'"%VCENV_BAT%" {self._architecture} && {self._msbuild()}'


class MsBuild4(_MSBuild):
    """MSBuild of Visual Studio 2012."""

    vcenv_bat = r"${VS110COMNTOOLS}..\..\VC\vcvarsall.bat"


MsBuild = MsBuild4


class MsBuild12(MsBuild4):
    """MSBuild of Visual Studio 2013."""

    vcenv_bat = r"${VS120COMNTOOLS}..\..\VC\vcvarsall.bat"


class MsBuild14(MsBuild4):
    """MSBuild of Visual Studio 2015."""

    vcenv_bat = r"${VS140COMNTOOLS}..\..\VC\vcvarsall.bat"


class MsBuild141(_MSBuild):
    """MSBuild of Visual Studio 2017, which ``vswhere`` finds."""

    description = "compiling"
    vcenv_bat = r"\VC\Auxiliary\Build\vcvarsall.bat"
    version_range: ClassVar[str] = "[15.0,16.0)"

    def _environment(self) -> dict[str, Any]:
        env = super()._environment()
        where = [
            r"C:\Program Files (x86)\Microsoft Visual Studio\Installer",
            r"C:\Program Files\Microsoft Visual Studio\Installer",
        ]
        env["PATH"] = ";".join([*where, env.get("PATH", "${PATH}")])
        return env

    def _command_line(self) -> str:
        find = f'vswhere.exe -version "{self.version_range}" -products * -property installationPath'
        return f'FOR /F "tokens=*" %%I in (\'{find}\') do "%%I%VCENV_BAT%" {self._architecture} && {self._msbuild()}'


MsBuild15 = MsBuild141


class MsBuild16(MsBuild141):
    """MSBuild of Visual Studio 2019."""

    version_range = "[16.0,17.0)"


class MsBuild17(MsBuild141):
    """MSBuild of Visual Studio 2022."""

    version_range = "[17.0,18.0)"
