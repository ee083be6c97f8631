"""``master.secrets_manager``: asks the providers of ``c['secretsProviders']`` in their order."""

from __future__ import annotations

from typing import Any

from buildmaster.base.aio import deferred, maybe
from buildmaster.secrets.secret import SecretDetails
from buildmaster.service import BuildbotServiceManager


class SecretManager(BuildbotServiceManager):
    """Finds secrets by key."""

    name: Any = "secrets"
    config_attr = "secretsProviders"
    reconfig_priority = 1000  # others render their arguments with secrets: the providers are ready before them

    @deferred
    async def get(self, secret: str, *args: Any, **kwargs: Any) -> SecretDetails | None:
        """The secret of this key from the first provider that has it; None if none has."""
        providers = self.get_service_config(self.master.config)
        for name in providers:
            provider = self.namedServices.get(name)
            value = None if provider is None else await maybe(provider.get, secret, *args, **kwargs)
            if value is not None:
                return SecretDetails(type(provider).__name__, secret, value)
        return None
