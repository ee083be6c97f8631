"""Try jobs in files."""

from __future__ import annotations

import base64
import json

import pytest

from buildmaster.cli.trybuild import job_file
from buildmaster.schedulers.tryjob import BadJobfile, Job, netstrings, parse


def file(*fields):
    return b"".join(b"%d:%s," % (len(field), field) for field in fields)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            file(b"1", b"id", b"trunk", b"1234", b"1", b"diff", b"b1", b"b2"),
            {"branch": "trunk", "base_revision": "1234", "builder_names": ["b1", "b2"]},
        ),
        (file(b"1", b"id", b"", b"", b"1", b"diff"), {"branch": None, "base_revision": None}),
        (
            file(b"2", b"id", b"t", b"r", b"1", b"diff", b"repo", b"proj", b"b"),
            {"repository": "repo", "project": "proj", "builder_names": ["b"]},
        ),
        (file(b"3", b"id", b"t", b"r", b"1", b"diff", b"repo", b"proj", b"me", b"b"), {"who": "me"}),
        (
            file(b"4", b"id", b"t", b"r", b"1", b"diff", b"repo", b"proj", b"me", "wh\u00fd".encode(), b"b"),
            {"comment": "wh\u00fd", "builder_names": ["b"]},
        ),
        (
            file(
                b"5",
                json.dumps(
                    {
                        "jobid": "id",
                        "branch": "t",
                        "baserev": "b'abc'",
                        "patch_level": 1,
                        "patch_body": "diff",
                        "who": None,
                        "builderNames": None,
                        "properties": {"a": 1},
                    }
                ).encode(),
            ),
            {"base_revision": "abc", "who": "", "builder_names": [], "properties": {"a": 1}},
        ),
    ],
)
def test_all_versions_are_read(data, expected):
    job = parse(data)
    assert (job.job_id, job.patch_level, job.patch_body) == ("id", 1, b"diff")
    assert {name: getattr(job, name) for name in expected} == expected


def test_a_patch_that_is_no_text_and_none_at_all():
    body = b"\xff\x00"
    assert (
        parse(file(b"5", json.dumps({"patch_body_base64": base64.b64encode(body).decode()}).encode())).patch_body
        == body
    )
    assert parse(file(b"5", b'{"patch_body": null}')).patch_body is None


def test_what_our_client_writes_is_read():
    job = Job("b", "r", 1, b"\xff diff", "id", "repo", "", "me", "why", ["x"], {"p": "1"})
    assert parse(job_file(job.as_dict())) == job


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "unknown version b'' of a job file; known are 1 to 5"),
        (b"hello", "no netstring at byte 0"),
        (b"5:abc,", "the netstring at byte 0 is cut off"),
        (file(b"9"), "unknown version b'9' of a job file; known are 1 to 5"),
        (file(b"1", b"id"), "a job file of version 1 has 5 fields, this one 1"),
        (file(b"1", b"id", b"", b"", b"-1", b"diff"), "patch_level is not a small number"),
        (file(b"5", b"[]"), "a job file of version 5 is a dictionary"),
        (file(b"5", b'{"patch_body": 1}'), "patch_body is not a text"),
        (file(b"5", b'{"patch_body": "", "branch": 5}'), "branch is not a text"),
        (file(b"5", b'{"patch_body": "", "properties": []}'), None),
        (file(b"5", b'{"patch_body": "", "properties": [1]}'), "properties is not a dictionary"),
        (file(b"5", b'{"patch_body": "", "builderNames": "b"}'), "builderNames is not a list"),
        (file(b"5", b'{"patch_body_base64": "!"}'), "patch_body_base64 is not base64"),
    ],
)
def test_what_makes_no_sense_is_told(data, message):
    if message is None:
        assert parse(data).properties == {}
        return
    with pytest.raises(BadJobfile) as caught:
        parse(data)
    assert str(caught.value) == message


def test_netstrings_may_have_anything_inside():
    assert netstrings(file(b"a,b", b"", b"1:x,")) == [b"a,b", b"", b"1:x,"]
