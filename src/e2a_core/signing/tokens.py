"""Signed tokens for links: approve or reject a held message, download an attachment, unsubscribe.

Approval and download tokens are `base64url(P) "." base64url(HMAC-SHA-256(secret, P))`, unpadded, with
P = `<message id>|<action or index>|<expiry, Unix seconds>`, followed by `|<reader's address>` in a mailed approval.
An action is a word and an index is a number, so the two kinds cannot be confused although they share a key.

The page behind an approval link adds a form value that is not in any mail, which proves that the page was opened.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from e2a_core.signing.mac import decode_base64url, encode_base64url, hmac_sha256, matches_any

__all__ = [
    "ApprovalAction",
    "ApprovalToken",
    "DownloadToken",
    "ExpiredToken",
    "MalformedToken",
    "TokenError",
    "WrongAction",
    "looks_like_unsubscribe_token",
    "sign_approval",
    "sign_download",
    "sign_form",
    "sign_unsubscribe",
    "unsubscribe_digest",
    "verify_approval",
    "verify_download",
    "verify_form",
    "verify_unsubscribe",
]

ApprovalAction = Literal["approve", "reject"]
_ACTIONS: tuple[str, ...] = get_args(ApprovalAction)

_MAX_TOKEN_CHARS = 768
"""Above the longest encoded token: message id, action or index, Unix time, address and MAC."""
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,11}")
_UNSUBSCRIBE_PREFIX = "u1_"
_UNSUBSCRIBE_TOKEN = re.compile(r"u1_[A-Za-z0-9_-]{43}")
_UNSUBSCRIBE_CONTEXT = "e2a:unsubscribe:u1"
_FORM_CONTEXT = "e2a:approval-form:1"


class TokenError(Exception):
    """The token does not permit the requested action."""


class MalformedToken(TokenError):
    """The token was not made by this deployment, or was altered."""


class ExpiredToken(TokenError):
    """The token is genuine but has expired."""


class WrongAction(TokenError):
    """The token is genuine but was made for another decision, message or attachment."""


@dataclass(frozen=True, slots=True)
class ApprovalToken:
    """The decision that a verified link permits. `reader` is the address it was mailed to, None if unknown.

    `expires_at` is in Unix seconds.
    """

    message_id: str
    action: ApprovalAction
    expires_at: int
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class DownloadToken:
    """The attachment that a verified link opens; `expires_at` is in Unix seconds."""

    message_id: str
    index: int
    expires_at: int


def sign_approval(
    message_id: str, action: ApprovalAction, expires_at: datetime, secret: bytes, reader: str | None = None
) -> str:
    """A token that permits `action` on the held message until `expires_at`, for `reader` or, if None, any bearer."""
    if action not in _ACTIONS:
        raise ValueError("the action must be approve or reject")
    return _sign(message_id, action, expires_at, secret, reader)


def verify_approval(
    token: str, action: ApprovalAction, secrets: Sequence[bytes], *, now: datetime
) -> ApprovalToken:
    """Verify an approval token and return its content. Raises MalformedToken, WrongAction or ExpiredToken."""
    message_id, middle, expiry, reader = _open(token, secrets)
    if middle not in _ACTIONS:
        raise MalformedToken("this is not an approval token")
    if middle != action:
        raise WrongAction(f"this token is for the {middle} link, not for {action}")
    _require_unexpired(expiry, now)
    return ApprovalToken(message_id, action, expiry, reader)


def sign_download(message_id: str, index: int, expires_at: datetime, secret: bytes) -> str:
    """A token that lets its bearer fetch attachment `index` of `message_id` until `expires_at`."""
    if index < 0:
        raise ValueError("an attachment index must not be negative")
    return _sign(message_id, str(index), expires_at, secret)


def verify_download(
    token: str, message_id: str, index: int, secrets: Sequence[bytes], *, now: datetime
) -> DownloadToken:
    """Verify a download token and return its content.

    Raises MalformedToken, ExpiredToken, or WrongAction if the token is for another attachment.
    """
    signed_id, middle, expiry, reader = _open(token, secrets)
    if not _NUMBER.fullmatch(middle) or reader is not None:
        raise MalformedToken("this is not a download token")
    if (signed_id, int(middle)) != (message_id, index):
        raise WrongAction("this token is for another attachment")
    _require_unexpired(expiry, now)
    return DownloadToken(signed_id, int(middle), expiry)


def sign_form(token: str, content_hash: str, expires_at: datetime, secret: bytes) -> str:
    """The value of an approval page's form: it permits using `token` for this content until `expires_at`."""
    expiry = int(expires_at.timestamp())
    return f"{expiry}.{encode_base64url(hmac_sha256(secret, _form_octets(token, content_hash, expiry)))}"


def verify_form(
    value: str, token: str, content_hash: str, secrets: Sequence[bytes], *, now: datetime
) -> None:
    """Raises MalformedToken or ExpiredToken unless `value` was made for this token and this content."""
    expiry, _, mac = value.partition(".")
    if not _NUMBER.fullmatch(expiry) or len(value) > _MAX_TOKEN_CHARS:
        raise MalformedToken("the form value is malformed")
    try:
        signature = decode_base64url(mac)
    except ValueError as error:
        raise MalformedToken("the form value is damaged") from error
    if not matches_any(secrets, _form_octets(token, content_hash, int(expiry)), signature):
        raise MalformedToken("the form value was made for another form")
    _require_unexpired(int(expiry), now)


def sign_unsubscribe(user_id: str, agent: str, recipient: str, secret: bytes) -> str:
    """The token with which `recipient` unsubscribes from `agent`. Deterministic; never expires."""
    mac = hmac_sha256(secret, _unsubscribe_octets(user_id, agent, recipient))
    return _UNSUBSCRIBE_PREFIX + encode_base64url(mac)


def verify_unsubscribe(
    token: str, user_id: str, agent: str, recipient: str, secrets: Sequence[bytes]
) -> None:
    """Raises MalformedToken unless `token` was made for this user, agent and recipient."""
    if not looks_like_unsubscribe_token(token):
        raise MalformedToken("this is not an unsubscribe token")
    try:
        mac = decode_base64url(token.removeprefix(_UNSUBSCRIBE_PREFIX))
    except ValueError as error:
        raise MalformedToken("this is not an unsubscribe token") from error
    if not matches_any(secrets, _unsubscribe_octets(user_id, agent, recipient), mac):
        raise MalformedToken("this is not an unsubscribe token of this recipient")


def looks_like_unsubscribe_token(token: str) -> bool:
    """Whether `token` has the form of an unsubscribe token; checked before a look-up by its digest."""
    return _UNSUBSCRIBE_TOKEN.fullmatch(token) is not None


def unsubscribe_digest(token: str) -> str:
    """SHA-256 of the token in hex, which the store keeps instead of the token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _sign(
    message_id: str, middle: str, expires_at: datetime, secret: bytes, reader: str | None = None
) -> str:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message id must consist of letters, digits, - and _")
    parts = [message_id, middle, str(int(expires_at.timestamp())), *([reader] if reader else [])]
    payload = "|".join(parts).encode()
    return f"{encode_base64url(payload)}.{encode_base64url(hmac_sha256(secret, payload))}"


def _open(token: str, secrets: Sequence[bytes]) -> tuple[str, str, int, str | None]:
    """(message id, action or index, expiry, reader) of a token. Raises MalformedToken if its MAC does not match."""
    if len(token) > _MAX_TOKEN_CHARS:
        raise MalformedToken("the token is too long")
    first, dot, second = token.partition(".")
    try:
        payload, mac = decode_base64url(first), decode_base64url(second)
    except ValueError as error:
        raise MalformedToken("the token is damaged") from error
    if not dot or not matches_any(secrets, payload, mac):
        raise MalformedToken("the token was not made by this deployment")
    parts = payload.decode("utf-8", "replace").split("|", 3)
    if len(parts) < 3 or not _MESSAGE_ID.fullmatch(parts[0]) or not _NUMBER.fullmatch(parts[2]):
        raise MalformedToken("the token has an unknown form")
    return parts[0], parts[1], int(parts[2]), parts[3] if len(parts) > 3 else None


def _require_unexpired(expiry: int, now: datetime) -> None:
    if now.timestamp() >= expiry:
        raise ExpiredToken("the link has expired")


def _form_octets(token: str, content_hash: str, expiry: int) -> bytes:
    return "\n".join((_FORM_CONTEXT, token, content_hash, str(expiry))).encode("utf-8", "surrogatepass")


def _unsubscribe_octets(user_id: str, agent: str, recipient: str) -> bytes:
    """The signed octets; each part is preceded by its length, so that different parts never yield the same octets."""
    parts = (_UNSUBSCRIBE_CONTEXT, user_id, agent.strip().lower(), recipient.strip().lower())
    return b"".join(struct.pack(">Q", len(raw)) + raw for raw in (part.encode() for part in parts))
