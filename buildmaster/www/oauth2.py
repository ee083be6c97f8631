"""Accounts of public services as logins; the documented address of all OAuth 2.0 authentications."""

from __future__ import annotations

from typing import Any

from buildmaster.www.oauth_base import PER_PAGE, OAuth2Auth, pages
from buildmaster.www.oauth_github import GitHubAuth


class GoogleAuth(OAuth2Auth):
    """A Google account.  Only an address that Google has verified counts.

    Source: "OpenID Connect", https://developers.google.com/identity/openid-connect/openid-connect
    """

    name = "Google"
    faIcon = "fa-google-plus"
    resourceEndpoint = "https://openidconnect.googleapis.com/v1"
    authUri = "https://accounts.google.com/o/oauth2/v2/auth"
    tokenUri = "https://oauth2.googleapis.com/token"
    authUriAdditionalParams = {"scope": "openid email profile"}

    def getUserInfoFromOAuthClient(self, c: Any) -> Any:
        told = self.get(c, "/userinfo")
        email = told.get("email") if told.get("email_verified") else None
        if not email:
            raise ValueError("Google has verified no mail address of this account")
        return {
            "full_name": told.get("name") or email,
            "username": email.split("@")[0],
            "email": email,
            "avatar_url": told.get("picture"),
        }


class GitLabAuth(OAuth2Auth):
    """An account of the GitLab at ``instanceUri``.  Groups go by their full path and are those the user is a member of.

    Source: "GitLab as an OAuth 2.0 provider", https://docs.gitlab.com/api/oauth2/
    """

    name = "GitLab"
    faIcon = "fa-git"

    def __init__(self, instanceUri: str, clientId: Any, clientSecret: Any, **kwargs: Any) -> None:
        uri = instanceUri.rstrip("/")
        self.authUri = f"{uri}/oauth/authorize"
        self.tokenUri = f"{uri}/oauth/token"
        self.resourceEndpoint = f"{uri}/api/v4"
        super().__init__(clientId, clientSecret, **kwargs)

    def getUserInfoFromOAuthClient(self, c: Any) -> Any:
        user = self.get(c, "/user")
        groups = pages(lambda page: self.get(c, f"/groups?min_access_level=10&per_page={PER_PAGE}&page={page}"))
        return {
            "full_name": user["name"],
            "username": user["username"],
            "email": user.get("email") if user.get("confirmed_at") else None,
            "avatar_url": user.get("avatar_url"),
            "groups": [group["full_path"] for group in groups],
        }


class BitbucketAuth(OAuth2Auth):
    """An account of Bitbucket Cloud; groups are the workspaces.

    Source: "Bitbucket Cloud REST API", https://developer.atlassian.com/cloud/bitbucket/rest/
    """

    name = "Bitbucket"
    faIcon = "fa-bitbucket"
    authUri = "https://bitbucket.org/site/oauth2/authorize"
    tokenUri = "https://bitbucket.org/site/oauth2/access_token"
    resourceEndpoint = "https://api.bitbucket.org/2.0"
    getTokenUseAuthHeaders = True

    def getUserInfoFromOAuthClient(self, c: Any) -> Any:
        user = self.get(c, "/user")
        emails = self.get(c, "/user/emails")["values"]
        spaces = pages(lambda page: self.get(c, f"/workspaces?pagelen={PER_PAGE}&page={page}")["values"])
        return {
            "full_name": user["display_name"],
            "username": user.get("username") or user["nickname"],
            "email": next((one["email"] for one in emails if one["is_primary"] and one["is_confirmed"]), None),
            "groups": [space["slug"] for space in spaces],
        }


__all__ = ["BitbucketAuth", "GitHubAuth", "GitLabAuth", "GoogleAuth", "OAuth2Auth"]
