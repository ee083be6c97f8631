# Text 000, Writing a Change Poller: what the words describe.
import json
import os

from buildbot import config
from buildbot.changes.base import ReconfigurablePollingChangeSource
from twisted.internet import defer


class SpoolPoller(ReconfigurablePollingChangeSource):
    """Takes the changes that lie as JSON files in a directory."""

    def checkConfig(self, directory, **kwargs):
        super().checkConfig(**kwargs)
        if not os.path.isabs(directory):
            config.error(f"SpoolPoller: directory must be an absolute path, not {directory!r}")

    @defer.inlineCallbacks
    def reconfigService(self, directory, **kwargs):
        yield super().reconfigService(**kwargs)
        self.directory = directory

    def describe(self):
        return f"SpoolPoller of {self.directory}"

    @defer.inlineCallbacks
    def poll(self):
        for name in sorted(os.listdir(self.directory)):
            path = os.path.join(self.directory, name)
            with open(path) as f:
                change = json.load(f)
            yield self.master.data.updates.addChange(**change)
            os.unlink(path)  # its change is stored


c["change_source"] = [SpoolPoller(spool, name="spool", pollInterval=60, pollAtLaunch=True)]
