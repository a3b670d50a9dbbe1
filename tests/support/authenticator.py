"""A device that keeps passkeys, in software: answers as a browser hands them on, right or wrong as a test wants."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

__all__ = ["Authenticator"]

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ES256 = -7


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """One passkey. `create` and `get` answer the options of a page; keyword arguments say what is to be wrong."""

    origin: str
    rp_id: str = "localhost"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    credential_id: bytes = b"credential-0001"
    handle: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: Mapping[str, Any], **wrong: Any) -> str:
        padded = options["user"]["id"] + "=" * (-len(options["user"]["id"]) % 4)
        self.handle = base64.urlsafe_b64decode(padded)
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: ES256, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        attested = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + cbor2.dumps(cose)
        data = self._data(wrong, ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client(options, "webauthn.create", wrong)
        return self._answer({"clientDataJSON": encoded(client), "attestationObject": encoded(attestation)})

    def get(self, options: Mapping[str, Any], **wrong: Any) -> str:
        self.count += wrong.get("step", 1)
        data = self._data(wrong, 0)
        client = self._client(options, "webauthn.get", wrong)
        key = wrong.get("key", self.key)
        signature = key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": encoded(client),
                "authenticatorData": encoded(data),
                "signature": encoded(signature),
                "userHandle": encoded(wrong.get("handle", self.handle)),
            }
        )

    def _data(self, wrong: Mapping[str, Any], further: int) -> bytes:
        rp_id = hashlib.sha256(str(wrong.get("rp_id", self.rp_id)).encode()).digest()
        flags = wrong.get("flags", self.flags) | further
        return rp_id + bytes([flags]) + self.count.to_bytes(4)

    def _client(self, options: Mapping[str, Any], kind: str, wrong: Mapping[str, Any]) -> bytes:
        client = {
            "type": wrong.get("type", kind),
            "challenge": wrong.get("challenge", options["challenge"]),
            "origin": wrong.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(client).encode()

    def _answer(self, response: Mapping[str, str]) -> str:
        credential = encoded(self.credential_id)
        answer = {"id": credential, "rawId": credential, "type": "public-key", "response": response}
        return json.dumps({**answer, "clientExtensionResults": {}, "authenticatorAttachment": "platform"})
