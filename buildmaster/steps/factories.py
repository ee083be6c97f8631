"""Build factories for common kinds of projects: the source, then the usual commands.

Each is a :class:`~buildmaster.process.factory.BuildFactory` to which more steps can be added.  A command is a list of
words, or text for the shell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from buildmaster.base.errors import error
from buildmaster.process.build_factory import BuildFactory
from buildmaster.process.step_factory import StepFactory
from buildmaster.steps.python_twisted import Trial as TrialStep
from buildmaster.steps.shell import Compile, Configure, PerlModuleTest, ShellCommand, Test
from buildmaster.steps.source.cvs import CVS
from buildmaster.steps.source.svn import SVN

Command = str | Sequence[Any] | None
AUTORECONF = ("autoreconf", "-si")


class DefaultCommand:
    """Stands for the factory's own command; None would mean none."""


class GNUAutoconf(BuildFactory):
    """The sources, then ``autoreconf``, ``./configure``, ``make all``, ``make check`` and ``make distcheck``.

    :param source: the step that gets the sources
    :param configure: the command that configures; None leaves the step out
    :param configureEnv: environment variables of all commands
    :param configureFlags: words added to ``configure``, which then must be a list or one word
    :param reconf: a command that makes the configure script anew; True for ``autoreconf -si``
    :param compile: ``make all`` by default; None leaves the step out
    :param test: ``make check`` by default; None leaves the step out
    :param distcheck: ``make distcheck`` by default; None leaves the step out
    """

    def __init__(
        self,
        source: Any,
        configure: Command = "./configure",
        configureEnv: Mapping[str, Any] | None = None,
        configureFlags: Sequence[Any] | None = None,
        reconf: Command | bool = None,
        compile: Command | type = DefaultCommand,
        test: Command | type = DefaultCommand,
        distcheck: Command | type = DefaultCommand,
    ) -> None:
        super().__init__([source])
        env = dict(configureEnv or {})
        if reconf:
            command: Any = list(AUTORECONF) if reconf is True else reconf
            self.addStep(ShellCommand(name="autoreconf", command=command, env=env))
        if configure is not None:
            self.addStep(Configure(command=with_flags(configure, configureFlags or ()), env=env))
        for step, command, usual in (
            (Compile, compile, ["make", "all"]),
            (Test, test, ["make", "check"]),
            (Test, distcheck, ["make", "distcheck"]),
        ):
            if command is not None:
                self.addStep(step(command=usual if command is DefaultCommand else command, env=env))


class BasicBuildFactory(GNUAutoconf):
    """:class:`GNUAutoconf` for sources in CVS, which each build checks out anew.

    :param cvsroot: of the repository
    :param cvsmodule: what to check out
    :param cvsCopy: check out beside the build's directory, update there, and copy, which saves traffic

    The other parameters are those of GNUAutoconf; here no ``configure`` step is made by default.
    """

    def __init__(
        self,
        cvsroot: Any,
        cvsmodule: Any,
        configure: Command = None,
        configureEnv: Mapping[str, Any] | None = None,
        compile: Command | type = "make all",
        test: Command | type = "make check",
        cvsCopy: bool = False,
        **kwargs: Any,
    ) -> None:
        source = CVS(cvsroot=cvsroot, cvsmodule=cvsmodule, mode="full", method="copy" if cvsCopy else "clobber")
        super().__init__(source, configure, configureEnv, compile=compile, test=test, **kwargs)


class QuickBuildFactory(BasicBuildFactory):
    """Like :class:`BasicBuildFactory`, but builds update the sources of the one before: quicker, and less thorough.

    Its builds have no progress: how long they take depends on what has changed.
    """

    useProgress = False

    def __init__(
        self,
        cvsroot: Any,
        cvsmodule: Any,
        configure: Command = None,
        configureEnv: Mapping[str, Any] | None = None,
        compile: Command | type = "make all",
        test: Command | type = "make check",
        cvsCopy: bool = False,
        **kwargs: Any,
    ) -> None:
        if cvsCopy:
            error("QuickBuildFactory updates the sources where they are built: it takes no cvsCopy")
        source = CVS(cvsroot=cvsroot, cvsmodule=cvsmodule, mode="incremental")
        GNUAutoconf.__init__(self, source, configure, configureEnv, compile=compile, test=test, **kwargs)


class BasicSVN(GNUAutoconf):
    """:class:`GNUAutoconf` for sources in Subversion at ``svnurl``, updated by each build.

    The other parameters are those of GNUAutoconf; here no ``configure`` step is made by default.
    """

    def __init__(
        self,
        svnurl: Any,
        configure: Command = None,
        configureEnv: Mapping[str, Any] | None = None,
        compile: Command | type = "make all",
        test: Command | type = "make check",
        **kwargs: Any,
    ) -> None:
        source = SVN(repourl=svnurl, mode="incremental")
        super().__init__(source, configure, configureEnv, compile=compile, test=test, **kwargs)


class CPAN(BuildFactory):
    """A Perl module: the sources, ``perl Makefile.PL``, ``make`` and ``make test``.

    :param source: the step that gets the sources
    :param perl: the interpreter, or a list of it and its options
    """

    def __init__(self, source: Any, perl: str | Sequence[Any] = "perl") -> None:
        super().__init__([source])
        self.addStep(Configure(command=[*words(perl), "Makefile.PL"]))
        self.addStep(Compile(command=["make"]))
        self.addStep(PerlModuleTest(command=["make", "test"]))


class Distutils(BuildFactory):
    """A Python package with a ``setup.py``: the sources, ``python ./setup.py build``, and the tests.

    :param source: the step that gets the sources
    :param python: the interpreter, or a list of it and its options
    :param test: the command that runs the tests; None for none
    """

    def __init__(self, source: Any, python: str | Sequence[Any] = "python", test: Command = None) -> None:
        super().__init__([source])
        self.addStep(Compile(command=[*words(python), "./setup.py", "build"]))
        if test is not None:
            self.addStep(Test(command=test))


class Trial(BuildFactory):
    """A Python package that trial tests: the sources, ``python ./setup.py build``, and :class:`steps.Trial`.

    Either ``tests`` or ``useTestCaseNames`` is needed.

    :param source: the step that gets the sources
    :param buildpython: the interpreter that builds, as a list of it and its options; ``python`` by default
    :param trialpython: the interpreter that runs trial, likewise; by default the one that trial itself names
    :param trial: the program; ``trial`` by default; with ``trialpython`` its path
    :param testpath: what goes to the front of ``PYTHONPATH``
    :param randomly: test in random order
    :param recurse: look for tests in subpackages
    :param tests: what to test: the name of a package or module, or a list of these
    :param useTestCaseNames: test what the build's changed files ask for
    :param env: environment variables of both commands

    Subclasses may set ``trial``, ``randomly`` and ``recurse`` for all that do not say otherwise.
    """

    trial = "trial"
    randomly = False
    recurse = False

    def __init__(
        self,
        source: Any,
        buildpython: Sequence[str] | str | None = None,
        trialpython: Sequence[str] | str | None = None,
        trial: str | None = None,
        testpath: str = ".",
        randomly: bool | None = None,
        recurse: bool | None = None,
        tests: str | Sequence[str] | None = None,
        useTestCaseNames: bool = False,
        env: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__([source])
        if not tests and not useTestCaseNames:
            error("Trial: name the tests, or let useTestCaseNames=True find them from the changed files")
        for name, value in (("trial", trial), ("randomly", randomly), ("recurse", recurse)):
            if value is not None:
                setattr(self, name, value)
        self.addStep(Compile(command=[*words(buildpython or "python"), "./setup.py", "build"], env=dict(env or {})))
        self.addStep(
            TrialStep(
                python=words(trialpython) if trialpython else None,
                trial=self.trial,
                testpath=testpath,
                tests=tests,
                testChanges=useTestCaseNames,
                randomly=self.randomly,
                recurse=self.recurse,
                env=dict(env or {}),
            )
        )


def s(steptype: type, **kwargs: Any) -> StepFactory:
    """A step of this class and these arguments, as releases before 0.8.6 wanted it for ``BuildFactory``."""
    return StepFactory(steptype, **kwargs)


def words(program: str | Sequence[Any]) -> list[Any]:
    """A program and its options as a list."""
    return [program] if isinstance(program, str) else list(program)


def with_flags(configure: str | Sequence[Any], flags: Sequence[Any]) -> Any:
    """The command that configures, with these flags; without any it stays what it is."""
    if not flags:
        return configure
    if isinstance(configure, str) and " " in configure:
        error(f"GNUAutoconf: configure={configure!r} takes no configureFlags: give it as a list of words")
    return [*words(configure), *flags]
