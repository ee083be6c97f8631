"""Our Banana reader gives what Twisted's gives, however the bytes are cut."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.spread import banana

from buildmaster.net.pbreader import FastBanana


class Plain(banana.Banana):
    """Twisted's reader, keeping what it reads."""

    def __init__(self) -> None:
        super().__init__(isClient=False)
        self.read: list[Any] = []
        self.makeConnection(StringTransport())
        self.currentDialect = b"pb"
        self.transport.clear()

    def callExpressionReceived(self, obj: Any) -> None:
        self.read.append(obj)


class Fast(FastBanana, Plain):
    """The same with our reading half."""


atoms = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.binary(max_size=300),
    st.sampled_from(sorted(banana.Banana.outgoingVocabulary)),
)
expressions = st.recursive(atoms, lambda inner: st.lists(inner, max_size=6), max_leaves=30)


def encoded(values: list[Any]) -> bytes:
    sender = Plain()
    for value in values:
        sender.sendEncoded(value)
    return sender.transport.value()


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.lists(expressions, max_size=5), st.lists(st.integers(0, 10**6), max_size=12))
def test_both_readers_give_the_same(values: list[Any], cuts: list[int]) -> None:
    data = encoded(values)
    plain, fast = Plain(), Fast()
    for piece in pieces(data, cuts):
        plain.dataReceived(piece)
        fast.dataReceived(piece)
        assert fast.read == plain.read
    assert fast.read == values
    assert fast.buffer == b""


@given(st.binary(max_size=200), st.lists(st.integers(0, 10**6), max_size=5))
def test_nonsense_ends_in_an_error_or_waits_for_more(data: bytes, cuts: list[int]) -> None:
    plain, fast = Plain(), Fast()
    try:
        for piece in pieces(data, cuts):
            plain.dataReceived(piece)
    except Exception:
        with pytest.raises((banana.BananaError, KeyError)):
            for piece in pieces(data, cuts):
                fast.dataReceived(piece)
        return
    for piece in pieces(data, cuts):
        fast.dataReceived(piece)
    assert fast.read == plain.read


@pytest.mark.parametrize(
    "data", [b"\x7f" * 100, b"\x01\x7f\x7f\x7f\x80", b"\x01\x7f\x7f\x7f\x82", b"\x05\x88", b"\x7f\x7f\x87"]
)
def test_what_is_too_large_or_unknown_is_an_error(data: bytes) -> None:
    with pytest.raises((banana.BananaError, KeyError)):
        Fast().dataReceived(data)
