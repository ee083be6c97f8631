"""Command lines, addresses and output of git."""

from __future__ import annotations

import pytest

from buildmaster.base.errors import ConfigErrors
from buildmaster.net import git


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("git version 2.39.5\n", (2, 39, 5)),
        ("git version 2.21.0 (Apple Git-122.2)", (2, 21, 0)),
        ("git version 2.39.1.windows.1", (2, 39, 1)),
        ("sh: git: not found", None),
    ],
)
def test_the_version_is_read_from_what_git_prints(output, version):
    assert git.parse_version(output) == version


def test_features_begin_with_the_version_that_brought_them():
    assert not git.GitFeatures((2, 9, 5)).ssh_command_config
    assert git.GitFeatures((2, 10)).ssh_command_config
    assert not git.GitFeatures((2, 2)).ssh_command_variable


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("git@example.com:me/repo.git", "ssh://git@example.com:2222/me/repo.git"),
        ("example.com:repo.git", "ssh://example.com:2222/repo.git"),
        ("git@example.com:/srv/repo", "ssh://git@example.com:2222/srv/repo"),
        ("https://example.com/repo", "https://example.com/repo"),
        ("ssh://git@example.com/repo", "ssh://git@example.com/repo"),
        ("/srv/repo", "/srv/repo"),
        (r"C:\repo", r"C:\repo"),
    ],
)
def test_only_the_short_form_of_ssh_addresses_becomes_a_url(address, url):
    assert git.scp_style_to_url_syntax(address, 2222) == url


def test_a_password_in_an_address_is_not_shown():
    assert (
        git.without_password("fatal: 'https://me:s3cret@host/x' is gone")
        == "fatal: 'https://me:<hidden>@host/x' is gone"
    )


def test_host_keys_need_a_private_key():
    with pytest.raises(ConfigErrors) as caught:
        git.check_ssh_config("Git", None, "ssh-rsa AAAA", None)
    assert caught.value.errors == ["Git: sshPrivateKey must be provided in order use sshHostKey"]


def test_a_host_key_and_known_hosts_exclude_each_other():
    with pytest.raises(ConfigErrors) as caught:
        git.check_ssh_config("Git", "key", "ssh-rsa AAAA", "* ssh-rsa AAAA")
    assert caught.value.errors == ["Git: only one of sshKnownHosts and sshHostKey can be provided"]


def test_ssh_is_told_of_the_files_in_the_way_the_version_knows():
    files = git.SshFiles("/k/key", "/k/known_hosts", "/k/ssh")
    command = (
        'ssh "-o" "BatchMode=yes" "-i" "/k/key"'.replace('"-o"', "-o").replace('"-i"', "-i")
        + ' -o "IdentitiesOnly=yes" -o "UserKnownHostsFile=/k/known_hosts" -o "StrictHostKeyChecking=yes"'
    )
    seen = []
    for version in ((2, 10), (2, 3), (2, 2)):
        args, env = ["fetch"], {}
        files.adjust(git.GitFeatures(version), args, env)
        seen.append((args, env))
    assert seen == [
        (["-c", f"core.sshCommand={command}", "fetch"], {}),
        (["fetch"], {"GIT_SSH_COMMAND": command}),
        (["fetch"], {"GIT_SSH": "/k/ssh"}),
    ]


def test_describe_takes_flags_and_values():
    options = {"tags": True, "dirty": "-mod", "abbrev": 0, "match": "v*", "long": False, "always": None}
    assert git.describe_args(options) == ["--tags", "--match", "v*", "--abbrev=0", "--dirty=-mod"]
    assert git.describe_args(True) == git.describe_args({}) == []
    assert git.describe_args({"dirty": True}) == ["--dirty"]


def test_remote_references_name_commits_and_tell_the_default_branch():
    a, b, c = "a" * 40, "b" * 40, "c" * 40
    output = f"ref: refs/heads/main\tHEAD\n{a}\tHEAD\n{a}\trefs/heads/main\n{b}\trefs/tags/v1\n{c}\trefs/tags/v1^{{}}\n"
    assert git.parse_ls_remote(output) == git.RemoteRefs(
        {"HEAD": a, "refs/heads/main": a, "refs/tags/v1": c}, head="refs/heads/main"
    )


def test_references_have_a_long_and_a_short_name():
    assert [git.full_ref("main"), git.full_ref("refs/pull/1/head")] == ["refs/heads/main", "refs/pull/1/head"]
    assert [git.short_branch("refs/heads/a/b"), git.short_branch("refs/tags/v1")] == ["a/b", "refs/tags/v1"]


def test_a_log_is_read_whatever_the_commits_contain():
    boundary = "5f" * 16
    tricky = "subject\n\n\x1e\x1f commit body"
    output = (
        f"\0{boundary}\0{'a' * 40}\0\0An <a@b>\0Cn <c@d>\x00123\0{tricky}\n\0\0\nfile é\0b\nc\0"
        f"\0{boundary}\0{'b' * 40}\0{'a' * 40}\0An <a@b>\0Cn <c@d>\x00124\0empty\n\0\0"
    ).encode()
    first, second = git.parse_log(output, boundary, "utf-8")
    assert (first.revision, first.comments, first.files, first.parents) == (
        "a" * 40,
        tricky,
        ["file é", "b\nc"],
        [],
    )
    assert (second.timestamp, second.files, second.parents) == (124, [], ["a" * 40])


def test_a_log_in_another_encoding_is_decoded_and_what_cannot_be_is_replaced():
    boundary = "5f"
    record = f"\0{boundary}\0{'a' * 40}\0\0Jos".encode() + b"\xe9 <j@x>\0C <c@d>\x001\0m\n\0\0"
    assert git.parse_log(record, boundary, "latin-1")[0].author == "José <j@x>"
    assert git.parse_log(record, boundary, "utf-8")[0].author == "Jos\ufffd <j@x>"


def test_long_lists_of_arguments_are_cut():
    assert list(git.chunked(["aaa", "bbb", "c"], limit=7)) == [["aaa", "bbb"], ["c"]]
