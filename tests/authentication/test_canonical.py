"""Canonical forms against the examples of RFC 6376 and against dkimpy."""

# mypy: allow-untyped-calls

from __future__ import annotations

import contextlib
import time

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.authentication.canonical import (
    Canonicalization,
    HeaderField,
    SignedMessage,
    TagListError,
    canonical_body,
    canonical_field,
    parse_canonicalization,
    parse_tags,
    without_signature,
)

FORMS: tuple[Canonicalization, ...] = ("simple", "relaxed")


def test_the_example_of_rfc_6376_section_3_4_5() -> None:
    message = SignedMessage.parse(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n")

    assert [canonical_field(item, "relaxed") for item in message.fields] == [b"a:X", b"b:Y Z"]
    assert [canonical_field(item, "simple") for item in message.fields] == [b"A: X", b"B : Y\t\r\n\tZ  "]
    assert canonical_body(message.body, "relaxed") == b" C\r\nD E\r\n"
    assert canonical_body(message.body, "simple") == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n", b"\r\n", b""),
        (b" \r\n", b" \r\n", b""),
        (b"text", b"text\r\n", b"text\r\n"),
        (b"text \t", b"text \t\r\n", b"text\r\n"),
        (b"text\r\n\r\n \r\n", b"text\r\n\r\n \r\n", b"text\r\n"),
        (b"\r\ntext\r\n", b"\r\ntext\r\n", b"\r\ntext\r\n"),
    ],
)
def test_bodies(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert canonical_body(body, "simple") == simple
    assert canonical_body(body, "relaxed") == relaxed


lines = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"bc"]), max_size=40).map(b"".join)


@given(lines)
@settings(max_examples=400, deadline=None)
def test_bodies_are_those_of_dkimpy(body: bytes) -> None:
    # dkimpy forgets white space at the end of a last line that has no CRLF.
    ended = body + b"\r\n"
    assert canonical_body(ended, "simple") == Simple.canonicalize_body(ended)
    assert canonical_body(ended, "relaxed") == Relaxed.canonicalize_body(ended)


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n ", b"\r\n\t", b":"]), max_size=30).map(b"".join))
@settings(max_examples=400, deadline=None)
def test_fields_are_those_of_dkimpy(value: bytes) -> None:
    item = HeaderField(b"subject", b"SubJect:" + value)
    [(name, canonical)] = Relaxed.canonicalize_headers([(b"SubJect", value + b"\r\n")])
    assert canonical_field(item, "relaxed") + b"\r\n" == name + b":" + canonical


def test_a_message_is_cut_into_fields_and_body() -> None:
    message = SignedMessage.parse(b"To: a\r\nnonsense\r\nTO : b\r\n\tc\r\n\r\nbody\r\n\r\nmore")

    assert [item.raw for item in message.named(b"to")] == [b"To: a", b"TO : b\r\n\tc"]
    assert len(message.fields) == 2
    assert message.body == b"body\r\n\r\nmore"
    assert SignedMessage.parse(b"\r\nbody").body == b"body"
    assert SignedMessage.parse(b"To: a").body == b""


def test_repeated_names_take_fields_from_the_bottom_up() -> None:
    message = SignedMessage.parse(b"To: 1\r\nTo: 2\r\nFrom: f\r\n\r\n")
    signature = HeaderField(b"dkim-signature", b"DKIM-Signature: b=abc; a=x")

    octets = message.signed_octets([b"to", b"from", b"to", b"to", b"absent"], signature, "relaxed")

    assert octets == b"to:2\r\nfrom:f\r\nto:1\r\ndkim-signature:b=; a=x"


@pytest.mark.parametrize(
    ("raw", "emptied"),
    [
        (b"S: b=abc", b"S: b="),
        (b"S: a=1; b = a\r\n\tb c ; bh=b=", b"S: a=1; b =; bh=b="),
        (b"S: bh=xyz=; b=abc==", b"S: bh=xyz=; b="),
        (b"S: B=keep; b=abc;", b"S: B=keep; b=;"),
    ],
)
def test_only_the_value_of_the_signature_tag_is_removed(raw: bytes, emptied: bytes) -> None:
    assert without_signature(HeaderField(b"s", raw)).raw == emptied


def test_tags() -> None:
    assert parse_tags(b" v=1; h=a:\r\n b ;b=x=y== ; ") == {"v": "1", "h": "a:\r\n b", "b": "x=y=="}
    assert parse_tags(b"n=\xff") == {"n": "\ufffd"}


@pytest.mark.parametrize("text", [b"v", b"v=1;;a=2", b"=1", b"1=1", b"v=1;v=1", b"a b=1"])
def test_what_is_no_tag_list(text: bytes) -> None:
    with pytest.raises(TagListError):
        parse_tags(text)


def test_canonicalization_tag() -> None:
    assert parse_canonicalization("relaxed") == ("relaxed", "simple")
    assert parse_canonicalization("simple/relaxed") == ("simple", "relaxed")
    for text in ("", "relaxed/", "nowsp", "relaxed/relaxed/relaxed"):
        with pytest.raises(TagListError):
            parse_canonicalization(text)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_octets_can_be_read(octets: bytes) -> None:
    message = SignedMessage.parse(octets)
    for form in FORMS:
        message.body_hash(form)
        message.signed_octets([b"from", b""], HeaderField(b"x", octets), form)
    with contextlib.suppress(TagListError):
        parse_tags(octets)


@pytest.mark.parametrize("filler", [b" ", b"\t", b"\r\n", b" \r\n", b"\r\n\r", b" a"])
def test_no_filler_makes_it_slow(filler: bytes) -> None:
    raw = b"From: a\r\nX:" + filler * 200_000 + b"\r\n\r\n" + filler * 2_000_000
    started = time.process_time()
    message = SignedMessage.parse(raw)
    for form in FORMS:
        message.body_hash(form)
    message.signed_octets([b"x"], HeaderField(b"s", b"S:" + filler * 200_000), "relaxed")
    assert time.process_time() - started < 3
