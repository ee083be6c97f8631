# Text 002, Programmatic Configuration Generation, its last sentence: the list comes from a YAML file.
import os

import yaml
from buildbot.plugins import schedulers, steps, util, worker

with open(os.path.join(basedir, "builders.yaml")) as f:
    wanted = yaml.safe_load(f)

c = BuildmasterConfig = {"protocols": {"pb": {"port": 9989}}}
c["workers"] = [worker.Worker(name, password) for name, password in wanted["workers"].items()]
c["builders"] = [
    util.BuilderConfig(
        name=f"test-{python}",
        workernames=list(wanted["workers"]),
        factory=util.BuildFactory([steps.ShellCommand(command=[python, "test.py"])]),
    )
    for python in wanted["pythons"]
]
c["schedulers"] = [
    schedulers.AnyBranchScheduler(name="all", builderNames=[b.name for b in c["builders"]]),
]
