"""Logging in with an account of another service: GitHub, Google, GitLab, Bitbucket, or any that speaks OAuth 2.0.

The service is asked in a thread, with the library ``requests``: subclasses in configurations are written that way.
Register the master at the service with the redirect URI ``<buildbotURL>auth/login``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.properties import Properties
from buildmaster.www.auth import AuthBase
from buildmaster.www.oauth_login import OAuth2LoginResource

log = Logger()

TIMEOUT_SECONDS = 30
"""For each request to the service."""
PER_PAGE = 100
MOST_PAGES = 20


class OAuth2Auth(AuthBase):
    """Base of all OAuth 2.0 authentications; subclass it for another service.

    ``clientId`` and ``clientSecret`` are what the service gave when the master was registered there; both may be
    secrets.  ``autologin=True`` sends visitors of a page to the service at once.  ``ssl_verify=False`` takes the
    service's certificate as it is; a path names authorities.  ``userInfoProvider`` may add to what the service tells.
    """

    name = "oauth2"
    faIcon = ""
    #: the service's interface; :meth:`get` asks below it
    resourceEndpoint = ""
    #: where the visitor is sent
    authUri = ""
    #: where the code that he brings is changed for a token
    tokenUri = ""
    #: parameters for ``authUri``, such as ``scope``
    authUriAdditionalParams: Mapping[str, str] = {}
    #: parameters for ``tokenUri``
    tokenUriAdditionalParams: Mapping[str, str] = {}
    #: whether client id and secret go to ``tokenUri`` as HTTP Basic instead of in the body
    getTokenUseAuthHeaders = False

    def __init__(
        self, clientId: Any, clientSecret: Any, autologin: bool = False, ssl_verify: Any = True, **kwargs: Any
    ) -> None:
        self._asks_provider = kwargs.get("userInfoProvider") is not None
        super().__init__(**kwargs)
        if importlib.util.find_spec("requests") is None:
            error(f"{type(self).__name__} needs the package requests: pip install 'buildmaster-ci[auth]'")
        self.clientId = clientId
        self.clientSecret = clientSecret
        self.autologin = autologin
        self.sslVerify = ssl_verify
        self.loginUri = ""
        self.homeUri = ""

    def reconfigAuth(self, master: Any, new_config: Any) -> Any:
        """Take over ``buildbotURL``, below which the service sends visitors back."""
        super().reconfigAuth(master, new_config)
        self.homeUri = new_config.buildbotURL or ""
        self.loginUri = self.homeUri.rstrip("/") + "/auth/login"

    def getConfigDict(self) -> dict[str, Any]:
        """What the front end may know."""
        return {"name": self.name, "oauth2": True, "fa_icon": self.faIcon, "autologin": self.autologin}

    def getLoginResource(self) -> Any:
        """The resource behind ``/auth/login``."""
        return OAuth2LoginResource(self.master, self)

    @deferred
    async def getLoginURL(self, redirect_url: str | None = None, state: str = "") -> str:
        """Where at the service a visitor logs in; the service brings ``state`` back."""
        client_id, _ = await self._credentials()
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": self.loginUri,
            **self.authUriAdditionalParams,
            "state": state,
        }
        return f"{self.authUri}{'&' if '?' in self.authUri else '?'}{urlencode(asked)}"

    @deferred
    async def verifyCode(self, code: str) -> dict[str, Any]:
        """Change a visitor's code for a token, and ask with it who he is: the user info."""
        client_id, client_secret = await self._credentials()
        return await self.master.in_thread(self._ask_service, code, client_id, client_secret)

    @deferred
    async def updateUserInfo(self, request: Any) -> None:
        """Add what the configured provider knows, and store it all in the visitor's cookie."""
        visitor = request.getSession()
        if self._asks_provider:
            name = visitor.user_info.get("username") or visitor.user_info["email"]
            visitor.user_info.update(await maybe(self.userInfoProvider.getUserInfo, name))
        visitor.updateSession(request)

    async def _credentials(self) -> tuple[str, str]:
        properties = Properties()
        properties.master = self.master
        client_id, client_secret = await properties.render([self.clientId, self.clientSecret])
        return client_id, client_secret

    # -- in a thread ---------------------------------------------------------------------------------------------------

    def _ask_service(self, code: str, client_id: str, client_secret: str) -> dict[str, Any]:
        token = self._token(code, client_id, client_secret)
        client = self.createSessionFromToken(token)
        return dict(self.getUserInfoFromOAuthClient(client))

    def _token(self, code: str, client_id: str, client_secret: str) -> dict[str, Any]:
        import requests

        body = {"code": code, "redirect_uri": self.loginUri, "grant_type": "authorization_code"}
        basic = (client_id, client_secret) if self.getTokenUseAuthHeaders else None
        if basic is None:
            body |= {"client_id": client_id, "client_secret": client_secret}
        answer = requests.post(
            self.tokenUri,
            data={**body, **self.tokenUriAdditionalParams},
            headers={"Accept": "application/json"},
            auth=basic,
            verify=self.sslVerify,
            timeout=TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        is_json = "json" in answer.headers.get("content-type", "")
        token = answer.json() if is_json else dict(parse_qsl(answer.text))
        if not token.get("access_token"):
            raise ValueError(f"{self.tokenUri} gave no token: {token.get('error_description') or token.get('error')}")
        return token

    def createSessionFromToken(self, token: Mapping[str, Any]) -> Any:
        """A ``requests.Session`` that asks in the user's name; ``token`` is the service's answer.

        Called in a thread, as :meth:`getUserInfoFromOAuthClient` is.
        """
        import requests

        client = requests.Session()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        client.verify = self.sslVerify
        return client

    def get(self, ses: Any, path: str) -> Any:
        """What the service answers for a path below :attr:`resourceEndpoint`, read as JSON."""
        answer = ses.get(self.resourceEndpoint + path, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def getUserInfoFromOAuthClient(self, c: Any) -> Any:
        """The user's ``username``, ``email``, ``full_name`` and ``groups``, as a dictionary; subclasses ask for it."""
        return {}


def pages(get: Any) -> list[Any]:
    """All items of a list that is given in pages of :data:`PER_PAGE`; ``get(number)`` gets one, from 1 on."""
    found: list[Any] = []
    for number in range(1, MOST_PAGES + 1):
        items = get(number)
        found += items
        if len(items) < PER_PAGE:
            break
    return found
