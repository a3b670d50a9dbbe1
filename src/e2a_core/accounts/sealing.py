"""Answers that hold a secret, kept for replay: encrypted, so the database alone does not give the secret away."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["seal", "unseal"]

_PURPOSE = b"e2a-sealed-answer-v1"


def seal(text: str, secrets: Sequence[bytes]) -> str:
    """Encrypted and authenticated under the first secret."""
    return _cipher(secrets).encrypt(text.encode()).decode("ascii")


def unseal(sealed: str, secrets: Sequence[bytes]) -> str | None:
    """The text; None when none of the secrets sealed it."""
    try:
        return _cipher(secrets).decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def _cipher(secrets: Sequence[bytes]) -> MultiFernet:
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: bytes) -> bytes:
    derived = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
    return base64.urlsafe_b64encode(derived)
