"""A configuration with secrets: passwords, a token and a key, none of which stands in it."""

import os

from buildbot.plugins import schedulers, secrets, steps, util, worker

c = BuildmasterConfig = {}

# Each file in the directory "secrets" beside this one is a secret that is called like it.
HERE = os.path.dirname(os.path.abspath(__file__))
c["secretsProviders"] = [secrets.SecretInAFile(dirname=os.path.join(HERE, "secrets"))]

c["workers"] = [worker.Worker("w1", util.Secret("w1-password"))]
c["protocols"] = {"pb": {"port": "tcp:9989:interface=127.0.0.1"}}

factory = util.BuildFactory()

# In the environment of a command …
factory.addStep(
    steps.ShellCommand(
        name="publish",
        command=["sh", "-c", "echo publish with token=$TOKEN"],
        env={"TOKEN": util.Secret("api-token")},
    )
)

# … in its arguments, together with other things …
header = util.Interpolate("Authorization: Bearer %(secret:api-token)s for %(prop:buildername)s")
factory.addStep(steps.ShellCommand(name="call", command=["printf", "%s\\n", header]))

# … or in a file on the worker that is there only while some steps run.
with factory.withSecrets([("deploy.key", util.Secret("deploy-key"))]):
    factory.addStep(steps.ShellCommand(name="deploy", command=["ls", "-l", "deploy.key"]))
factory.addStep(steps.ShellCommand(name="afterwards", command=["test", "!", "-e", "deploy.key"]))

c["builders"] = [util.BuilderConfig(name="publish", workernames=["w1"], factory=factory)]
c["schedulers"] = [schedulers.AnyBranchScheduler(name="all", builderNames=["publish"])]
