"""What is checked of a configuration, and how it is told."""

from __future__ import annotations

import sys

import pytest

from buildmaster.config.master import MasterConfig
from buildmaster.db import log_text

BUILDER = "c['builders'].append(util.BuilderConfig({}))\nc['multiMaster'] = True\n"


def test_the_good_configuration_is_good(directory):
    config = directory.load_with("")
    assert [builder.name for builder in config.builders] == ["b"]
    assert [worker.name for worker in config.workers] == ["w"]
    assert list(config.schedulers) == ["force"]
    assert config.protocols == {"pb": {"port": 9989}}


def test_defaults():
    config = MasterConfig()
    assert config.title == "Buildbot"
    assert config.buildbotURL == "http://localhost:8080/"
    assert config.logCompressionLimit == 512
    assert config.logCompressionMethod == "zstd"
    assert config.logEncoding == "utf-8"
    assert (config.logMaxSize, config.logMaxTailSize) == (None, None)
    assert config.caches == {"Changes": 500}
    assert config.db.db_url == "sqlite:///state.sqlite"
    assert config.mq == {"type": "simple"}
    assert config.metrics is None
    assert sorted(config.validation) == ["branch", "property_name", "property_value", "revision"]
    assert config.revlink("abc", "https://github.com/o/r.git") == "https://github.com/o/r/commit/abc"
    assert (config.builders, config.schedulers, config.services) == ([], {}, {})
    assert config.generation == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c['bulders'] = []", "Unknown BuildmasterConfig key bulders; did you mean 'builders'?"),
        ("c['slaves'] = []", "Unknown BuildmasterConfig key slaves: it is called workers"),
        ("c['title'] = 5", "c['title'] must be a string, not 5"),
        ("c['logMaxSize'] = 'x'", "c['logMaxSize'] must be an int, not 'x'"),
        ("c['logCompressionMethod'] = 'x'", "'raw', 'bz2', 'gz', 'lz4', 'br' or 'zstd'"),
        ("c['logEncoding'] = 'utf-99'", "c['logEncoding'] must be the name of a character encoding"),
        ("c['collapseRequests'] = 'x'", "must be a callable, True, or False"),
        ("c['prioritizeBuilders'] = 3", "must be a callable, not 3"),
        ("c['select_next_worker'] = 3", "must be a callable, not 3"),
        ("c['codebaseGenerator'] = 3", "must be a callable, not 3"),
        ("c['revlink'] = 3", "must be a callable, not 3"),
        ("c['multiMaster'] = 'x'", "must be True or False"),
        ("c['buildbotNetUsageData'] = 'foo'", "must be None, 'basic', 'full' or a callable"),
        ("c['properties'] = []", "c['properties'] must be a dictionary, not []"),
        ("c['caches'] = {'x': 'y'}", "value for cache size 'x' must be an integer, not 'y'"),
        ("c['validation'] = {'x': 1}", "unrecognized validation key(s): x"),
        ("c['validation'] = {'branch': '('}", "c['validation']['branch'] must be a regular expression"),
        ("c['manhole'] = 3", "c['manhole'] must be a util.TelnetManhole(…), util.PasswordManhole"),
        ("c['metrics'] = 3", "c['metrics'] must be a dictionary"),
        ("c['mq'] = {'type': 'foo'}", "mq type 'foo' is not known"),
        ("c['mq'] = {'type': 'simple', 'x': 1}", "unrecognized keys in c['mq']: x"),
        (
            "c['db_url'] = 'sqlite://'",
            "'sqlite://' is a database in memory, where a master would keep nothing; write "
            "'sqlite:///state.sqlite', and try",
        ),
        ("c['db'] = {'db_url': 'sqlite:///:memory:'}", "'sqlite:///:memory:' is a database in memory"),
        ("c['db'] = {'x': 1}", "unrecognized keys in c['db']: x; it takes db_url and engine_kwargs"),
        ("c['db'] = 'sqlite:///x'", "c['db'] must be a dictionary, not of str"),
        ("c['protocols'] = {'pb': 9989}", "c['protocols']['pb'] must be a dict"),
        ("c['protocols'] = {'pb': {'port': 'x'}}", "c['protocols']['pb']['port'] is 'x': it must be a number"),
        (
            "c['protocols'] = {'pb': {'port': 1}, 'msgpack_experimental_v7': {'port': 'tcp:1'}}",
            "are the same port, tcp:1",
        ),
        ("c['protocols'] = {'msgpack': {'port': 1}}", "c['protocols']['msgpack']: there is no such protocol"),
        ("c['www'] = {'port': 9989}", "are the same port, tcp:9989"),
        ("c['www'] = []", "c['www'] must be a dictionary, not []"),
        ("c['builders'] = 3", "c['builders'] must be a list, not 3"),
        ("c['services'] = 3", "c['services'] must be a list, not 3"),
        ("c['services'] = [3]", "c['services'] holds 3, which is not a reporter"),
        ("c['services'] = [worker.Worker]", "it is the class: call it, Worker(…)"),
        ("c['secretsProviders'] = [3]", "c['secretsProviders'] holds 3"),
        ("c['change_source'] = [3]", "c['change_source'] holds 3, which is not a change source"),
        ("c['schedulers'] = c['schedulers'] + [3]", "c['schedulers'] holds 3, which is not a scheduler"),
        ("c['machines'] = [3]", "c['machines'] holds 3"),
        ("c['projects'] = [3]", "c['projects'] holds 3"),
        ("c['configurators'] = 3", "c['configurators'] must be a list, not 3"),
        ("c['configurators'] = [3]", "c['configurators'] holds 3, which is no configurator"),
        ("c['user_managers'] = 3", "c['user_managers'] must be a list, not 3"),
    ],
)
def test_a_wrong_value_is_told_with_its_line(directory, line, message):
    errors = [one for one in directory.errors_with(line) if message in one]
    assert len(errors) == 1
    assert errors[0].startswith("master.cfg:9: ")


@pytest.mark.parametrize(
    ("line", "attribute", "value"),
    [
        ("c['buildbotURL'] = 'http://x'", "buildbotURL", "http://x/"),
        ("c['logCompressionLimit'] = False", "logCompressionLimit", False),
        ("c['db_url'] = 'sqlite:///y'", "db", MasterConfig.get_dbconfig_from_config({"db_url": "sqlite:///y"})),
        ("c['caches'] = {'Changes': 2}", "caches", {"Changes": 2}),
        ("c['changeCacheSize'] = 3", "caches", {"Changes": 3}),
        ("c['buildCacheSize'] = 3", "caches", {"Builds": 3, "Changes": 500}),
        ("c['collapseRequests'] = False", "collapseRequests", False),
        ("c['www'] = {'port': 8010}", "www", {"port": 8010, "plugins": {}}),
    ],
)
def test_a_value_is_taken_over(directory, line, attribute, value):
    assert getattr(directory.load_with(line), attribute) == value


def test_global_properties_have_the_file_as_their_source(directory):
    properties = directory.load_with("c['properties'] = {'a': 1}").properties
    assert properties.asList() == [("a", 1, str(directory.path / "master.cfg"))]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("workername='w', factory=factory", "builder's name is required"),
        ("name='x', factory=factory", "builder 'x': at least one workername is required; give it workernames=[…]"),
        ("name='x', workername='w'", "builder 'x': has no factory; give it factory=util.BuildFactory([…])"),
        ("name='x', workername='w', factory=3", "builder 'x': factory is not a BuildFactory instance but 3"),
        ("name='x', workername='v', factory=factory", "builder 'x' uses unknown workers 'v'"),
        ("name='x', workername=3, factory=factory", "builder 'x': workername must be a string but it is 3"),
        ("name='_x', workername='w', factory=factory", "builder names must not start with an underscore: '_x'"),
        ("name='x', workername='w', factory=factory, tags='t'", "builder 'x': tags must be a list, not 't'"),
        ("name='x', workername='w', factory=factory, tags=['t', 't']", "contains duplicate tags: t"),
        ("name='x', workername='w', factory=factory, tags=[1]", "contains something that is not a string"),
        ("name='x', workername='w', factory=factory, nextWorker=3", "nextWorker must be a callable, not 3"),
        ("name='x', workername='w', factory=factory, nextBuild=3", "nextBuild must be a callable, not 3"),
        ("name='x', workername='w', factory=factory, canStartBuild=3", "canStartBuild must be a callable, not 3"),
        ("name='x', workername='w', factory=factory, env=3", "env must be a dictionary, not 3"),
        ("name='x', workername='w', factory=factory, properties=3", "properties must be a dictionary, not 3"),
        ("name='x', workername='w', factory=factory, locks=3", "builder 'x': locks must be a list, not 3"),
        ("name='x', workername='w', factory=factory, locks=[3]", "3 in locks is no lock"),
        ("name='x', workername='w', factory=factory, project='p'", "builder 'x' uses unknown project name 'p'"),
        ("name='x', workername='w', factory=factory, description=3", "description must be a string or None"),
        ("name='x', workername='w', factory=factory, builddir='b'", "duplicate builder builddir 'b'"),
        ("name='b', workername='w', factory=factory", "duplicate builder name 'b': the first is at master.cfg:7"),
        ("name='x' * 600, workername='w', factory=factory", "exceeds maximum length of 512"),
    ],
)
def test_a_wrong_builder_is_told_with_its_line(directory, arguments, message):
    errors = directory.errors_with(BUILDER.format(arguments))
    assert any(message in one for one in errors)
    assert all(one.startswith("master.cfg:9: ") for one in errors)


def test_what_a_builder_is_made_of(directory):
    arguments = "name='é/b x', workername='w', factory=factory, workernames=['w']"
    builder = directory.load_with(BUILDER.format(arguments)).builders[-1]
    assert (builder.workernames, builder.builddir, builder.workerbuilddir) == (["w"], "é_b_x", "é_b_x")
    assert builder.getConfigDict() == {
        "name": "é/b x",
        "workernames": ["w"],
        "factory": builder.factory,
        "builddir": "é_b_x",
        "workerbuilddir": "é_b_x",
    }
    assert str(builder.config_place) == f"{directory.path}/master.cfg:9"


def test_a_builder_may_be_a_dictionary(directory):
    config = directory.load_with("c['builders'] = [dict(name='b', workername='w', factory=factory)]")
    assert [builder.name for builder in config.builders] == ["b"]
    assert directory.errors_with("c['builders'] = [dict(name='b', colour='w')]")[0].startswith(
        "master.cfg:9: a builder given as a dictionary has wrong keys: "
    )


def test_a_builder_made_by_a_helper_names_both_places(directory):
    directory.write(
        "from buildbot.plugins import util\n\ndef make(name):\n    return util.BuilderConfig(name=name)\n", "making.py"
    )
    errors = directory.errors_with("import making\nc['builders'].append(making.make('x'))\n")
    assert "making.py:4 (reached from master.cfg:10): builder 'x': at least one workername is required; " in errors[1]


def test_duplicate_names(directory):
    addition = """
    c['workers'] = [worker.Worker('w', 'p'), worker.Worker('w', 'q')]
    c['schedulers'] *= 2
    c['schedulers'].append(schedulers.ForceScheduler(name='force', builderNames=['b']))
    """
    assert directory.errors_with(addition) == [
        "master.cfg:10: duplicate worker name 'w': the first is at master.cfg:10; give one of them another name",
        "master.cfg:8: duplicate scheduler name 'force': the first is at master.cfg:8; give one of them another name",
        "master.cfg:12: duplicate scheduler name 'force': the first is at master.cfg:8; give one of them another name",
    ]


def test_a_scheduler_for_an_unknown_builder(directory):
    addition = "c['schedulers'].append(schedulers.ForceScheduler(name='g', builderNames=['bb']))"
    assert directory.errors_with(addition) == ["master.cfg:9: Unknown builder 'bb' in scheduler 'g'; did you mean 'b'?"]


def test_a_builder_that_nothing_schedules(directory):
    assert directory.errors_with("c['schedulers'] = []") == [
        "master.cfg:7: builder(s) b have no schedulers to drive them; add it to a scheduler's builderNames"
    ]
    assert directory.load_with("c['schedulers'] = []; c['multiMaster'] = True").schedulers == {}


def test_nothing_to_do(directory):
    assert directory.errors("c = BuildmasterConfig = {}\n") == [
        "no workers are configured; give c['workers'] at least one",
        "no builders are configured; give c['builders'] at least one",
    ]


def test_workers_without_a_port(directory):
    assert directory.errors_with("del c['protocols']") == [
        "master.cfg:5: workers are configured, but c['protocols'] not; write c['protocols'] = {'pb': {'port': 9989}}"
    ]


def test_a_local_worker_needs_no_port(directory):
    assert directory.load_with("del c['protocols']; c['workers'] = [worker.LocalWorker('w')]").protocols == {}


def test_a_reserved_worker_name(directory):
    errors = directory.errors_with("c['workers'].append(worker.Worker('change', 'p'))")
    assert errors == ["master.cfg:9: worker name 'change' is reserved; give it another"]


def test_two_locks_of_one_name_must_agree(directory):
    addition = """
    c['builders'][0].locks = [util.MasterLock('l').access('counting')]
    step = steps.ShellCommand(command='x', name='s', locks=[util.MasterLock('l', maxCount=2).access('counting')])
    c['builders'][0].factory.addStep(step)
    """
    assert directory.errors_with(addition) == [
        "master.cfg:7: Two locks share the same name, 'l': step 's' of builder 'b' has MasterLock('l', maxCount=2), "
        "builder 'b' (master.cfg:7) has MasterLock('l', maxCount=1); make one lock and use it in both places, or give "
        "them different names"
    ]


def test_equal_locks_of_one_name_are_one(directory):
    addition = """
    for lock in (util.MasterLock('l'), util.MasterLock('l')):
        c['builders'][0].factory.addStep(steps.ShellCommand(command='x', locks=[lock.access('exclusive')]))
    """
    assert directory.load_with(addition)


def test_a_step_with_what_is_no_lock(directory):
    (error,) = directory.errors_with("factory.addStep(steps.ShellCommand(command='x', locks=[3]))")
    assert "3 in locks is no lock; write lock.access('counting')" in error


def test_codebases_belong_to_projects(directory):
    addition = """
    c['projects'] = [util.Project('p'), util.Project('p')]
    c['codebases'] = [util.Codebase('a', project='p'), util.Codebase('a', project='p'), util.Codebase('b', project='q')]
    """
    assert directory.errors_with(addition) == [
        "master.cfg:10: duplicate project name 'p': the first is at master.cfg:10; give one of them another name",
        "master.cfg:11: duplicate project 'p': codebase name 'a': the first is at master.cfg:11; give one of them "
        "another name",
        "master.cfg:11: codebase 'b' is of unknown project 'q'; projects are made in c['projects']",
    ]


def test_change_sources_of_one_name_must_differ_in_it(directory):
    addition = """
    from buildbot.plugins import changes
    c['change_source'] = [changes.GitPoller('file:///r', branch='one'), changes.GitPoller('file:///r', branch='two')]
    """
    (error,) = directory.errors_with(addition)
    assert error.startswith("master.cfg:11: duplicate change source name 'file:///r'")


def test_a_change_source_listed_twice_counts_once(directory):
    config = directory.load_with("from buildbot.plugins import changes\nc['change_source'] = changes.PBChangeSource()")
    assert len(config.change_sources) == 1
    config = directory.load_with(
        "from buildbot.plugins import changes\n"
        "c['change_source'] = [changes.PBChangeSource(), changes.PBChangeSource()]"
    )
    assert len(config.change_sources) == 1


def test_a_configurator_changes_the_configuration(directory):
    addition = """
    class Rename:
        def configure(self, config_dict):
            config_dict['title'] = 'renamed'
    class Broken:
        def configure(self, config_dict):
            raise ValueError('no')
    c['configurators'] = [Rename()]
    """
    assert directory.load_with(addition).title == "renamed"
    assert directory.errors_with(addition.replace("[Rename()]", "[Broken()]")) == [
        "master.cfg:16: configurator Broken raised ValueError: no"
    ]


def test_everything_is_told_at_once(directory):
    addition = """
    c['titel'] = 'x'
    c['logMaxSize'] = 'big'
    c['builders'].append(util.BuilderConfig(name='x', workernames=['v'], factory=factory))
    c['schedulers'].append(schedulers.ForceScheduler(name='g', builderNames=['x', 'y']))
    """
    assert directory.errors_with(addition) == [
        "master.cfg:10: Unknown BuildmasterConfig key titel; did you mean 'title'?",
        "master.cfg:11: c['logMaxSize'] must be an int, not 'big'",
        "master.cfg:12: builder 'x' uses unknown workers 'v'",
        "master.cfg:13: Unknown builder 'y' in scheduler 'g'",
    ]


def test_a_password_is_not_in_the_message(directory):
    for value in ("'postgresql://u:s3cret@h/d'", "['postgresql://u:s3cret@h/d']"):
        assert not any("s3cret" in one for one in directory.errors_with(f"c['db'] = {value}"))


def test_values_that_can_not_show_themselves_are_told_too(directory):
    addition = """
    class Mute:
        def __repr__(self): raise ValueError
    c['title'] = Mute()
    c['services'] = [Mute()]
    c[3] = 'x' * 1000
    c['logMaxSize'] = 'x' * 1000
    """
    errors = directory.errors_with(addition)
    assert errors[:2] == [
        "Unknown BuildmasterConfig key 3: keys are strings",
        "master.cfg:12: c['title'] must be a string, not <Mute, whose repr fails>",
    ]
    assert errors[2] == f"master.cfg:15: c['logMaxSize'] must be an int, not '{'x' * 118}…"
    assert errors[3].startswith("master.cfg:13: c['services'] holds <Mute, whose repr fails>, which is not a reporter")


def test_an_object_that_raises_when_it_is_looked_at(directory):
    addition = """
    class Odd(schedulers.ForceScheduler):
        def listBuilderNames(self):
            raise ValueError('not yet')
    c['schedulers'].append(Odd(name='odd', builderNames=['b']))
    """
    assert directory.errors_with(addition) == [
        "master.cfg:12: checking the configuration failed: ValueError: not yet; twistd.log has the traceback"
    ]


def test_a_dictionary_can_be_loaded_without_a_file():
    config = MasterConfig.loadFromDict({"multiMaster": True, "title": "T"}, "somewhere.cfg")
    assert config.title == "T"


def test_a_compression_whose_package_is_missing_is_refused(directory, monkeypatch):
    monkeypatch.setattr(log_text, "_loaded", {})
    monkeypatch.setitem(sys.modules, "lz4", None)
    (message,) = directory.errors_with("c['logCompressionMethod'] = 'lz4'")
    assert "must be a method that is installed ('zstd' always is; for 'lz4': pip install lz4), not 'lz4'" in message
