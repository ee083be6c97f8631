"""Microsoft's compilers: the table of versions, the command lines, and what is read from their output."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.base.results import FAILURE, SUCCESS, WARNINGS
from buildmaster.steps import vstudio
from tests.support.one_step import run_steps

DEVENV = ["devenv.com", "p.sln", "/Rebuild", "release"]


@pytest.mark.parametrize(
    ("step", "command"),
    [
        (
            vstudio.VC6(projectfile="p.dsw", useenv=True),
            ["msdev", "p.dsw", "/MAKE", "ALL - release", "/REBUILD", "/USEENV"],
        ),
        (
            vstudio.VC6(projectfile="p.dsw", project="x", mode="clean"),
            ["msdev", "p.dsw", "/MAKE", "x - release", "/CLEAN"],
        ),
        (vstudio.VS2003(projectfile="p.sln"), DEVENV),
        (vstudio.VS2017(projectfile="p.sln", mode="build", config="d"), ["devenv.com", "p.sln", "/Build", "d"]),
        (vstudio.VS2022(projectfile="p.sln", project="x", LIB=["l"]), [*DEVENV, "/UseEnv", "/Project", "x"]),
        (vstudio.VCExpress9(projectfile="p.sln"), ["vcexpress", *DEVENV[1:]]),
        (
            vstudio.MsBuild12(projectfile="p.sln", platform="Win32", config="r", project="a\\b", defines=["X", "Y=1"]),
            '"%VCENV_BAT%" x86 && msbuild "p.sln" /p:Configuration="r" /p:Platform="Win32" /maxcpucount '
            '/t:"a\\b:Rebuild" /p:DefineConstants="X;Y=1"',
        ),
        (
            vstudio.MsBuild16(projectfile="p.sln", platform="x64", config="r", mode="build"),
            'FOR /F "tokens=*" %%I in (\'vswhere.exe -version "[16.0,17.0)" -products * -property installationPath\') '
            'do "%%I%VCENV_BAT%" x86_amd64 && msbuild "p.sln" /p:Configuration="r" /p:Platform="x64" '
            "/maxcpucount /t:Build",
        ),
    ],
)
def test_the_command_line(step, command):
    assert step._command_line() == command


def test_nothing_leads_out_of_the_quotes():
    step = vstudio.MsBuild17(projectfile="p.sln", platform="x64", config='r" & del /q * & "')
    with pytest.raises(ValueError, match="MsBuild17: config may have no quotes"):
        step._command_line()


def test_directories_are_put_before_what_the_worker_has():
    env = vstudio.VC9(projectfile="p", arch="x64", installdir="D:\\VC", PATH=["mine"], env={"A": "1"})._environment()
    assert env["A"] == "1"
    assert env["PATH"].startswith("mine;D:\\VC\\Common7\\IDE;D:\\VC\\VC\\BIN\\x86_amd64;D:\\VC\\Common7\\Tools;")
    assert env["PATH"].endswith(";D:\\VC\\VC\\VCPackages;${PATH};")
    assert env["LIB"].startswith("D:\\VC\\VC\\LIB\\amd64;")
    assert vstudio.MsBuild4(projectfile="p", platform="x64")._environment() == {
        "VCENV_BAT": "${VS110COMNTOOLS}..\\..\\VC\\vcvarsall.bat"
    }


OUTPUT = """\
1>------ Rebuild All started: Project: lib, Configuration: Release Win32 ------
1>a.cpp
1>c:\\src\\a.cpp(3) : warning C4996: 'x' was declared deprecated
1>b.c
"""
ERROR = "2>c:\\src\\b.c(9): error C2065: 'y': undeclared identifier\n"


def test_projects_files_warnings_and_errors_are_counted(tmp_path):
    texts = iter([OUTPUT + ERROR, OUTPUT, ""])

    async def script(command):
        command.out(next(texts))
        command.rc(0)

    steps = [vstudio.VS2015(projectfile="p.sln", name=name, alwaysRun=True) for name in ("a", "b", "c")]
    done = run_steps(tmp_path, *steps, script=script)
    assert [(step["results"], step["state_string"]) for step in done.steps] == [
        (FAILURE, "compile 1 projects 2 files 1 warnings 1 errors (failure)"),
        (WARNINGS, "compile 1 projects 2 files 1 warnings (warnings)"),
        (SUCCESS, "compile 0 projects 0 files"),
    ]
    assert done.logs["errors"] == ERROR


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vstudio.VC6(), "VC6: projectfile is mandatory"),
        (lambda: vstudio.VC8(projectfile="p", arch="arm"), "VC8: arch must be x86 or x64, not 'arm'"),
        (lambda: vstudio.VC8(projectfile="p", mode="x"), "VC8: mode must be build, clean or rebuild, not 'x'"),
        (lambda: vstudio.MsBuild17(projectfile="p", platform=None), "MsBuild17: platform is mandatory"),
    ],
)
def test_mistakes_are_told(make, message):
    with pytest.raises(ConfigErrors) as caught:
        make()
    assert caught.value.errors == [message]
