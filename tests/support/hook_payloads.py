"""What hosting services post to web hooks: payloads of invented repositories, in the form that the services document.

Sources of the forms: GitHub "Webhook events and payloads"; GitLab "Webhook events"; Bitbucket Cloud "Event payloads";
Bitbucket Data Center "Event payload" and the documentation of the plug-in "Post Webhooks for Bitbucket"; Bitbucket
"POST hook management" (the old service hook); Gitorious "Web hooks".
"""

from __future__ import annotations

import copy
from typing import Any

ZERO = "0" * 40
BEFORE = "9f3c1d6a20b54e7788aa0cc1d2e3f40516273849"
FIRST = "1c4be5d4cb0e5b8d6b1b2e6f9c1c0b3f2a7d8e91"
SECOND = "6d7e0fa1b2c3948576a1b2c3d4e5f60718293a4b"
BASE = "77aa0cc1d2e3f405162738499f3c1d6a20b54e77"

Payload = dict[str, Any]


def person(name: str = "Ada Byron", email: str = "ada@example.org") -> Payload:
    return {"name": name, "email": email, "username": name.split()[0].lower()}


# -- GitHub


def github_repository() -> Payload:
    return {
        "id": 35129377,
        "name": "engine",
        "full_name": "analytical/engine",
        "private": False,
        "owner": {"login": "analytical", "id": 6752317, "type": "Organization"},
        "html_url": "https://github.com/analytical/engine",
        "url": "https://github.com/analytical/engine",
        "ssh_url": "git@github.com:analytical/engine.git",
        "clone_url": "https://github.com/analytical/engine.git",
        "git_url": "git://github.com/analytical/engine.git",
        "svn_url": "https://github.com/analytical/engine",
        "default_branch": "main",
    }


def github_commit(sha: str, message: str = "Carry the two", **changed: list[str]) -> Payload:
    files = changed or {"modified": ["mill/carry.c"]}
    return {
        "id": sha,
        "tree_id": BASE,
        "distinct": True,
        "message": message,
        "timestamp": "2015-05-05T19:40:15-04:00",
        "url": f"https://github.com/analytical/engine/commit/{sha}",
        "author": person(),
        "committer": person("Charles Babbage", "charles@example.org"),
        "added": files.get("added", []),
        "removed": files.get("removed", []),
        "modified": files.get("modified", []),
    }


def github_push(ref: str = "refs/heads/main", **over: Any) -> Payload:
    commits = [
        github_commit(FIRST, "Cards\n\nfor the loom", added=["loom.c"], removed=["old.c"]),
        github_commit(SECOND),
    ]
    payload = {
        "ref": ref,
        "before": BEFORE,
        "after": SECOND,
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": "https://github.com/analytical/engine/compare/9f3c1d6...6d7e0fa",
        "commits": commits,
        "head_commit": commits[-1],
        "repository": github_repository(),
        "pusher": {"name": "ada", "email": "ada@example.org"},
        "sender": {"login": "ada", "id": 6752317, "type": "User"},
    }
    return {**payload, **over}


def github_tag(**over: Any) -> Payload:
    return github_push(
        "refs/tags/v1.0",
        **{"before": ZERO, "created": True, "base_ref": "refs/heads/main", "commits": [], **over},
    )


def github_deleted(**over: Any) -> Payload:
    return github_push(**{"after": ZERO, "deleted": True, "commits": [], "head_commit": None, **over})


def github_pull_request(action: str = "opened", **over: Any) -> Payload:
    repository = github_repository()
    fork = {**repository, "full_name": "ada/engine", "html_url": "https://github.com/ada/engine"}
    payload = {
        "action": action,
        "number": 50,
        "pull_request": {
            "id": 34778301,
            "number": 50,
            "url": "https://api.github.com/repos/analytical/engine/pulls/50",
            "html_url": "https://github.com/analytical/engine/pull/50",
            "state": "open",
            "title": "Count backwards",
            "body": "Needed for\nlaunches",
            "user": {"login": "ada", "id": 6752317, "type": "User"},
            "created_at": "2015-05-05T23:40:27Z",
            "updated_at": "2015-05-05T23:40:28Z",
            "merged": False,
            "mergeable": None,
            "commits": 1,
            "commits_url": "https://api.github.com/repos/analytical/engine/pulls/50/commits",
            "labels": [{"name": "bug", "color": "fc2929"}, {"name": "ci", "color": "00ff00"}],
            "_links": {
                "self": {"href": "https://api.github.com/repos/analytical/engine/pulls/50"},
                "html": {"href": "https://github.com/analytical/engine/pull/50"},
                "commits": {"href": "https://api.github.com/repos/analytical/engine/pulls/50/commits"},
            },
            "head": {"label": "ada:backwards", "ref": "backwards", "sha": FIRST, "repo": fork},
            "base": {"label": "analytical:main", "ref": "main", "sha": BASE, "repo": repository},
        },
        "repository": repository,
        "sender": {"login": "ada", "id": 6752317, "type": "User"},
    }
    return {**payload, **over}


def github_ping() -> Payload:
    return {"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {"type": "Repository", "events": ["push"]}}


#: what the API answers for /repos/analytical/engine/commits/FIRST and /repos/analytical/engine/pulls/50/files
GITHUB_COMMIT = {"sha": FIRST, "commit": {"message": "Count backwards\n\nfrom ten", "author": person()}}
GITHUB_FILES = [
    {"sha": BASE, "filename": "mill/down.c", "status": "added"},
    {"sha": BASE, "filename": "mill/new.c", "previous_filename": "mill/up.c", "status": "renamed"},
]

# -- GitLab


def gitlab_project() -> Payload:
    return {
        "id": 15,
        "name": "Diaspora",
        "description": "",
        "web_url": "http://gitlab.example.org/mike/diaspora",
        "git_ssh_url": "git@gitlab.example.org:mike/diaspora.git",
        "git_http_url": "http://gitlab.example.org/mike/diaspora.git",
        "namespace": "Mike",
        "path_with_namespace": "mike/diaspora",
        "default_branch": "master",
    }


def gitlab_commit(sha: str, message: str) -> Payload:
    return {
        "id": sha,
        "message": message,
        "title": message.splitlines()[0],
        "timestamp": "2011-12-12T14:27:31+02:00",
        "url": f"http://gitlab.example.org/mike/diaspora/commit/{sha}",
        "author": {"name": "Jordi Mallach", "email": "jordi@example.org"},
        "added": ["CHANGELOG"],
        "modified": ["app/controller/application.rb"],
        "removed": [],
    }


def gitlab_push(ref: str = "refs/heads/master", **over: Any) -> Payload:
    payload = {
        "object_kind": "push",
        "event_name": "push",
        "before": BEFORE,
        "after": SECOND,
        "ref": ref,
        "checkout_sha": SECOND,
        "user_id": 4,
        "user_name": "John Smith",
        "user_username": "jsmith",
        "user_email": "john@example.org",
        "project_id": 15,
        "project": gitlab_project(),
        "repository": {
            "name": "Diaspora",
            "url": "git@gitlab.example.org:mike/diaspora.git",
            "description": "",
            "homepage": "http://gitlab.example.org/mike/diaspora",
            "git_http_url": "http://gitlab.example.org/mike/diaspora.git",
            "git_ssh_url": "git@gitlab.example.org:mike/diaspora.git",
            "visibility_level": 0,
        },
        "commits": [gitlab_commit(FIRST, "Update Catalan\n\nSee the list"), gitlab_commit(SECOND, "fixed readme")],
        "total_commits_count": 2,
    }
    return {**payload, **over}


def gitlab_tag(**over: Any) -> Payload:
    return gitlab_push(
        "refs/tags/v1.0.0", **{"object_kind": "tag_push", "event_name": "tag_push", "before": ZERO, **over}
    )


def gitlab_deleted() -> Payload:
    return gitlab_push(after=ZERO, checkout_sha=None, commits=[], total_commits_count=0)


def gitlab_merge_request(action: str = "open", fork: bool = False, **attributes: Any) -> Payload:
    target = gitlab_project()
    source = copy.deepcopy(target)
    if fork:
        source.update(
            git_ssh_url="git@gitlab.example.org:jsmith/diaspora.git",
            git_http_url="http://gitlab.example.org/jsmith/diaspora.git",
            path_with_namespace="jsmith/diaspora",
            web_url="http://gitlab.example.org/jsmith/diaspora",
        )
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": 1, "name": "John Smith", "username": "jsmith", "email": "john@example.org"},
        "project": target,
        "repository": {
            "name": "Diaspora",
            "url": "git@gitlab.example.org:mike/diaspora.git",
            "description": "",
            "homepage": "http://gitlab.example.org/mike/diaspora",
        },
        "object_attributes": {
            "id": 99,
            "iid": 7,
            "target_branch": "master",
            "source_branch": "ms-viewport",
            "source_project_id": 14 if fork else 15,
            "target_project_id": 15,
            "author_id": 51,
            "title": "MS-Viewport",
            "description": "Much wider",
            "created_at": "2013-12-03T17:23:34Z",
            "updated_at": "2013-12-03T17:23:35Z",
            "state": "opened",
            "merge_status": "unchecked",
            "url": "http://gitlab.example.org/mike/diaspora/merge_requests/7",
            "source": source,
            "target": target,
            "last_commit": gitlab_commit(FIRST, "fixed readme\n\nand more"),
            "action": action,
            **attributes,
        },
    }


def gitlab_note(**attributes: Any) -> Payload:
    """A comment on a merge request."""
    request = gitlab_merge_request()
    return {
        **request,
        "object_kind": "note",
        "event_type": "note",
        "object_attributes": {
            "id": 1244,
            "note": "This MR needs work.",
            "noteable_type": "MergeRequest",
            "author_id": 1,
            "created_at": "2015-05-17T18:21:36Z",
            "updated_at": "2015-05-17T18:21:36Z",
            "project_id": 15,
            "url": "http://gitlab.example.org/mike/diaspora/merge_requests/7#note_1244",
            **attributes,
        },
        "merge_request": request["object_attributes"],
    }


# -- Bitbucket Cloud, and Bitbucket Server with its plug-in "Post Webhooks"


def bitbucket_repository(cloud: bool) -> Payload:
    if cloud:
        return {
            "type": "repository",
            "name": "CI repo",
            "full_name": "CI/py-repo",
            "uuid": "{a1b2}",
            "scm": "git",
            "is_private": True,
            "links": {
                "self": {"href": "https://api.bitbucket.org/2.0/repositories/CI/py-repo"},
                "html": {"href": "https://bitbucket.org/CI/py-repo"},
            },
            "project": {"type": "project", "key": "CI", "name": "Continuous Integration"},
            "owner": {"display_name": "CI", "type": "team"},
        }
    return {
        "scmId": "git",
        "project": {"key": "CI", "name": "Continuous Integration"},
        "slug": "py-repo",
        "links": {"self": [{"href": "http://bitbucket.example.org/projects/CI/repos/py-repo/browse"}]},
        "public": False,
        "ownerName": "CI",
        "fullName": "CI/py-repo",
        "owner": {"username": "CI", "displayName": "CI"},
    }


def bitbucket_actor(cloud: bool) -> Payload:
    if cloud:
        return {"type": "user", "nickname": "john", "display_name": "John Smith", "uuid": "{c3}", "username": "john"}
    return {"username": "John", "displayName": "John Smith"}


def bitbucket_ref(kind: str, name: str, sha: str) -> Payload:
    return {"type": kind, "name": name, "target": {"type": "commit", "hash": sha}}


def bitbucket_push(cloud: bool = True, changes: list[Payload] | None = None) -> Payload:
    if changes is None:
        changes = [bitbucket_moved()]
    return {
        "actor": bitbucket_actor(cloud),
        "repository": bitbucket_repository(cloud),
        "push": {"changes": changes},
    }


def bitbucket_moved(kind: str = "branch", name: str = "main") -> Payload:
    return {
        "created": False,
        "closed": False,
        "old": bitbucket_ref(kind, name, BEFORE),
        "new": bitbucket_ref(kind, name, SECOND),
    }


def bitbucket_created(kind: str = "branch", name: str = "branch_1496758965") -> Payload:
    return {"created": True, "closed": False, "old": None, "new": bitbucket_ref(kind, name, SECOND)}


def bitbucket_closed(kind: str = "branch", name: str = "gone") -> Payload:
    return {"created": False, "closed": True, "old": bitbucket_ref(kind, name, BEFORE), "new": None}


def bitbucket_pull_request(cloud: bool = True) -> Payload:
    repository = bitbucket_repository(cloud)
    link = (
        "https://bitbucket.org/CI/py-repo/pull-requests/21"
        if cloud
        else "http://bitbucket.example.org/projects/CI/repos/py-repo/pull-requests/21"
    )
    links = {"html": {"href": link}, "self": {"href": link}} if cloud else {"self": [{"href": link}]}

    def side(branch: str, sha: str) -> Payload:
        end: Payload = {"branch": {"name": branch}, "commit": {"hash": sha}, "repository": repository}
        if not cloud:
            end["branch"]["rawNode"] = sha
            end["commit"]["message"] = None
        return end

    return {
        "actor": bitbucket_actor(cloud),
        "repository": repository,
        "pullrequest": {
            "id": 21,
            "title": "dot 1496311906",
            "description": "a dot",
            "state": "OPEN",
            "link": link,
            "links": links,
            "authorLogin": "John Smith",
            "fromRef": side("branch_1496411680", FIRST),
            "toRef": side("main", BASE),
            "source": side("branch_1496411680", FIRST),
            "destination": side("main", BASE),
        },
    }


# -- Bitbucket Server's own web hooks


def native_ref(name: str, sha: str) -> Payload:
    return {
        "id": f"refs/heads/{name}",
        "displayId": name,
        "latestCommit": sha,
        "repository": {
            "slug": "py-repo",
            "id": 84,
            "name": "py-repo",
            "scmId": "git",
            "state": "AVAILABLE",
            "project": {"key": "CI", "id": 84, "name": "Continuous Integration", "type": "NORMAL"},
            "links": {"self": [{"href": "http://bitbucket.example.org/projects/CI/repos/py-repo/browse"}]},
        },
    }


def native_push() -> Payload:
    repository = native_ref("main", SECOND)["repository"]
    ref = {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"}
    return {
        "eventKey": "repo:refs_changed",
        "date": "2017-09-19T09:45:32+1000",
        "actor": {"name": "admin", "emailAddress": "admin@example.com", "displayName": "Administrator"},
        "repository": repository,
        "changes": [
            {"ref": ref, "refId": "refs/heads/main", "fromHash": BEFORE, "toHash": SECOND, "type": "UPDATE"},
        ],
    }


# -- the old POST service of Bitbucket


def bitbucket_post(scm: str = "git") -> Payload:
    return {
        "canon_url": "https://bitbucket.org",
        "commits": [
            {
                "author": "marcus",
                "branch": "master",
                "files": [{"file": "somefile.py", "type": "modified"}, {"file": "other.py", "type": "added"}],
                "message": "Added some more things to somefile.py\n",
                "node": "620ade18607a",
                "parents": ["702c70160afc"],
                "raw_author": "Marcus Bertrand <marcus@example.com>",
                "raw_node": FIRST,
                "revision": None,
                "size": -1,
                "timestamp": "2012-05-30 05:58:56",
                "utctimestamp": "2012-05-30 03:58:56+00:00",
            }
        ],
        "repository": {
            "absolute_url": "/marcus/project-x/",
            "fork": False,
            "is_private": True,
            "name": "Project X",
            "owner": "marcus",
            "scm": scm,
            "slug": "project-x",
            "website": "https://example.org/",
        },
        "user": "marcus",
    }


# -- Gitorious


def gitorious_push() -> Payload:
    return {
        "after": SECOND,
        "before": BEFORE,
        "commits": [
            {
                "author": {"name": "Jason", "email": "jason@example.org"},
                "committed_at": "2012-01-10T11:02:27-07:00",
                "id": FIRST,
                "message": "work in progress",
                "timestamp": "2012-01-10T11:02:27-07:00",
                "url": f"http://gitorious.example.org/q/mainline/commit/{FIRST}",
            }
        ],
        "project": {"description": "an emulator", "name": "q"},
        "pushed_at": "2012-01-10T11:09:25-07:00",
        "pushed_by": "jason",
        "ref": "new_look",
        "repository": {
            "clones": 4,
            "description": "",
            "name": "mainline",
            "owner": {"name": "jason"},
            "url": "http://gitorious.example.org/q/mainline",
        },
    }
