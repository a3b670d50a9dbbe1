"""Encryption of stored responses that contain a secret, so that the database alone does not reveal it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["seal", "unseal"]

_PURPOSE = b"e2a-sealed-answer-v1"


def seal(text: str, secrets: Sequence[bytes]) -> str:
    """Encrypts and authenticates `text` with a key derived from the first secret."""
    return _cipher(secrets).encrypt(text.encode()).decode("ascii")


def unseal(sealed: str, secrets: Sequence[bytes]) -> str | None:
    """Returns the text, or None if none of the secrets can decrypt it."""
    try:
        return _cipher(secrets).decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def _cipher(secrets: Sequence[bytes]) -> MultiFernet:
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: bytes) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
    return base64.urlsafe_b64encode(derived)
