"""Accounts of GitHub as logins, by its REST interface (version 3) or GraphQL (version 4).

Sources: "Authorizing OAuth apps", https://docs.github.com/apps/oauth-apps; "GitHub REST API" (endpoints *users*,
*emails*, *organizations*, *teams*), https://docs.github.com/rest; "GraphQL API", https://docs.github.com/graphql.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.logger import Logger

from buildmaster.base.errors import error
from buildmaster.www.oauth_base import MOST_PAGES, PER_PAGE, TIMEOUT_SECONDS, OAuth2Auth, pages

log = Logger()

ORGANIZATIONS = """
query($after: String, $login: String!, $teams: Boolean!) {
  viewer {
    organizations(first: 100, after: $after) {
      nodes { login teams(first: 100, userLogins: [$login]) @include(if: $teams) { nodes { name slug } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


class GitHubAuth(OAuth2Auth):
    """An account of GitHub, or of the GitHub Enterprise server at ``serverURL``.

    ``apiVersion`` is 3 (REST) or 4 (GraphQL).  The user's groups are the names of his organizations, with
    ``getTeamsMembership=True`` also ``organization/team`` for each team he is in, by its name and by its short name.
    His mail address is the one that he calls primary, if GitHub has verified it.  ``debug=True`` logs what is asked and
    answered in GraphQL.
    """

    name = "GitHub"
    faIcon = "fa-github"
    authUriAdditionalParams = {"scope": "user:email read:org"}

    def __init__(
        self,
        clientId: Any,
        clientSecret: Any,
        serverURL: str | None = None,
        autologin: bool = False,
        apiVersion: int = 3,
        getTeamsMembership: bool = False,
        debug: bool = False,
        **kwargs: Any,
    ) -> None:
        server = (serverURL or "https://github.com").rstrip("/")
        self.authUri = f"{server}/login/oauth/authorize"
        self.tokenUri = f"{server}/login/oauth/access_token"
        self.resourceEndpoint = f"{server}/api/v3" if serverURL else "https://api.github.com"
        self.graphQLEndpoint = f"{server}/api/graphql" if serverURL else "https://api.github.com/graphql"
        if apiVersion not in (3, 4):
            error(f"GitHubAuth: apiVersion={apiVersion!r} must be 3 (REST) or 4 (GraphQL)")
        self.apiVersion = apiVersion
        self.getTeamsMembership = getTeamsMembership
        self.debug = debug
        super().__init__(clientId, clientSecret, autologin, **kwargs)

    def getUserInfoFromOAuthClient(self, c: Any) -> Any:
        user = self.get(c, "/user")
        emails = pages(lambda page: self.get(c, f"/user/emails?per_page={PER_PAGE}&page={page}"))
        groups = self._groups_by_graphql(c, user["login"]) if self.apiVersion == 4 else self._groups_by_rest(c)
        return {
            "full_name": user.get("name") or user["login"],
            "username": user["login"],
            "email": next((one["email"] for one in emails if one["primary"] and one["verified"]), None),
            "groups": list(dict.fromkeys(groups)),
        }

    def _groups_by_rest(self, c: Any) -> Iterator[str]:
        for org in pages(lambda page: self.get(c, f"/user/orgs?per_page={PER_PAGE}&page={page}")):
            yield org["login"]
        if self.getTeamsMembership:
            for team in pages(lambda page: self.get(c, f"/user/teams?per_page={PER_PAGE}&page={page}")):
                yield from names(team["organization"]["login"], team)

    def _groups_by_graphql(self, c: Any, login: str) -> Iterator[str]:
        after = None
        for _ in range(MOST_PAGES):
            asked = {"after": after, "login": login, "teams": self.getTeamsMembership}
            found = self._query(c, asked)["viewer"]["organizations"]
            for org in found["nodes"]:
                yield org["login"]
                for team in org.get("teams", {}).get("nodes", ()):
                    yield from names(org["login"], team)
            if not found["pageInfo"]["hasNextPage"]:
                return
            after = found["pageInfo"]["endCursor"]

    def _query(self, c: Any, variables: dict[str, Any]) -> dict[str, Any]:
        asked = {"query": ORGANIZATIONS, "variables": variables}
        answer = c.post(self.graphQLEndpoint, json=asked, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        told = answer.json()
        if self.debug:
            log.info("GitHub was asked {variables} and answered {told}", variables=variables, told=told)
        if told.get("errors"):
            raise ValueError(f"GitHub answers a query with {told['errors']}")
        data: dict[str, Any] = told["data"]
        return data


def names(organization: str, team: dict[str, Any]) -> list[str]:
    """The groups that a team stands for."""
    return [f"{organization}/{team['name']}", f"{organization}/{team['slug']}"]
