"""No secret comes out of a log, however it is written, cut into pieces and mixed with others."""

from __future__ import annotations

import base64
import html
import itertools
import json
import shlex
from typing import Any
from urllib.parse import quote

from hypothesis import example, given, settings
from hypothesis import strategies as st

from buildmaster.process.log_lines import LineAssembler, Newlines
from buildmaster.properties import MaskedText, Secrets, mask_secrets
from tests.support.logkit import LogKit

few = st.text("ab\nc", min_size=1, max_size=4).filter(str.strip)
"""Secrets that overlap, contain each other and themselves."""

passwords = st.text(min_size=1, max_size=20).filter(lambda text: len(text.strip()) >= 4)
"""Any characters at all."""

NAME = "§"


def pieces(whole: Any, cuts: list[int]) -> list[Any]:
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    return [whole[a:b] for a, b in itertools.pairwise(places)]


@settings(max_examples=300)
@given(st.sets(few, min_size=1, max_size=3), st.text("ab\nc", max_size=20), st.lists(st.integers(0, 20), max_size=8))
@example({"ab", "abc"}, "xabc", [3])
@example({"abca"}, "abcabca", [4])
@example({"aa"}, "aaaaa", [1, 2, 3, 4])
def test_the_pieces_make_no_difference_and_no_secret_is_left(secrets: set[str], whole: str, cuts: list[int]) -> None:
    known = dict.fromkeys(secrets, NAME)
    masked = MaskedText(known)
    out = "".join(masked.feed(piece) for piece in pieces(whole, cuts)) + masked.flush()
    assert out == mask_secrets(whole, known)
    assert [secret for secret in secrets if secret in out] == []


@settings(max_examples=300)
@given(st.sets(few, min_size=1, max_size=3), st.text("ab\nc", max_size=20))
def test_every_character_of_a_secret_is_hidden_and_no_other(secrets: set[str], whole: str) -> None:
    """Where secrets overlap, both are hidden whole."""
    hidden = [
        any(
            whole.startswith(form, at) and at <= place < at + len(form)
            for form in forms(secrets)
            for at in range(place + 1)
        )
        for place in range(len(whole))
    ]
    shown = "".join(char for char, hide in zip(whole, hidden, strict=True) if not hide)
    assert mask_secrets(whole, dict.fromkeys(secrets, NAME)).replace(f"<{NAME}>", "") == shown


def forms(secrets: set[str]) -> set[str]:
    """The secrets as they may be looked for in text of these few characters."""
    return {form for secret in secrets for form in (secret, secret.strip())}


@given(
    passwords, st.lists(st.integers(0, 200), max_size=6), st.sampled_from([str, repr, ascii, json, shlex, quote, html])
)
def test_a_secret_is_found_as_programs_write_it(secret: str, cuts: list[int], how: Any) -> None:
    secrets = Secrets()
    secrets.use(secret, NAME)
    write = {json: json.dumps, shlex: shlex.quote, html: html.escape, quote: lambda s: quote(s, safe="")}.get(how, how)
    try:
        text = f"before {write(secret)} after\n"
        data = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair is no text
        return
    assembler = LineAssembler("utf-8", secrets)
    out = "".join(assembler.feed(piece) for piece in pieces(data, cuts)) + assembler.flush()
    assert f"<{NAME}>" in out
    plain = Newlines().feed(secret).strip()
    assert plain not in out or plain in "before <§> after <hidden> '\""


@given(st.binary(max_size=5), st.text("abcdefghijXYZ0123456789+/ü", min_size=8, max_size=20), st.binary(max_size=5))
def test_a_secret_is_found_in_what_was_encoded_with_others(before: bytes, secret: str, after: bytes) -> None:
    """``user:password`` of HTTP's basic authentication, say."""
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    assert f"<{NAME}>" in mask_secrets(f"Authorization: Basic {encoded}", {secret: NAME})


SECRET, LINES = "hunter2-hunter3", "first of two\nsecond of two"

texts = st.lists(
    st.sampled_from([SECRET, LINES, LINES.replace("\n", "\r\n"), "hunter2-", "first of two", "\n", "x", "\r", "é"]),
    max_size=8,
).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("oehr"), texts, st.lists(st.integers(0, 80), max_size=4)), max_size=6))
def test_nothing_of_a_secret_is_stored_in_any_channel(writes: list[tuple[str, str, list[int]]]) -> None:
    """Pieces of the channels come in turns, as they do from a worker."""
    kit = LogKit()
    log = kit.log(secrets=Secrets({SECRET: "one", LINES: "two"}))
    to: dict[str, Any] = {"o": log.addStdout, "e": log.addStderr, "h": log.addHeader}
    for channel, text, cuts in writes:
        if channel == "r":
            log.addRawLines("".join(f"o{line}\n" for line in text.replace("\r", "").split("\n")))
            continue
        for piece in pieces(text, cuts):
            to[channel](piece)
    kit.wait(log.finish())
    kit.pump()
    stored = kit.raw(log)
    assert [part for part in (SECRET, *LINES.split("\n")) if part in stored] == []
