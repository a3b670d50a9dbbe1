"""Encryption of what is stored with a secret in it, so that the database alone does not reveal it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from e2a_core.clock import to_micros

__all__ = ["Rotated", "seal", "unseal", "valid_secrets"]

_PURPOSE = b"e2a-sealed-answer-v1"


class Rotated(Protocol):
    """A row with a sealed secret that can be changed; the one before counts until `previous_expires_at`."""

    @property
    def secret(self) -> str: ...
    @property
    def previous_secret(self) -> str | None: ...
    @property
    def previous_expires_at(self) -> int | None: ...


def seal(text: str, secrets: Sequence[bytes]) -> str:
    """Encrypts and authenticates `text` with a key derived from the first secret."""
    return _cipher(secrets).encrypt(text.encode()).decode("ascii")


def unseal(sealed: str, secrets: Sequence[bytes]) -> str | None:
    """Returns the text, or None if none of the secrets can decrypt it."""
    try:
        return _cipher(secrets).decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def valid_secrets(row: Rotated, secrets: Sequence[bytes], now: datetime) -> list[str]:
    """The secrets of `row` that sign now: the current one, and for a while after a change the one before."""
    sealed = [row.secret]
    if row.previous_secret and to_micros(now) < (row.previous_expires_at or 0):
        sealed.append(row.previous_secret)
    opened = (unseal(text, secrets) for text in sealed)
    return [text for text in opened if text is not None]


def _cipher(secrets: Sequence[bytes]) -> MultiFernet:
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: bytes) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
    return base64.urlsafe_b64encode(derived)
