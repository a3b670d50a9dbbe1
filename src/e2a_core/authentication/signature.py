"""Checks one signature over header and body, for both DKIM-Signature and ARC-Message-Signature."""

from __future__ import annotations

from e2a_core.authentication.canonical import HeaderField, SignedMessage, TagListError, parse_canonicalization
from e2a_core.authentication.keys import KeyRecord, KeyRecordError, RefusedKeyError, decode_base64, find_key
from e2a_core.authentication.names import normalize_domain
from e2a_core.authentication.resolver import DnsFailure, Lookup, TemporaryFailure, Void
from e2a_core.authentication.results import DkimStatus

__all__ = ["Refused", "check_signature", "check_signed", "require_tags", "signed_names", "signing_domain"]

_KEY_TYPES = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}


class Refused(Exception):
    """The signature does not pass; `status` is the status to report."""

    def __init__(self, status: DkimStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


async def check_signature(
    item: HeaderField, tags: dict[str, str], message: SignedMessage, resolver: Lookup
) -> KeyRecord:
    """Check the signature `item` with the tags `tags` over header and body; returns the key that verified it.

    Checks the body hash first, because it needs no DNS. Raises `Refused` if the signature does not pass.
    """
    require_tags(tags, "a", "b", "bh", "d", "h", "s")
    try:
        header_form, body_form = parse_canonicalization(tags.get("c", "simple/simple"))
        body_hash = decode_base64(tags["bh"])
    except (TagListError, ValueError):
        raise Refused("permerror", "c= or bh= cannot be read") from None
    _key_type(tags)
    if message.body_hash(body_form) != body_hash:
        raise Refused("fail", "body hash does not match")
    octets = message.signed_octets(signed_names(tags), item, header_form)
    return await check_signed(octets, tags, resolver)


async def check_signed(octets: bytes, tags: dict[str, str], resolver: Lookup) -> KeyRecord:
    """Check b= over `octets` with the key at s= and d=; returns that key. Raises `Refused` if it does not verify."""
    key_type = _key_type(tags)
    name = f"{tags['s']}._domainkey.{signing_domain(tags)}"
    key_name = normalize_domain(name)
    if key_name is None:
        raise Refused("permerror", "s= is not a selector")
    try:
        signature = decode_base64(tags["b"])
    except ValueError:
        raise Refused("permerror", "b= is not base64") from None
    try:
        answer = resolver.cached(key_name, "TXT") or await resolver.lookup(key_name, "TXT")
        record = find_key(answer, key_type)
    except TemporaryFailure as failure:
        raise Refused("temperror", str(failure)) from None
    except Void:
        raise Refused("permerror", f"no key at {key_name}") from None
    except RefusedKeyError as error:
        raise Refused("policy", str(error)) from None
    except (DnsFailure, KeyRecordError) as error:
        raise Refused("permerror", str(error)) from None
    if not record.verifies(signature, octets):
        raise Refused("fail", "signature does not verify")
    return record


def require_tags(tags: dict[str, str], *names: str) -> None:
    """Raises `Refused` if a tag of `names` is missing or empty."""
    for name in names:
        if not tags.get(name):
            raise Refused("permerror", f"{name}= is missing")


def signing_domain(tags: dict[str, str]) -> str:
    """The normalised d=. Raises `Refused` if it is not a domain name."""
    domain = normalize_domain(tags["d"])
    if domain is None:
        raise Refused("permerror", "d= is not a domain name")
    return domain


def signed_names(tags: dict[str, str]) -> list[bytes]:
    """The field names in h=, in order and in lower case."""
    return [name.strip().lower().encode() for name in tags.get("h", "").split(":")]


def _key_type(tags: dict[str, str]) -> str:
    algorithm = tags["a"]
    if algorithm == "rsa-sha1":
        raise Refused("policy", "rsa-sha1 is refused")  # RFC 8301, section 3.1
    if algorithm not in _KEY_TYPES:
        raise Refused("permerror", "unknown algorithm in a=")
    return _KEY_TYPES[algorithm]
