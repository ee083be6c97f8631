# Text 002, Programmatic Configuration Generation, its last sentence: the list comes from an INI file.
import configparser
import os

from buildbot.plugins import schedulers, steps, util, worker

wanted = configparser.ConfigParser()
with open(os.path.join(basedir, "builders.ini")) as f:
    wanted.read_file(f)

c = BuildmasterConfig = {"protocols": {"pb": {"port": 9989}}}
c["workers"] = [worker.Worker(name, password) for name, password in wanted["workers"].items()]
c["builders"] = []
c["schedulers"] = []
for section in wanted.sections():
    kind, _, name = section.partition(" ")
    if kind == "builder":
        options = wanted[section]
        factory = util.BuildFactory([steps.ShellCommand(command=[options["python"], "test.py"])])
        c["builders"].append(
            util.BuilderConfig(name=name, workernames=options["workers"].split(), factory=factory)
        )
        c["schedulers"].append(
            schedulers.AnyBranchScheduler(
                name=name,
                builderNames=[name],
                treeStableTimer=options.getint("stable for", fallback=60),
            )
        )
