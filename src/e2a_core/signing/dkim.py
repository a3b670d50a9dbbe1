"""DKIM signing (RFC 6376, RFC 8463), and generation, publication and encryption of its keys."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from e2a_core.authentication.canonical import HeaderField, SignedMessage
from e2a_core.clock import Clock
from e2a_core.ids import Ids

__all__ = [
    "OVERSIGNED_FIELDS",
    "SIGNED_FIELDS",
    "DkimKey",
    "KeyDecryptionError",
    "decrypt_key",
    "encrypt_key",
    "selector_for",
    "sign",
]

Algorithm: TypeAlias = Literal["rsa-sha256", "ed25519-sha256"]

RSA_BITS = 2048
"""Every verifier accepts this size (RFC 8301, section 3.2), and the key fits in a TXT record of two strings."""
OVERSIGNED_FIELDS = ("From", "To", "Subject")
"""Signed once more than they occur, so that an added field of the same name breaks the signature."""
SIGNED_FIELDS = (
    "Reply-To",
    "Cc",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)
"""Signed as often as they occur. Relays may add the absent ones without breaking the signature."""
SIGNATURE_LINE_CHARACTERS = 72
"""Width at which the field is folded."""

_BLOB_VERSION = b"\x01"
_NONCE_OCTETS = 12
_KEY_ENCRYPTION_INFO = b"e2a-dkim-key-encryption-v1"


class KeyDecryptionError(Exception):
    """None of the secrets decrypts the stored key, or the key belongs to another domain."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private signing key. Its repr does not reveal the key."""

    private_key: RSAPrivateKey | Ed25519PrivateKey

    @classmethod
    def generate(cls, algorithm: Algorithm = "rsa-sha256") -> DkimKey:
        """Generate an RSA-2048 or Ed25519 key."""
        if algorithm == "ed25519-sha256":
            return cls(Ed25519PrivateKey.generate())
        return cls(generate_private_key(public_exponent=65537, key_size=RSA_BITS))

    @classmethod
    def from_der(cls, data: bytes) -> DkimKey:
        """Load a key from PKCS#8 or PKCS#1 DER. Raises ValueError if it is not an RSA or Ed25519 key."""
        return cls._checked(serialization.load_der_private_key(data, password=None))

    @classmethod
    def from_pem(cls, data: bytes) -> DkimKey:
        """Load a key from PKCS#8 or PKCS#1 PEM. Raises ValueError if it is not an RSA or Ed25519 key."""
        return cls._checked(serialization.load_pem_private_key(data, password=None))

    @classmethod
    def _checked(cls, key: object) -> DkimKey:
        if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
            raise ValueError("a DKIM key must be RSA or Ed25519")
        return cls(key)

    @property
    def algorithm(self) -> Algorithm:
        return "rsa-sha256" if isinstance(self.private_key, RSAPrivateKey) else "ed25519-sha256"

    def to_der(self) -> bytes:
        """The key as unencrypted PKCS#8 DER; use `encrypt_key` for storage."""
        return self._private_octets(serialization.Encoding.DER)

    def to_pem(self) -> bytes:
        """The key as unencrypted PKCS#8 PEM."""
        return self._private_octets(serialization.Encoding.PEM)

    def _private_octets(self, encoding: serialization.Encoding) -> bytes:
        return self.private_key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def dns_record(self) -> str:
        """The TXT record to publish at `<selector>._domainkey.<domain>` (RFC 6376, section 3.6.1)."""
        public = self.private_key.public_key()
        if isinstance(self.private_key, RSAPrivateKey):
            key_type = "rsa"
            octets = public.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        else:
            key_type = "ed25519"
            octets = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"v=DKIM1; k={key_type}; p={base64.b64encode(octets).decode('ascii')}"

    def sign(self, octets: bytes) -> bytes:
        """The signature over the SHA-256 digest of `octets`."""
        if isinstance(self.private_key, RSAPrivateKey):
            return self.private_key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        digest = hashes.Hash(hashes.SHA256())
        digest.update(octets)
        return self.private_key.sign(digest.finalize())

    def __repr__(self) -> str:
        return f"DkimKey({self.algorithm})"


def selector_for(created: datetime) -> str:
    """The selector of a key created at `created`: `e2a` with the year and month in UTC, such as `e2a202609`."""
    return f"e2a{created.astimezone(UTC):%Y%m}"


def sign(
    raw: bytes,
    key: DkimKey,
    domain: str,
    selector: str,
    clock: Clock,
    *,
    signed_fields: Sequence[str] = SIGNED_FIELDS,
) -> bytes:
    """The `DKIM-Signature` field (relaxed/relaxed) with its final CRLF, to prepend to `raw` (CRLF line ends).

    `domain` is in A-labels. `signed_fields` can omit fields that the next relay rewrites; From, To and Subject are
    always signed. Raises ValueError if `raw` has no From field, which a signature must cover.
    """
    message = SignedMessage.parse(raw)
    if not message.named(b"from"):
        raise ValueError("a message without From cannot be signed")
    body_hash = base64.b64encode(message.body_hash("relaxed")).decode("ascii")
    names = _names_to_sign(message, signed_fields)
    unsigned = "\r\n ".join(
        [
            f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed;",
            f"d={domain}; s={selector}; t={int(clock.now().timestamp())};",
            *textwrap.wrap(f"h={': '.join(names)};", SIGNATURE_LINE_CHARACTERS, break_on_hyphens=False),
            f"bh={body_hash};",
            "b=",
        ]
    )
    item = HeaderField(b"dkim-signature", unsigned.encode("ascii"))
    octets = message.signed_octets([name.lower().encode("ascii") for name in names], item, "relaxed")
    signature = base64.b64encode(key.sign(octets)).decode("ascii")
    lines = textwrap.wrap(signature, SIGNATURE_LINE_CHARACTERS)
    return (unsigned + "\r\n  ".join(lines) + "\r\n").encode("ascii")


def encrypt_key(key: DkimKey, domain: str, secret: bytes, ids: Ids) -> bytes:
    """Encrypt a key for storage: AES-256-GCM with a key derived from `secret`, bound to `domain`."""
    nonce = ids.bytes(_NONCE_OCTETS)
    sealed = AESGCM(_encryption_key(secret)).encrypt(nonce, key.to_der(), domain.encode())
    return _BLOB_VERSION + nonce + sealed


def decrypt_key(blob: bytes, domain: str, secrets: Sequence[bytes]) -> DkimKey:
    """Decrypt a key that `encrypt_key` made for `domain` with one of `secrets`. Raises `KeyDecryptionError`."""
    if blob[:1] != _BLOB_VERSION:
        raise KeyDecryptionError("the stored key has an unknown version")
    nonce, sealed = blob[1 : 1 + _NONCE_OCTETS], blob[1 + _NONCE_OCTETS :]
    for secret in secrets:
        try:
            data = AESGCM(_encryption_key(secret)).decrypt(nonce, sealed, domain.encode())
        except (InvalidTag, ValueError):
            continue
        # GCM has authenticated the key; validating its primes again would cost 45 ms.
        return DkimKey._checked(
            serialization.load_der_private_key(data, password=None, unsafe_skip_rsa_key_validation=True)
        )
    raise KeyDecryptionError("no secret decrypts the stored key")


def _encryption_key(secret: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length=32, salt=None, info=_KEY_ENCRYPTION_INFO).derive(secret)


def _names_to_sign(message: SignedMessage, signed_fields: Sequence[str]) -> list[str]:
    counts = [(name, len(message.named(name.lower().encode("ascii"))) + 1) for name in OVERSIGNED_FIELDS]
    counts += [(name, len(message.named(name.lower().encode("ascii")))) for name in signed_fields]
    return [name for name, count in counts for _ in range(count)]
