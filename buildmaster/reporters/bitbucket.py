"""Statuses of commits at Bitbucket Cloud.

Source: "The Bitbucket Cloud REST API, Commit statuses" and "OAuth on Bitbucket Cloud".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.base.results import SUCCESS
from buildmaster.base.urls import giturlparse
from buildmaster.properties import Interpolate
from buildmaster.reporters.generators.build import BuildStartEndStatusGenerator
from buildmaster.reporters.http import REQUEST_SECONDS
from buildmaster.reporters.message import MessageFormatterRenderable
from buildmaster.reporters.pushing import PushReporter, first_build, rendered_text, sources_of

log = Logger()

BITBUCKET_INPROGRESS = "INPROGRESS"
BITBUCKET_SUCCESSFUL = "SUCCESSFUL"
BITBUCKET_FAILED = "FAILED"

BASE_URL = "https://api.bitbucket.org/2.0/repositories"
OAUTH_URL = "https://bitbucket.org/site/oauth2/access_token"


class BitbucketStatusPush(PushReporter):
    """Shows each build as a status of its commit.

    :param oauth_key: the key of an OAuth consumer that may write to repositories; may be a secret
    :param oauth_secret: the consumer's secret; may be a secret
    :param auth: instead of these a pair (user, app password); may be a secret
    :param base_url: the address of the API of repositories
    :param oauth_url: where tokens are given
    :param debug: whether requests are logged
    :param verify: False to believe any certificate
    :param status_key: what tells statuses of one commit apart; renderable, by default the builder.  Its hash is sent,
        for Bitbucket takes 40 characters
    :param status_name: the status' name; renderable, by default the builder
    :param generators: report generators; the subject is the status' description.  By default a build is reported when
        it starts and when it has finished, without a description
    """

    name: Any = "BitbucketStatusPush"
    secrets: Sequence[str] = ["oauth_key", "oauth_secret", "auth"]

    def checkConfig(  # type: ignore[override]
        self,
        oauth_key: Any = None,
        oauth_secret: Any = None,
        auth: Any = None,
        base_url: str = BASE_URL,
        oauth_url: str = OAUTH_URL,
        debug: bool | None = None,
        verify: Any = None,
        status_key: Any = None,
        status_name: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Check the arguments and report mistakes."""
        kind = type(self).__name__
        self._check_address("base_url", base_url)
        self._check_address("oauth_url", oauth_url)
        if auth is not None and (oauth_key is not None or oauth_secret is not None):
            error(f"{kind}: give either oauth_key and oauth_secret, or auth")
        if auth is None and (oauth_key is None or oauth_secret is None):
            error(f"{kind}: oauth_key and oauth_secret are needed, or auth")
        super().checkConfig(generators=generators, **kwargs)

    @deferred
    async def reconfigService(  # type: ignore[override]
        self,
        oauth_key: Any = None,
        oauth_secret: Any = None,
        auth: Any = None,
        base_url: str = BASE_URL,
        oauth_url: str = OAUTH_URL,
        debug: bool | None = None,
        verify: Any = None,
        status_key: Any = None,
        status_name: Any = None,
        generators: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take these arguments over."""
        await super().reconfigService(generators=generators, **kwargs)
        self.status_key = status_key or Interpolate("%(prop:buildername)s")
        self.status_name = status_name or Interpolate("%(prop:buildername)s")
        self.oauth_url = oauth_url
        key, secret, auth = await maybe(self.renderSecrets, oauth_key, oauth_secret, auth)
        self._consumer = None if auth is not None else (key, secret)
        self._token: str | None = None
        await self._open(base_url, None if auth is None else tuple(auth), None, debug, verify)

    def _create_default_generators(self) -> list[Any]:
        plain = MessageFormatterRenderable(Interpolate(""), subject=Interpolate(""))
        return [BuildStartEndStatusGenerator(start_formatter=plain, end_formatter=plain)]

    @deferred
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Push the first report's status, for each source of its build."""
        report, build = first_build(reports)
        props = self._properties(build)
        state = BITBUCKET_INPROGRESS
        if build["complete"]:
            state = BITBUCKET_SUCCESSFUL if build["results"] == SUCCESS else BITBUCKET_FAILED
        key = await rendered_text(props, self.status_key) or ""
        body = {
            "state": state,
            "key": hashlib.sha1(key.encode()).hexdigest(),
            "name": await rendered_text(props, self.status_name),
            "description": report["subject"] or "",
            "url": build["url"],
        }
        for stamp, sha in sources_of(build):
            owner, repo = self.get_owner_and_repo(stamp["repository"])
            if owner is None:
                log.info("reporter {name!r}: {stamp} is not at Bitbucket", name=self.name, stamp=stamp["repository"])
                continue
            await self._push(f"/{owner}/{repo}/commit/{sha}/statuses/build", body)

    async def _push(self, path: str, body: dict[str, Any]) -> None:
        for first_time in (True, False):
            headers = await self._authorization()
            response = await self._post(path, body, headers=headers)
            if response.code != 401 or not first_time or headers is None:
                break
            self._token = None  # it has expired
        await self._taken(response, f"{body['state']} for {path}")

    async def _authorization(self) -> dict[str, str] | None:
        if self._consumer is None:
            return None
        if self._token is None:
            response = await self._http.post(
                self.oauth_url, auth=self._consumer, data={"grant_type": "client_credentials"}, timeout=REQUEST_SECONDS
            )
            if not await self._taken(response, "asking for a token"):
                raise RuntimeError(f"{self.oauth_url} gives no token; check oauth_key and oauth_secret")
            self._token = (await response.json())["access_token"]
        return {"Authorization": f"Bearer {self._token}"}

    def get_owner_and_repo(self, repourl: str) -> tuple[str | None, str | None]:
        """Owner and name of a repository, or two Nones."""
        parsed = giturlparse(repourl or "")
        if parsed is None:
            return None, None
        return parsed.owner.rpartition("/")[2], parsed.repo
