"""Secrets in Vault, asked for over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet import defer

from buildmaster.base.aio import as_deferred
from buildmaster.base.errors import ConfigErrors
from buildmaster.secrets.providers.base import SecretUnavailable
from buildmaster.secrets.providers.vault_hvac import (
    HashiCorpVaultKvSecretProvider,
    VaultAuthenticator,
    VaultAuthenticatorApprole,
    VaultAuthenticatorToken,
    split_key,
)
from buildmaster.service import MasterService
from tests.support.real_reactor import reactor, run
from tests.support.vault import ROLE, SECRET_ID, Vault

APPROLE = VaultAuthenticatorApprole(ROLE, SECRET_ID)


@pytest.fixture
def vault() -> Iterator[Vault]:
    with Vault() as made:
        made.tokens.add("hvs.fixed")
        made.kv[2]["secret"] = {
            "ci/db": {"user": "bob", "password": "hunter2"},
            "ci/old": "deleted",
            "a|b": {"c|d": "e"},
        }
        made.kv[2]["team/kv"] = {"ci/db": {"password": "other"}}
        made.kv[1]["kv1"] = {"ci/db": {"password": "of version 1", "data": {"password": "nested"}}}
        yield made


@pytest.fixture
def start() -> Iterator:
    """Makes a live provider."""
    master = MasterService()
    master.reactor = reactor
    run(master.startService())

    def made(vault, authenticator=APPROLE, **kwargs):
        provider = HashiCorpVaultKvSecretProvider(vault_server=vault.address, authenticator=authenticator, **kwargs)
        run(provider.setServiceParent(master))
        return provider

    yield made
    run(master.stopService())


def test_a_secret_is_a_key_of_a_path(start, vault):
    provider = start(vault)
    assert run(provider.get("ci/db|password")) == "hunter2"
    assert run(provider.get("ci/db|user")) == "bob"
    assert vault.requests == ["POST /v1/auth/approle/login", *["GET /v1/secret/data/ci/db"] * 2]


def test_what_is_not_there_is_none(start, vault):
    provider = start(vault)
    assert [run(provider.get(key)) for key in ("ci/db|none", "ci/none|x", "ci/old|x")] == [None, None, None]


def test_a_name_without_a_path_is_left_to_other_providers(start, vault):
    provider = start(vault)
    assert [run(provider.get(key)) for key in ("password", "a|b|c")] == [None, None]
    assert vault.requests == []


def test_bars_in_names_are_escaped(start, vault):
    assert run(start(vault).get("a\\|b|c\\|d")) == "e"
    assert run(start(vault, path_delimiter=":", path_escape="!", name="other").get("a|b:c|d")) == "e"


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a|b", ["a", "b"]), ("a\\|b|c", ["a|b", "c"]), ("a\\\\|b", ["a\\", "b"]), ("a\\b", ["a\\b"]), ("|", ["", ""])],
)
def test_how_a_name_is_cut(text, parts):
    assert split_key(text, "|", "\\") == parts


def test_engines_of_both_versions_lie_where_they_are_mounted(start, vault):
    assert run(start(vault, secrets_mount="team/kv").get("ci/db|password")) == "other"
    first = start(vault, secrets_mount="/kv1/", api_version=1, name="first")
    assert run(first.get("ci/db|password")) == "of version 1"


def test_a_token_needs_no_login(start, vault):
    provider = start(vault, VaultAuthenticatorToken("hvs.fixed\n"))
    assert run(provider.get("ci/db|password")) == "hunter2"
    assert vault.requests == ["GET /v1/secret/data/ci/db"]


def test_a_token_that_has_expired_is_replaced_by_a_new_login(start, vault):
    provider = start(vault)
    assert run(provider.get("ci/db|password")) == "hunter2"
    vault.tokens.clear()
    assert run(provider.get("ci/db|password")) == "hunter2"
    login, read = "POST /v1/auth/approle/login", "GET /v1/secret/data/ci/db"
    assert vault.requests == [login, read, read, login, read]


def test_many_who_ask_at_once_log_in_once(start, vault):
    provider = start(vault)
    for _ in range(2):
        asking = defer.gatherResults([as_deferred(provider.get("ci/db|password")) for _ in range(5)])
        assert run(asking) == ["hunter2"] * 5
        vault.tokens.clear()
    assert vault.requests.count("POST /v1/auth/approle/login") == 2


def test_a_policy_that_forbids_is_told_after_one_more_login(start, vault):
    vault.forbidden.add("/v1/secret/data/ci/db")
    provider = start(vault)
    with pytest.raises(SecretUnavailable, match=r"answers 403 to /v1/secret/data/ci/db: 1 error .* permission denied"):
        run(provider.get("ci/db|password"))
    assert vault.requests.count("POST /v1/auth/approle/login") == 2


def test_a_fixed_token_that_is_refused_is_not_tried_again(start, vault):
    provider = start(vault, VaultAuthenticatorToken("hvs.expired"))
    with pytest.raises(SecretUnavailable, match="answers 403"):
        run(provider.get("ci/db|password"))
    assert vault.requests == ["GET /v1/secret/data/ci/db"]


def test_a_login_that_is_refused_is_told_without_its_secret(start, vault):
    provider = start(vault, VaultAuthenticatorApprole(ROLE, "wrong-secret"))
    with pytest.raises(SecretUnavailable, match="400 to /v1/auth/approle/login: invalid role or secret ID") as info:
        run(provider.get("ci/db|password"))
    assert "wrong-secret" not in str(info.value)


def test_a_sealed_vault_and_none_at_all_are_told(start, vault):
    provider = start(vault)
    vault.sealed = True
    with pytest.raises(SecretUnavailable, match=r"503 .*: Vault is sealed"):
        run(provider.get("ci/db|password"))
    with Vault() as gone:
        pass
    with pytest.raises(SecretUnavailable, match="does not answer: Connection was refused"):
        run(start(gone, name="other").get("ci/db|password"))


class Mine(VaultAuthenticator):
    """Asks somebody else for a token."""

    async def authenticate(self, client):
        client.token = "hvs.fixed"


def test_an_authenticator_may_be_of_ones_own(start, vault):
    assert run(start(vault, Mine()).get("ci/db|password")) == "hunter2"


def test_the_server_may_be_named_by_the_environment(start, vault, monkeypatch):
    monkeypatch.setenv("VAULT_ADDR", vault.address)
    provider = HashiCorpVaultKvSecretProvider(authenticator=APPROLE)
    assert provider.name == "HashiCorpVaultKvSecretProvider"


GOOD = {"vault_server": "http://h:8200", "authenticator": APPROLE}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"vault_server": None}, "vault_server must be an address like https://vault.example.com:8200, not None"),
        ({"vault_server": "h:8200"}, "vault_server must be an address"),
        ({"authenticator": "token"}, "authenticator must be a VaultAuthenticatorToken or .*Approle, not of str"),
        ({"secrets_mount": 1}, "secrets_mount must be the path of a KV engine, not 1"),
        ({"api_version": 3}, "api_version must be 1 or 2, not 3"),
        ({"path_delimiter": "::"}, "path_delimiter must be a single character, not '::'"),
        ({"path_escape": ""}, "path_escape must be a single character, not ''"),
        ({"path_escape": "|"}, "path_delimiter and path_escape must differ, both are '|'"),
    ],
)
def test_mistakes_are_told(arguments, words, monkeypatch):
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    with pytest.raises(ConfigErrors, match=words):
        HashiCorpVaultKvSecretProvider(**{**GOOD, **arguments})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: VaultAuthenticatorToken(""), "token must be a Vault token"),
        (lambda: VaultAuthenticatorToken(None), "token must be a Vault token"),
        (lambda: VaultAuthenticatorApprole("", "x"), "roleId must be a text that is not empty"),
        (lambda: VaultAuthenticatorApprole("x", None), "secretId must be a text that is not empty"),
    ],
)
def test_mistakes_of_authenticators_are_told(make, words):
    with pytest.raises(ConfigErrors, match=words):
        make()
