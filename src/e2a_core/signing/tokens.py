"""Signed tokens that travel in links: approve or reject a held message, download an attachment, unsubscribe.

Approval and download tokens are `base64url(P) "." base64url(HMAC-SHA-256(secret, P))`, unpadded, with
P = `<message id>|<action or index>|<expiry, Unix seconds>`. An action is a word and an index a number, so one kind
is never taken for the other although they share a key.
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
    "sign_unsubscribe",
    "unsubscribe_digest",
    "verify_approval",
    "verify_download",
    "verify_unsubscribe",
]

ApprovalAction = Literal["approve", "reject"]
_ACTIONS: tuple[str, ...] = get_args(ApprovalAction)

# A message id, two separators, an index or action, a Unix time: far below this once encoded with its MAC.
_MAX_TOKEN_CHARS = 512
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,11}")
_UNSUBSCRIBE_PREFIX = "u1_"
_UNSUBSCRIBE_TOKEN = re.compile(r"u1_[A-Za-z0-9_-]{43}")
_UNSUBSCRIBE_CONTEXT = "e2a:unsubscribe:u1"


class TokenError(Exception):
    """The token does not permit what it was presented for."""


class MalformedToken(TokenError):
    """Not a token this deployment made, or altered since."""


class ExpiredToken(TokenError):
    """Genuine, and past its expiry."""


class WrongAction(TokenError):
    """Genuine, and made for something else: the other decision, another message or another attachment."""


@dataclass(frozen=True, slots=True)
class ApprovalToken:
    """What a verified link may do; `expires_at` is Unix seconds."""

    message_id: str
    action: ApprovalAction
    expires_at: int


@dataclass(frozen=True, slots=True)
class DownloadToken:
    """Which attachment a verified link opens; `expires_at` is Unix seconds."""

    message_id: str
    index: int
    expires_at: int


def sign_approval(message_id: str, action: ApprovalAction, expires_at: datetime, secret: bytes) -> str:
    """A token that lets its bearer take `action` on the held `message_id` until `expires_at`."""
    if action not in _ACTIONS:
        raise ValueError("the action must be approve or reject")
    return _sign(message_id, action, expires_at, secret)


def verify_approval(
    token: str, action: ApprovalAction, secrets: Sequence[bytes], *, now: datetime
) -> ApprovalToken:
    """What `token` permits; raises MalformedToken, WrongAction or ExpiredToken."""
    message_id, middle, expiry = _open(token, secrets)
    if middle not in _ACTIONS:
        raise MalformedToken("this is not an approval token")
    if middle != action:
        raise WrongAction(f"this token is for the {middle} link, not for {action}")
    _require_unexpired(expiry, now)
    return ApprovalToken(message_id, action, expiry)


def sign_download(message_id: str, index: int, expires_at: datetime, secret: bytes) -> str:
    """A token that lets its bearer fetch attachment `index` of `message_id` until `expires_at`."""
    if index < 0:
        raise ValueError("an attachment index is not negative")
    return _sign(message_id, str(index), expires_at, secret)


def verify_download(
    token: str, message_id: str, index: int, secrets: Sequence[bytes], *, now: datetime
) -> DownloadToken:
    """What `token` opens; raises MalformedToken, ExpiredToken, or WrongAction for another attachment."""
    signed_id, middle, expiry = _open(token, secrets)
    if not _NUMBER.fullmatch(middle):
        raise MalformedToken("this is not a download token")
    if (signed_id, int(middle)) != (message_id, index):
        raise WrongAction("this token is for another attachment")
    _require_unexpired(expiry, now)
    return DownloadToken(signed_id, int(middle), expiry)


def sign_unsubscribe(user_id: str, agent: str, recipient: str, secret: bytes) -> str:
    """The one token by which `recipient` unsubscribes from `agent`; the same each time, without expiry."""
    mac = hmac_sha256(secret, _unsubscribe_octets(user_id, agent, recipient))
    return _UNSUBSCRIBE_PREFIX + encode_base64url(mac)


def verify_unsubscribe(
    token: str, user_id: str, agent: str, recipient: str, secrets: Sequence[bytes]
) -> None:
    """Raises MalformedToken unless `token` is that of these three parties."""
    if not looks_like_unsubscribe_token(token):
        raise MalformedToken("this is not an unsubscribe token")
    try:
        mac = decode_base64url(token.removeprefix(_UNSUBSCRIBE_PREFIX))
    except ValueError as error:
        raise MalformedToken("this is not an unsubscribe token") from error
    if not matches_any(secrets, _unsubscribe_octets(user_id, agent, recipient), mac):
        raise MalformedToken("this is not an unsubscribe token of this recipient")


def looks_like_unsubscribe_token(token: str) -> bool:
    """Whether a lookup by `unsubscribe_digest` is worth making."""
    return _UNSUBSCRIBE_TOKEN.fullmatch(token) is not None


def unsubscribe_digest(token: str) -> str:
    """SHA-256 in hex, the form in which a store keeps the token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _sign(message_id: str, middle: str, expires_at: datetime, secret: bytes) -> str:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message id is made of letters, digits, - and _")
    payload = f"{message_id}|{middle}|{int(expires_at.timestamp())}".encode("ascii")
    return f"{encode_base64url(payload)}.{encode_base64url(hmac_sha256(secret, payload))}"


def _open(token: str, secrets: Sequence[bytes]) -> tuple[str, str, int]:
    """(message id, action or index, expiry) of a token made with one of `secrets`."""
    if len(token) > _MAX_TOKEN_CHARS:
        raise MalformedToken("the token is too long")
    first, dot, second = token.partition(".")
    try:
        payload, mac = decode_base64url(first), decode_base64url(second)
    except ValueError as error:
        raise MalformedToken("the token is damaged") from error
    if not dot or not matches_any(secrets, payload, mac):
        raise MalformedToken("the token was not made by this deployment")
    parts = payload.decode("ascii", "replace").split("|")
    if len(parts) != 3 or not _MESSAGE_ID.fullmatch(parts[0]) or not _NUMBER.fullmatch(parts[2]):
        raise MalformedToken("the token has no known form")
    return parts[0], parts[1], int(parts[2])


def _require_unexpired(expiry: int, now: datetime) -> None:
    if now.timestamp() >= expiry:
        raise ExpiredToken("the link has expired")


def _unsubscribe_octets(user_id: str, agent: str, recipient: str) -> bytes:
    """Each part preceded by its length, so that no two triples share their octets."""
    parts = (_UNSUBSCRIBE_CONTEXT, user_id, agent.strip().lower(), recipient.strip().lower())
    return b"".join(struct.pack(">Q", len(raw)) + raw for raw in (part.encode() for part in parts))
