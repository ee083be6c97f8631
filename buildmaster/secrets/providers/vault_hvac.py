"""Secrets in the key/value engine of a HashiCorp Vault server.

The module has its documented address; the package ``hvac`` is not needed.
"""

from __future__ import annotations

import abc
import os
from typing import Any

from twisted.internet import defer

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.base.errors import error
from buildmaster.net.httpclient import HTTPClientService
from buildmaster.secrets.providers.base import SecretProviderBase
from buildmaster.secrets.providers.vault_client import Forbidden, VaultClient

DEFAULT_MOUNT = "secret"


class VaultAuthenticator(abc.ABC):
    """How the master proves to Vault who it is; subclasses override :meth:`authenticate`."""

    @abc.abstractmethod
    def authenticate(self, client: VaultClient) -> Any:
        """Set ``client.token``; may return a Deferred.

        Called before the first secret is read, and again when Vault refuses the token.
        """


class VaultAuthenticatorToken(VaultAuthenticator):
    """A token that was made for the master."""

    def __init__(self, token: str) -> None:
        if not isinstance(token, str) or not token.strip():
            error("VaultAuthenticatorToken: token must be a Vault token, a text that is not empty")
            token = ""
        self.token = token.strip()

    def authenticate(self, client: VaultClient) -> None:
        client.token = self.token


class VaultAuthenticatorApprole(VaultAuthenticator):
    """A login by the method AppRole: its tokens expire, and are replaced by new logins."""

    def __init__(self, roleId: str, secretId: str) -> None:
        for name, value in (("roleId", roleId), ("secretId", secretId)):
            if not isinstance(value, str) or not value.strip():
                error(f"VaultAuthenticatorApprole: {name} must be a text that is not empty")
        self.roleId = roleId
        self.secretId = secretId

    @deferred
    async def authenticate(self, client: VaultClient) -> None:
        """Log in."""
        await client.login("approle", role_id=self.roleId.strip(), secret_id=self.secretId.strip())


class HashiCorpVaultKvSecretProvider(SecretProviderBase):
    """Secrets called ``PATH|KEY``: the value under ``KEY`` of what a KV engine stores under ``PATH``.

    ``vault_server`` is the server's address (default: ``$VAULT_ADDR``), ``authenticator`` a
    :class:`VaultAuthenticatorToken`, :class:`VaultAuthenticatorApprole` or one of your own; ``secrets_mount`` is where
    the engine is mounted (default: ``secret``), ``api_version`` 1 or 2 that of the engine.  ``path_delimiter`` stands
    between path and key; in either it is written with ``path_escape`` before it, as is ``path_escape`` itself.

    ``$VAULT_CACERT`` names a file with the authorities that the server's certificate is checked by, if they are not
    the system's.  When Vault refuses a token, a new login is tried, once.
    """

    name = "HashiCorpVaultKvSecretProvider"

    def checkConfig(
        self,
        vault_server: str | None = None,
        authenticator: Any = None,
        secrets_mount: str | None = None,
        api_version: int = 2,
        path_delimiter: str = "|",
        path_escape: str = "\\",
    ) -> None:
        def wrong(words: str) -> None:
            error(f"HashiCorpVaultKvSecretProvider: {words}")

        server = vault_server or os.environ.get("VAULT_ADDR")
        if not isinstance(server, str) or not server.startswith(("http://", "https://")):
            wrong(f"vault_server must be an address like https://vault.example.com:8200, not {server!r}")
        if not isinstance(authenticator, VaultAuthenticator):
            kind = type(authenticator).__name__
            wrong(f"authenticator must be a VaultAuthenticatorToken or VaultAuthenticatorApprole, not of {kind}")
        if secrets_mount is not None and not isinstance(secrets_mount, str):
            wrong(f"secrets_mount must be the path of a KV engine, not {secrets_mount!r}")
        if api_version not in (1, 2):
            wrong(f"api_version must be 1 or 2, not {api_version!r}")
        for name, value in (("path_delimiter", path_delimiter), ("path_escape", path_escape)):
            if not isinstance(value, str) or len(value) != 1:
                wrong(f"{name} must be a single character, not {value!r}")
        if path_delimiter == path_escape:
            wrong(f"path_delimiter and path_escape must differ, both are {path_escape!r}")

    @deferred
    async def reconfigService(
        self,
        vault_server: str | None = None,
        authenticator: Any = None,
        secrets_mount: str | None = None,
        api_version: int = 2,
        path_delimiter: str = "|",
        path_escape: str = "\\",
    ) -> None:
        """Take over the arguments; nothing is asked before a secret is wanted."""
        server = (vault_server or os.environ["VAULT_ADDR"]).rstrip("/")
        verify = os.environ.get("VAULT_CACERT") or None
        http = await HTTPClientService.getService(self.master, server, verify=verify)
        self._client = VaultClient(http, server)
        self._authenticator = authenticator
        self._mount = secrets_mount or DEFAULT_MOUNT
        self._version = api_version
        self._delimiter, self._escape = path_delimiter, path_escape
        self._login = defer.DeferredLock()

    @deferred
    async def get(self, entry: str) -> Any:
        """The value of ``PATH|KEY``; None if there is none, or if ``entry`` has not this form."""
        parts = split_key(entry, self._delimiter, self._escape)
        if len(parts) != 2:
            return None
        path, key = parts
        stored = await self._read(path)
        return None if stored is None else stored.get(key)

    async def _read(self, path: str) -> Any:
        client = self._client
        used = client.token
        if used is None:
            used = await as_deferred(self._login.run(self._authenticate, None))
        try:
            return await client.read(self._mount, path, self._version)
        except Forbidden:
            if await as_deferred(self._login.run(self._authenticate, used)) == used:
                raise
            return await client.read(self._mount, path, self._version)

    @deferred
    async def _authenticate(self, refused: str | None) -> str | None:
        """Log in, unless somebody else has in the meantime; returns the token to use in place of ``refused``."""
        if self._client.token == refused:
            await maybe(self._authenticator.authenticate, self._client)
        return self._client.token


def split_key(text: str, delimiter: str, escape: str) -> list[str]:
    """A text cut at a delimiter; ``escape`` before a delimiter or before itself makes it an ordinary character."""
    parts = [""]
    at = 0
    while at < len(text):
        char = text[at]
        if char == escape and text[at + 1 : at + 2] in (delimiter, escape):
            at += 1
            parts[-1] += text[at]
        elif char == delimiter:
            parts.append("")
        else:
            parts[-1] += char
        at += 1
    return parts
