"""What packages of plugins, written for Buildbot, import besides the documented classes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from zope.interface import Interface

import buildmaster
from buildmaster.base.errors import PluginDBError


def run(code: str) -> str:
    """What a new process prints that has imported buildmaster."""
    folder = Path(buildmaster.__file__).parents[1]
    code = "import buildmaster\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(folder)}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_package_finds_its_version(tmp_path):
    from buildbot import getVersion

    init = tmp_path / "nowhere" / "__init__.py"
    init.parent.mkdir()
    assert getVersion(str(init)) == "latest"
    (init.parent / "VERSION").write_text("1.2.3\n")
    assert getVersion(str(init)) == "1.2.3"
    assert getVersion("/elsewhere/twisted/__init__.py") == __import__("twisted").__version__


def test_a_package_asks_for_what_others_offer():
    from buildbot.interfaces import IPlugin
    from buildbot.plugins.db import get_plugins, info, namespaces

    from buildmaster import plugins

    assert get_plugins("steps", None, load_now=False).ShellCommand is plugins.steps.ShellCommand
    assert info("steps", "ShellCommand").value.endswith("steps.shell:ShellCommand")
    assert {"steps", "util", "worker"} <= set(namespaces())
    assert IPlugin.isOrExtends(Interface)
    with pytest.raises(PluginDBError, match="does not implement IPlugin"):
        get_plugins("secrets", IPlugin, load_now=True)


def test_former_names_are_found_in_a_module_that_is_loaded_already():
    code = """
        import buildmaster.process.buildstep, buildmaster.process.logging_step
        from buildbot.process import buildstep
        print(buildstep.LoggingBuildStep.__name__, buildstep.LogLineObserver.__name__, buildstep.SUCCESS)
    """
    assert run(code) == "LoggingBuildStep LogLineObserver 0"
