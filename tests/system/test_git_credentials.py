"""User name and password reach a real git server over HTTP, from the poller and from the step, and stay secret."""

from __future__ import annotations

import os

import pytest
from twisted.web import resource, server, static

from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.net.git_credential import GitCredentialInputRenderer, GitCredentialOptions, options_for
from buildmaster.net.git_mirror import Auth, GitError, Mirror
from buildmaster.properties import Property
from buildmaster.steps.master import SetProperty
from buildmaster.steps.source.git import Git
from tests.support.farm import Farm
from tests.support.git_repo import GitRepo
from tests.support.real_reactor import reactor, run

pytestmark = pytest.mark.needs("git")

PASSWORD = "s3c/ret:@ word"


class Guarded(resource.Resource):
    """Serves files to those who know the password."""

    def __init__(self, path):
        super().__init__()
        self.files = static.File(path)

    def getChildWithDefault(self, path, request):
        if (request.getUser(), request.getPassword()) == (b"me", PASSWORD.encode()):
            return self.files.getChildWithDefault(path, request)
        request.setHeader("WWW-Authenticate", 'Basic realm="git"')
        request.setResponseCode(401)
        denied = resource.Resource()
        denied.isLeaf = True
        denied.render = lambda request: b"no"
        return denied


@pytest.fixture
def repo(tmp_path):
    made = GitRepo(tmp_path / "repo")
    made.commit("one")
    made.git("update-server-info")
    return made


@pytest.fixture
def url(repo):
    port = reactor.listenTCP(0, server.Site(Guarded(str(repo.path))), interface="127.0.0.1")
    yield f"http://127.0.0.1:{port.getHost().port}/.git"
    run(port.stopListening())


def auth(url, password=PASSWORD, use_http_path=None):
    text = f"url={url}\nusername=me\npassword={password}\n\n"
    return Auth(credentials=GitCredentialOptions([text], use_http_path))


@pytest.mark.parametrize("use_http_path", [None, True])
def test_a_mirror_gets_in_with_the_password(tmp_path, repo, url, use_http_path):
    mirror = Mirror(reactor, url, str(tmp_path / "mirror"))
    run(mirror.prepare())
    with mirror.authenticated(auth(url, use_http_path=use_http_path)):
        remote = run(mirror.remote_refs(["HEAD", "refs/heads/*"]))
        run(mirror.fetch({"refs/heads/main": repo.head()}))
    assert remote.objects["refs/heads/main"] == repo.head()
    assert PASSWORD not in "".join(p.read_text("latin-1") for p in (tmp_path / "mirror").rglob("*") if p.is_file())


def test_a_wrong_password_is_an_error_and_no_question(tmp_path, url):
    mirror = Mirror(reactor, url, str(tmp_path / "mirror"))
    run(mirror.prepare())
    refused = pytest.raises(GitError, match=r"could not read|Authentication failed")
    with mirror.authenticated(auth(url, "wrong")), refused:
        run(mirror.remote_refs())


@pytest.mark.needs("buildbot-worker")
def test_the_step_gets_in_with_the_password(tmp_path_factory, repo, url):
    farm = Farm(tmp_path_factory.mktemp("farm"))
    secret = SetProperty(property="pw", value=PASSWORD)
    with farm.live:
        build = farm.build(secret, Git(repourl=url, auth_credentials=("me", Property("pw"))))
        assert (build["results"], build["properties"]["got_revision"]) == (SUCCESS, repo.head())
        assert PASSWORD not in farm.log(build)
        assert sorted(os.listdir(farm.tree.parent)) == ["build"]
        other = GitCredentialOptions([GitCredentialInputRenderer(url=url, username="me", password="wrong")])
        farm.directory = "other"
        assert farm.build(secret, Git(repourl=url, git_credentials=other))["results"] == FAILURE


def test_both_ways_to_give_credentials_mean_the_same():
    assert options_for(("me", "pw"), None, "u").credentials[0] == GitCredentialInputRenderer(
        url="u", username="me", password="pw"
    )
