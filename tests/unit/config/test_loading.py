"""Executing a configuration file: its namespace, its local modules, and what goes wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.config.master import FileLoader, loadConfigDict

MINIMAL = "c = BuildmasterConfig = {'multiMaster': True}\n"


def test_the_file_knows_where_it_is(directory):
    config = directory.load(MINIMAL + "c['title'] = basedir\nc['titleURL'] = __file__\n")
    assert (config.title, config.titleURL) == (str(directory.path), str(directory.path / "master.cfg"))


def test_each_success_is_a_new_generation(directory):
    assert directory.load(MINIMAL).generation == 1
    directory.errors("c = BuildmasterConfig = {'bad': 1}")
    assert directory.load(MINIMAL).generation == 2


def test_the_dictionary_alone_can_be_had(directory):
    directory.write("BuildmasterConfig = {'anything': 1}")
    assert loadConfigDict(str(directory.path), "master.cfg") == (
        str(directory.path / "master.cfg"),
        {"anything": 1},
    )


def test_a_file_that_is_not_there(directory):
    assert directory.errors() == [
        f"{directory.path}/master.cfg can't be read: No such file or directory; give the path of a file that this "
        "user may read"
    ]


def test_a_syntax_error(directory):
    assert directory.errors("x = 1\ny = (1,\n  2\nz = 3\n") == [
        "master.cfg:2: error while parsing config file: SyntaxError: '(' was never closed\n    y = (1,"
    ]


def test_an_exception_names_line_and_text(directory):
    assert directory.errors("x = 1\n\ny = x + nonesuch\n") == [
        "master.cfg:3: error while parsing config file: NameError: name 'nonesuch' is not defined\n    y = x + nonesuch"
    ]


def test_an_import_error(directory):
    assert directory.errors("import nonesuch_module\n") == [
        "master.cfg:1: error while parsing config file: ModuleNotFoundError: No module named 'nonesuch_module'\n"
        "    import nonesuch_module"
    ]


def test_an_exception_in_a_helper_names_both_places(directory):
    directory.write("def divide(a):\n    return a / 0\n", "helper_division.py")
    assert directory.errors("import helper_division\nx = helper_division.divide(1)\n") == [
        "helper_division.py:2 (reached from master.cfg:2): error while parsing config file: ZeroDivisionError: "
        "division by zero\n    return a / 0"
    ]


def test_an_exception_in_a_library_says_where_it_was_raised(directory):
    (message,) = directory.errors("import json\nx = json.loads('{')\n")
    lines = message.split("\n")
    assert lines[0].startswith("master.cfg:2: error while parsing config file: JSONDecodeError: ")
    assert lines[1] == "    x = json.loads('{')"
    assert lines[2].startswith("    raised in ")
    assert "json/decoder.py" in lines[2]


def test_a_file_that_ends_the_process_does_not(directory):
    assert directory.errors("import sys\nsys.exit(3)\n") == [
        "master.cfg:2: error while parsing config file: the file ends the process (SystemExit: 3); a configuration may "
        "not do that\n    sys.exit(3)"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class E(BaseException): pass\nraise E('x')\n", "master.cfg:2: error while parsing config file: E: x"),
        ("class E(Exception):\n  def __str__(self): raise ValueError\nraise E\n", "master.cfg:3: error while parsing"),
        (
            "def f(): f()\nf()\n",
            "master.cfg:1 (reached from master.cfg:2): error while parsing config file: RecursionError",
        ),
        (
            "x = '\0'\n",
            "master.cfg: error while parsing config file: SyntaxError: source code string cannot contain null",
        ),
        ("", "master.cfg does not define 'BuildmasterConfig'"),
        ("# -*- coding: nonesuch -*-\n", "master.cfg: error while parsing config file: SyntaxError: unknown encoding"),
    ],
)
def test_odd_files(directory, text, message):
    (found,) = directory.errors(text)
    assert found.startswith(message)


def test_config_error_is_collected_with_its_line(directory):
    text = "from buildbot import config\n" + MINIMAL + "config.error('first')\nconfig.error('second')\nc['x'] = 1\n"
    assert directory.errors(text) == [
        "master.cfg:3: first",
        "master.cfg:4: second",
        "master.cfg:5: Unknown BuildmasterConfig key x; delete it, or keep the value in a variable of its own",
    ]


def test_errors_before_an_exception_are_told_too(directory):
    assert directory.errors("from buildbot import config\nconfig.error('first')\nraise ValueError('then')\n") == [
        "master.cfg:2: first",
        "master.cfg:3: error while parsing config file: ValueError: then\n    raise ValueError('then')",
    ]


def test_a_raised_config_errors_keeps_its_messages(directory):
    text = "from buildbot.config import ConfigErrors\nraise ConfigErrors(['one', 'two'])\n"
    assert directory.errors(text) == ["master.cfg:2: one", "master.cfg:2: two"]


def test_a_file_without_buildmasterconfig(directory):
    assert directory.errors("x = 1\n") == [
        "master.cfg does not define 'BuildmasterConfig'; let it begin with: c = BuildmasterConfig = {}"
    ]
    assert directory.errors("BuildmasterConfig = 3\n") == [
        "master.cfg: 'BuildmasterConfig' must be a dictionary, not 3"
    ]


def test_bytes_that_are_no_text(directory):
    (directory.path / "master.cfg").write_bytes(b"x = '\xff'\n")
    (message,) = directory.errors()
    assert "SyntaxError" in message
    assert message.startswith("master.cfg")


def test_names_in_buildbot_are_ours(directory):
    import buildmaster.process.factory

    directory.load(
        MINIMAL + "from buildbot.process.factory import BuildFactory\nc['prioritizeBuilders'] = BuildFactory\n"
    )
    assert directory.load().prioritizeBuilders is buildmaster.process.factory.BuildFactory


def test_local_modules_are_read_again(directory):
    text = MINIMAL + "import local_title\nc['title'] = local_title.TITLE\n"
    directory.write("TITLE = 'one'\n", "local_title.py")
    assert directory.load(text).title == "one"
    directory.write("TITLE = 'two'\n", "local_title.py")
    assert directory.load(text).title == "two"


def test_modules_of_modules_and_packages_are_read_again(directory):
    (directory.path / "local_package").mkdir()
    directory.write("from local_package.inner import TITLE\n", "local_package/__init__.py")
    text = MINIMAL + "import local_package\nc['title'] = local_package.TITLE\n"
    for title in ("one", "two"):
        directory.write(f"TITLE = {title!r}\n", "local_package/inner.py")
        assert directory.load(text).title == title


def test_a_failed_loading_leaves_the_old_modules_in_place(directory):
    text = MINIMAL + "import local_kept\nc['title'] = local_kept.TITLE\n"
    directory.write("TITLE = 'one'\n", "local_kept.py")
    directory.load(text)
    old = sys.modules["local_kept"]
    directory.write("TITLE = 'two'\n", "local_kept.py")
    directory.errors(text + "c['bad'] = 1\n")
    assert sys.modules["local_kept"] is old
    assert old.TITLE == "one"


def test_other_modules_are_never_reloaded(directory):
    import json

    directory.load(MINIMAL + "import json, buildbot.config\n")
    assert sys.modules["json"] is json


def test_modules_of_a_virtual_environment_below_the_directory_are_not_local(directory):
    site = directory.path / "venv" / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "installed_thing.py").write_text("def made(): pass\n")
    text = MINIMAL + f"import sys; sys.path.append({str(site)!r})\nimport installed_thing\n"
    text += "c['prioritizeBuilders'] = installed_thing.made\n"
    try:
        assert directory.load(text).prioritizeBuilders is directory.load(text).prioritizeBuilders
    finally:
        sys.path[:] = [path for path in sys.path if path != str(site)]
        sys.modules.pop("installed_thing", None)


def test_modules_do_not_leak(directory):
    import gc
    import weakref

    directory.write("class Local:\n    def __call__(self): pass\n", "local_leak.py")
    text = MINIMAL + "import local_leak\nc['prioritizeBuilders'] = local_leak.Local()\n"
    first = directory.load(text)
    reference = weakref.ref(type(first.prioritizeBuilders))
    del first
    directory.load(text)
    gc.collect()
    assert reference() is None


def test_another_directory_has_its_own_modules(tmp_path):
    titles = []
    for name in ("one", "two"):
        path = tmp_path / name
        path.mkdir()
        (path / "local_same.py").write_text(f"TITLE = {name!r}\n")
        (path / "master.cfg").write_text(MINIMAL + "import local_same\nc['title'] = local_same.TITLE\n")
        titles.append(FileLoader(str(path), "master.cfg").loadConfig().title)
    assert titles == ["one", "two"]


def test_a_dataclass_with_postponed_annotations(directory):
    config = directory.load(
        "from __future__ import annotations\nimport dataclasses\n"
        + MINIMAL
        + "@dataclasses.dataclass\nclass D:\n    x: int = 1\n    def __call__(self): pass\n"
        "c['prioritizeBuilders'] = D()\n"
    )
    assert config.prioritizeBuilders.x == 1


def test_no_byte_code_is_written(directory):
    directory.write("x = 1\n", "local_plain.py")
    directory.load(MINIMAL + "import local_plain\n")
    assert sorted(path.name for path in Path(directory.path).iterdir()) == ["local_plain.py", "master.cfg"]


def test_a_missing_plugin_is_told_with_what_was_meant(directory):
    assert directory.errors("from buildbot.plugins import util\nx = util.BuildFactori()\n") == [
        "master.cfg:2: error while parsing config file: PluginNotFound: no plugin util.BuildFactori; did you mean "
        "BuildFactory?\n    x = util.BuildFactori()"
    ]


def test_checks_of_other_rooms_are_told_with_the_line_of_the_key(directory):
    directory.write(MINIMAL + "c['www'] = {'port': 80}\n")
    loader = FileLoader(str(directory.path), "master.cfg", {"www": lambda www: [f"port {www['port']} is odd"]})
    with pytest.raises(ConfigErrors) as raised:
        loader.loadConfig()
    assert raised.value.errors == ["master.cfg:2: port 80 is odd"]
