"""Tokens in links: known answers, rotation, and what a bearer cannot do with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.signing import tokens
from e2a_core.signing.tokens import ExpiredToken, MalformedToken, TokenError, WrongAction

from . import vectors as v

EXPIRY = datetime.fromtimestamp(v.APPROVAL_EXPIRY, UTC)
BEFORE = EXPIRY - timedelta(seconds=1)
PARTIES = ("usr_1", "bot@agents.example.net", "alice@example.org")


def test_approval_vector() -> None:
    assert tokens.sign_approval(v.MESSAGE_ID, "approve", EXPIRY, v.SECRET) == v.APPROVAL_TOKEN
    permitted = tokens.verify_approval(v.APPROVAL_TOKEN, "approve", [v.SECRET], now=BEFORE)
    assert permitted == tokens.ApprovalToken(v.MESSAGE_ID, "approve", v.APPROVAL_EXPIRY)


def test_approval_expires_with_its_second() -> None:
    with pytest.raises(ExpiredToken):
        tokens.verify_approval(v.APPROVAL_TOKEN, "approve", [v.SECRET], now=EXPIRY)


def test_approval_for_the_other_action() -> None:
    with pytest.raises(WrongAction):
        tokens.verify_approval(v.APPROVAL_TOKEN, "reject", [v.SECRET], now=BEFORE)
    rejecting = tokens.sign_approval(v.MESSAGE_ID, "reject", EXPIRY, v.SECRET)
    with pytest.raises(WrongAction):
        tokens.verify_approval(rejecting, "approve", [v.SECRET], now=BEFORE)


def test_the_first_secret_signs_and_all_verify() -> None:
    old = tokens.sign_approval(v.MESSAGE_ID, "approve", EXPIRY, v.OTHER_SECRET)
    tokens.verify_approval(old, "approve", [v.SECRET, v.OTHER_SECRET], now=BEFORE)
    with pytest.raises(MalformedToken):
        tokens.verify_approval(old, "approve", [v.SECRET], now=BEFORE)


def test_download_token_binds_message_index_and_time() -> None:
    token = tokens.sign_download(v.MESSAGE_ID, 3, EXPIRY, v.SECRET)
    opened = tokens.verify_download(token, v.MESSAGE_ID, 3, [v.SECRET], now=BEFORE)
    assert opened == tokens.DownloadToken(v.MESSAGE_ID, 3, v.APPROVAL_EXPIRY)
    with pytest.raises(WrongAction):
        tokens.verify_download(token, v.MESSAGE_ID, 4, [v.SECRET], now=BEFORE)
    with pytest.raises(WrongAction):
        tokens.verify_download(token, "msg_ff", 3, [v.SECRET], now=BEFORE)
    with pytest.raises(ExpiredToken):
        tokens.verify_download(token, v.MESSAGE_ID, 3, [v.SECRET], now=EXPIRY)


def test_one_kind_of_token_is_never_the_other() -> None:
    download = tokens.sign_download(v.MESSAGE_ID, 0, EXPIRY, v.SECRET)
    with pytest.raises(MalformedToken):
        tokens.verify_approval(download, "approve", [v.SECRET], now=BEFORE)
    with pytest.raises(MalformedToken):
        tokens.verify_download(v.APPROVAL_TOKEN, v.MESSAGE_ID, 0, [v.SECRET], now=BEFORE)


def test_an_approval_names_its_reader() -> None:
    reader = "boss|or&so@bücher.example"
    token = tokens.sign_approval(v.MESSAGE_ID, "approve", EXPIRY, v.SECRET, reader)
    permitted = tokens.verify_approval(token, "approve", [v.SECRET], now=BEFORE)
    assert permitted == tokens.ApprovalToken(v.MESSAGE_ID, "approve", v.APPROVAL_EXPIRY, reader)
    longest = tokens.sign_approval(v.MESSAGE_ID, "approve", EXPIRY, v.SECRET, "a" * 254)
    tokens.verify_approval(longest, "approve", [v.SECRET], now=BEFORE)


def test_a_form_is_good_for_its_token_its_content_and_its_time() -> None:
    form = tokens.sign_form(v.APPROVAL_TOKEN, "hash", EXPIRY, v.SECRET)
    tokens.verify_form(form, v.APPROVAL_TOKEN, "hash", [v.OTHER_SECRET, v.SECRET], now=BEFORE)
    for value, token, content, now in [
        (form, v.APPROVAL_TOKEN + "x", "hash", BEFORE),
        (form, v.APPROVAL_TOKEN, "", BEFORE),
        (form, v.APPROVAL_TOKEN, "hash", EXPIRY),
        (form.replace(str(v.APPROVAL_EXPIRY), str(v.APPROVAL_EXPIRY + 1)), v.APPROVAL_TOKEN, "hash", BEFORE),
        (v.APPROVAL_TOKEN, v.APPROVAL_TOKEN, "hash", BEFORE),
        ("", v.APPROVAL_TOKEN, "hash", BEFORE),
        (str(v.APPROVAL_EXPIRY), v.APPROVAL_TOKEN, "hash", BEFORE),
    ]:
        with pytest.raises(TokenError):
            tokens.verify_form(value, token, content, [v.SECRET], now=now)
    with pytest.raises(TokenError):
        tokens.verify_approval(form, "approve", [v.SECRET], now=BEFORE)


@pytest.mark.parametrize("message_id", ["", "msg|approve", "msg\n", "ä"])
def test_an_id_that_would_blur_the_fields_is_not_signed(message_id: str) -> None:
    with pytest.raises(ValueError, match="message id"):
        tokens.sign_approval(message_id, "approve", EXPIRY, v.SECRET)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "a.b",
        "a",
        "." * 600,
        v.APPROVAL_TOKEN + "=",
        v.APPROVAL_TOKEN + ".x",
        "é.é",
        v.APPROVAL_TOKEN[:-1],
    ],
)
def test_damaged_tokens(token: str) -> None:
    with pytest.raises(MalformedToken):
        tokens.verify_approval(token, "approve", [v.SECRET], now=BEFORE)


def test_unsubscribe_vector() -> None:
    assert tokens.sign_unsubscribe(*PARTIES, v.SECRET) == v.UNSUBSCRIBE_TOKEN
    assert tokens.looks_like_unsubscribe_token(v.UNSUBSCRIBE_TOKEN)
    tokens.verify_unsubscribe(v.UNSUBSCRIBE_TOKEN, *PARTIES, [v.OTHER_SECRET, v.SECRET])


def test_unsubscribe_ignores_case_and_space_around_addresses() -> None:
    loose = ("usr_1", " Bot@agents.example.net", "ALICE@example.org ")
    assert tokens.sign_unsubscribe(*loose, v.SECRET) == v.UNSUBSCRIBE_TOKEN


def test_unsubscribe_is_bound_to_its_parties() -> None:
    with pytest.raises(MalformedToken):
        tokens.verify_unsubscribe(v.UNSUBSCRIBE_TOKEN, "usr_2", *PARTIES[1:], [v.SECRET])
    with pytest.raises(MalformedToken):
        tokens.verify_unsubscribe("u1_" + "A" * 43, *PARTIES, [v.SECRET])
    assert len(tokens.unsubscribe_digest(v.UNSUBSCRIBE_TOKEN)) == 64


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,60}", fullmatch=True)
    )
)
def test_nothing_but_the_typed_error_escapes(token: str) -> None:
    with pytest.raises(TokenError):
        tokens.verify_approval(token, "approve", [v.SECRET], now=BEFORE)
    with pytest.raises(TokenError):
        tokens.verify_download(token, v.MESSAGE_ID, 0, [v.SECRET], now=BEFORE)
    with pytest.raises(TokenError):
        tokens.verify_unsubscribe(token, *PARTIES, [v.SECRET])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(v.APPROVAL_TOKEN) - 1), st.characters())
def test_one_altered_character_is_refused(at: int, replacement: str) -> None:
    altered = v.APPROVAL_TOKEN[:at] + replacement + v.APPROVAL_TOKEN[at + 1 :]
    if altered != v.APPROVAL_TOKEN:
        with pytest.raises(TokenError):
            tokens.verify_approval(altered, "approve", [v.SECRET], now=BEFORE)
