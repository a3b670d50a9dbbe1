"""Public keys of DKIM and ARC: parses key records and verifies signatures (RFC 6376, section 3.6; RFC 8463)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from e2a_core.authentication.canonical import TagListError, parse_tags
from e2a_core.authentication.resolver import Answer

__all__ = ["MIN_RSA_BITS", "KeyRecord", "KeyRecordError", "RefusedKeyError", "decode_base64", "find_key"]

MIN_RSA_BITS = 1024
"""Signatures by shorter keys are not valid (RFC 8301, section 3.2)."""
MAX_RSA_BITS = 8192
"""Bounds the cost of verification, since the sender chooses the key."""
READ_KEYS = 128
"""Parsed keys kept in memory: parsing costs as much as verifying. A record has at most 64 KiB."""


class KeyRecordError(Exception):
    """The key record cannot be used."""


class RefusedKeyError(KeyRecordError):
    """The key is readable, but its size is not accepted."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A usable public key and its flags."""

    key: RSAPublicKey | Ed25519PublicKey
    testing: bool
    """t=y: the domain is testing DKIM."""
    exact_identity: bool
    """t=s: the i= domain must equal the d= domain; a subdomain is not allowed."""

    def verifies(self, signature: bytes, octets: bytes) -> bool:
        """Whether `signature` was made with this key over the SHA-256 digest of `octets`."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(signature, octets, padding.PKCS1v15(), hashes.SHA256())
            else:
                # Ed25519 signs the digest (RFC 8463, section 3).
                digest = hashes.Hash(hashes.SHA256())
                digest.update(octets)
                self.key.verify(signature, digest.finalize())
        except InvalidSignature:
            return False
        return True


def find_key(answer: Answer, algorithm: str) -> KeyRecord:
    """The key for `algorithm` ("rsa" or "ed25519") among the TXT records at a selector.

    Ignores TXT records that are not key records. Raises `KeyRecordError` if there is no usable key record or more
    than one, for which the result is undefined (section 3.6.2.2).
    """
    candidates = [text for text in answer.texts if b"p=" in text.replace(b" ", b"")]
    if len(candidates) != 1:
        raise KeyRecordError("no key record" if not candidates else "several key records")
    return _read(candidates[0], algorithm)


def decode_base64(text: str) -> bytes:
    """Decode base64 that may contain folding white space. Raises `ValueError` if it is not base64."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


@lru_cache(READ_KEYS)
def _read(text: bytes, algorithm: str) -> KeyRecord:
    try:
        tags = parse_tags(text)
    except TagListError as error:
        raise KeyRecordError(f"key record is {error}") from None
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise KeyRecordError("key record is of an unknown version")
    if tags.get("k", "rsa") != algorithm:
        raise KeyRecordError(f"key is not for {algorithm}")
    if "h" in tags and "sha256" not in _colon_list(tags["h"]):
        raise KeyRecordError("key does not allow sha256")
    if not {"*", "email"} & set(_colon_list(tags.get("s", "*"))):
        raise KeyRecordError("key is not for email")
    if not tags.get("p"):
        raise KeyRecordError("key has been revoked")
    flags = _colon_list(tags.get("t", ""))
    return KeyRecord(_public_key(tags["p"], algorithm), testing="y" in flags, exact_identity="s" in flags)


def _public_key(text: str, algorithm: str) -> RSAPublicKey | Ed25519PublicKey:
    try:
        octets = decode_base64(text)
        if algorithm == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        key = serialization.load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRecordError("key cannot be read") from None
    if not isinstance(key, RSAPublicKey):
        raise KeyRecordError("key is not an RSA key")
    if key.key_size < MIN_RSA_BITS:
        raise RefusedKeyError(f"{key.key_size}-bit RSA key")
    if key.key_size > MAX_RSA_BITS:
        raise RefusedKeyError(f"{key.key_size}-bit RSA key, larger than {MAX_RSA_BITS} bits")
    return key


def _colon_list(text: str) -> list[str]:
    return [item.strip() for item in text.split(":")]
