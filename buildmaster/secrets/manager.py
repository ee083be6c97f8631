"""``master.secrets_manager``: asks the providers of ``c['secretsProviders']`` in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.properties import Secrets
from buildmaster.secrets.secret import SecretDetails
from buildmaster.service import BuildbotServiceManager

log = Logger()

SHORTEST_IN_LOG = 4
"""Shorter values are not looked for in the master's own log, where they would stand for anything."""

MOST_IN_LOG = 1000
"""So many values are looked for there: those that were given out last."""


SHORTEST_IN_CHANGES = 16
"""Shorter values are not looked for in the texts of changes: whoever writes them could find out a password by trying
which of their words are hidden."""


class SecretManager(BuildbotServiceManager):
    """Finds secrets by key."""

    name: Any = "secrets"
    config_attr = "secretsProviders"
    reconfig_priority = 1000  # others render their arguments with secrets: the providers are ready before them

    def __init__(self) -> None:
        super().__init__()
        self.given = Secrets(shortest=SHORTEST_IN_LOG, most=MOST_IN_LOG)
        """All values that were given out, to be kept out of the master's own log."""
        self.given_long = Secrets(shortest=SHORTEST_IN_CHANGES, most=MOST_IN_LOG)
        """Those that nobody guesses, to be kept out of the texts of changes."""

    async def before_start(self, config: Any, render: Callable[[], Any]) -> Any:
        """What ``render()`` gives with the providers of this configuration, while no service has been started yet."""
        for provider in config.secretsProviders:
            await provider.setServiceParent(self)
            try:
                await provider.configureService()
            except Exception:  # policy: skip; it is tried again, and told of, when the services have started
                log.failure("secrets provider {name!r} could not be configured", name=provider.name)
        try:
            return await maybe(render)
        finally:
            for provider in list(self):
                await provider.disownServiceParent()

    @deferred
    async def get(self, secret: str, *args: Any, **kwargs: Any) -> SecretDetails | None:
        """The secret of this key from the first provider that has it; None if none has.

        If no provider has it and one failed, what that one raised is raised: the secret may well be there.
        """
        failed: Exception | None = None
        for name in self.get_service_config(self.master.config):
            provider = self.namedServices.get(name)
            if provider is None:
                continue
            try:
                value = await maybe(provider.get, secret, *args, **kwargs)
            except Exception as raised:  # policy: skip; raised in the end if no other provider has it
                log.error("secrets provider {name!r} failed: {raised}", name=name, raised=raised)
                failed = failed or raised
                continue
            if value is not None:
                self.given.use(value, secret)
                self.given_long.use(value, secret)
                return SecretDetails(type(provider).__name__, secret, value)
        if failed is not None:
            raise failed
        return None
