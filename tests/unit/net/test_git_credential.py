"""User names and passwords for git."""

from __future__ import annotations

import pytest

from buildmaster.net import git_credential as gc
from buildmaster.properties import Properties, Property
from buildmaster.testing.sync import result_of


def test_credentials_render_to_the_format_of_git_credential():
    props = Properties(pw="s=cret")
    renderer = gc.GitCredentialInputRenderer(username="me", password=Property("pw"), url="https://host/x.git")
    text = result_of(props.render(renderer))
    assert text == "url=https://host/x.git\nusername=me\npassword=s=cret\n\n"


def test_a_store_names_the_host_alone_unless_paths_count():
    text = "url=https://host:8443/a/b.git\nusername=m@e\npassword=p/w:\n\n"
    assert gc.store_file([text], None) == "https://m%40e:p%2Fw%3A@host:8443\n"
    assert gc.store_file([text], True) == "https://m%40e:p%2Fw%3A@host:8443/a/b.git\n"


def test_a_credential_without_password_is_refused():
    with pytest.raises(ValueError, match="lacks password"):
        gc.store_line("url=https://host/x\nusername=me\n")


def test_a_pair_is_for_the_repository_alone_and_comes_first():
    other = gc.GitCredentialOptions(["url=https://b\nusername=u\npassword=p\n"], True)
    options = gc.options_for(("me", "pw"), other, "https://a/x")
    assert options.use_http_path is True
    own, second = options.credentials
    assert (own, second) == (
        gc.GitCredentialInputRenderer(url="https://a/x", username="me", password="pw"),
        other.credentials[0],
    )
    assert gc.options_for(None, None, "x") is None
