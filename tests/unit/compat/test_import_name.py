"""The import name ``buildbot``: one module object under two names, never executed twice."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import buildmaster
from buildmaster.compat.names import ATTRIBUTES, MODULES, new_name

IMPORT_NAME_FILE = "buildmaster-import-name.pth"


def run(code: str, *paths: Path) -> str:
    """What a new process prints; ``paths`` come first on its module path."""
    environment = {"PYTHONPATH": ":".join(map(str, [*paths, Path(buildmaster.__file__).parents[1]]))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "name", ["buildbot", "buildbot.plugins", "buildbot.base.results", "buildbot.config.master", "buildbot.util.service"]
)
def test_both_names_mean_one_module(name):
    ours = importlib.import_module(name.replace("buildbot", "buildmaster", 1))
    assert importlib.import_module(name) is ours
    assert sys.modules[name] is ours
    assert ours.__name__ == ours.__spec__.name == name.replace("buildbot", "buildmaster", 1)


def test_a_module_is_executed_once_whichever_name_comes_first():
    assert (
        run("import buildmaster; import buildbot.base.times as a; import buildmaster.base.times as b; print(a is b)")
        == "True"
    )


def test_a_submodule_is_an_attribute_of_its_package():
    import buildbot.process.results

    assert buildbot.process.results is importlib.import_module("buildmaster.process.results")


def test_pickles_made_under_the_other_name_are_read():
    from buildmaster.base.errors import ConfigErrors

    stored = pickle.dumps(ConfigErrors, protocol=0).replace(b"buildmaster.base.errors", b"buildbot.config.errors")
    assert pickle.loads(stored) is ConfigErrors


def test_a_module_that_we_lack_is_missing():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'buildbot\.nonesuch'"):
        importlib.import_module("buildbot.nonesuch")
    assert importlib.util.find_spec("buildbot.nonesuch") is None
    assert importlib.util.find_spec("buildbot.process.nonesuch") is None


def test_an_import_error_inside_a_module_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "broken_extra.py").write_text("import nonesuch_library\n")
    monkeypatch.setattr(buildmaster, "__path__", [*buildmaster.__path__, str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="nonesuch_library"):
        importlib.import_module("buildbot.broken_extra")


def test_the_worker_package_is_left_alone():
    pytest.importorskip("buildbot_worker")
    assert sys.modules["buildbot_worker"].__name__ == "buildbot_worker"


def other_package(tmp_path: Path) -> Path:
    """A directory with another package called ``buildbot``."""
    package = tmp_path / "buildbot"
    package.mkdir()
    (package / "__init__.py").write_text("whose = 'other'\n")
    (package / "master.py").write_text("whose = 'other'\n")
    (package / "onlythere.py").write_text("whose = 'other'\n")
    return tmp_path


def test_ours_wins_over_an_installed_buildbot(tmp_path):
    code = """
        import buildmaster.compat
        import buildbot, buildbot.base.results, importlib.util
        print(buildbot is buildmaster, importlib.util.find_spec("buildbot.onlythere"))
    """
    assert run(code, other_package(tmp_path)) == "True None"


def test_a_process_that_uses_another_buildbot_keeps_it(tmp_path):
    code = """
        import warnings
        import buildbot
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import buildmaster
        import buildbot.master
        print(buildbot.whose, buildbot.master.whose, len(caught))
    """
    assert run(code, other_package(tmp_path)) == "other other 1"


def test_a_tac_file_reaches_the_master():
    assert run("import buildmaster\nfrom buildbot.master import BuildMaster\nprint(BuildMaster.__module__)") == (
        "buildmaster.master"
    )


@pytest.mark.parametrize("old", sorted(MODULES))
def test_a_retired_module_is_served(old):
    assert importlib.import_module(old).__name__ == MODULES[old]


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in ATTRIBUTES.items() for name in names])
def test_a_retired_name_is_found_where_it_was(module, name):
    address, _, attribute = ATTRIBUTES[module][name].partition(":")
    if importlib.util.find_spec(address) is None:
        pytest.fail(f"the table of retired names points to {address}, which is not there")
    served = importlib.import_module(module.replace("buildmaster", "buildbot", 1))
    assert getattr(served, name) is getattr(importlib.import_module(address), attribute)


def test_other_names_are_missing_as_ever():
    import buildbot.process.buildstep

    with pytest.raises(AttributeError, match=r"module 'buildmaster.process.buildstep' has no attribute 'nonesuch'"):
        _ = buildbot.process.buildstep.nonesuch


def test_the_longest_row_decides():
    assert new_name("buildbot.status.results") == "buildmaster.base.results"
    assert new_name("buildbot.status.web") == "buildmaster.compat.status.web"
    assert new_name("buildbot.status.web.hooks.github") == "buildmaster.www.hooks.github"
    assert new_name("buildbot.process.build") == "buildmaster.process.build"
    assert new_name("buildbot") == "buildmaster"


def test_the_hooks_of_old_configurations_are_those_of_today():
    from buildbot.status.web.hooks.github import GitHubEventHandler

    from buildmaster.www.hooks import github

    assert GitHubEventHandler is github.GitHubEventHandler


def alone(code: str, *sites: Path) -> str:
    """What a process prints that has, besides the standard library, only these directories with the files in them."""
    start = f"import site; [site.addsitedir(d) for d in {list(map(str, sites))!r}]; "
    done = subprocess.run([sys.executable, "-I", "-S", "-c", start + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def site_with_us(tmp_path: Path) -> Path:
    """A directory of packages that holds ours, as it is installed."""
    site, package = tmp_path / "site", Path(buildmaster.__file__).parent
    site.mkdir()
    (site / "buildmaster").symlink_to(package)
    shutil.copy(package / "compat" / IMPORT_NAME_FILE, site)
    return site


def test_where_no_buildbot_is_installed_its_name_alone_is_enough(tmp_path):
    assert alone("import buildbot; print(buildbot.__name__)", site_with_us(tmp_path)) == "buildmaster"
    code = "from buildbot.process import results as a; import buildmaster.process.results as b; print(a is b)"
    assert alone(code, tmp_path / "site") == "True"


def test_nothing_of_ours_is_imported_before_the_name_is_asked_for(tmp_path):
    site = site_with_us(tmp_path)
    assert alone("import sys; print([n for n in sys.modules if n.startswith('buildmaster')])", site) == "[]"


def test_an_installed_buildbot_is_reached_by_who_asks_for_it_first(tmp_path):
    (tmp_path / "other" / "buildbot").mkdir(parents=True)
    (tmp_path / "other" / "buildbot" / "__init__.py").write_text("whose = 'theirs'")
    assert alone("import buildbot; print(buildbot.whose)", site_with_us(tmp_path), tmp_path / "other") == "theirs"


def test_the_installation_brings_the_file_that_lends_the_name():
    installed = importlib.metadata.distributions(name="buildmaster-ci")  # and what building it has left in the tree
    assert IMPORT_NAME_FILE in [str(path) for one in installed for path in one.files or []]


def test_a_submodule_is_imported_when_it_is_asked_for_as_an_attribute():
    code = """
        import buildmaster.process
        import buildbot
        print(buildbot.process.buildstep.BuildStep.__module__, buildbot.steps.source.git.Git.__name__)
        print(hasattr(buildbot.process, "nothing"), hasattr(buildbot, "nothing"))
    """
    assert run(code).split() == ["buildmaster.process.buildstep", "Git", "False", "False"]


def test_a_local_worker_is_found_in_the_package_too():
    from buildbot.worker import LocalWorker

    assert LocalWorker.__module__ == "buildmaster.worker.local"
