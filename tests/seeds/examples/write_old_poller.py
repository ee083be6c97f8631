# Text 002, Writing a Change Poller: what the words describe.
from buildbot.changes.base import PollingChangeSource


class VersionPoller(PollingChangeSource):
    """Reports a new version of something that the function ``get_version`` asks for."""

    compare_attrs = ("product",)

    def __init__(self, product, pollInterval=600, pollAtLaunch=False):
        super().__init__(name=f"version of {product}", pollInterval=pollInterval, pollAtLaunch=pollAtLaunch)
        self.product = product
        self.last = None

    def describe(self):
        return f"VersionPoller of {self.product}"

    async def poll(self):
        version = await get_version(self.product)
        if self.last not in (None, version):
            await self.master.data.updates.addChange(author=self.product, revision=version, comments="new version")
        self.last = version


c["change_source"] = [VersionPoller("python", pollInterval=60, pollAtLaunch=True)]
