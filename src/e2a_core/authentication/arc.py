"""Validates the ARC chain (RFC 8617). The result is reported, but no decision depends on it.

A valid chain proves nothing about sealers that the receiver does not know, and the IETF is moving the standard to
historic status.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from e2a_core.authentication.canonical import (
    HeaderField,
    SignedMessage,
    TagListError,
    canonical_field,
    parse_tags,
    without_signature,
)
from e2a_core.authentication.names import normalize_domain, printable
from e2a_core.authentication.resolver import Lookup
from e2a_core.authentication.results import ArcResult, ArcStatus
from e2a_core.authentication.signature import (
    Refused,
    check_signature,
    check_signed,
    require_tags,
    signed_names,
)

__all__ = ["MAX_SETS", "evaluate_arc"]

MAX_SETS = 10
"""RFC 8617 allows 50 hops, but each costs a DNS query and a public-key operation; ordinary chains have one to four."""

_RESULTS, _MESSAGE_SIGNATURE, _SEAL = (
    b"arc-authentication-results",
    b"arc-message-signature",
    b"arc-seal",
)


@dataclass(slots=True)
class _Set:
    """The three fields that one hop added."""

    fields: dict[bytes, HeaderField] = field(default_factory=dict)
    seal: dict[str, str] = field(default_factory=dict)

    def in_seal_order(self) -> list[HeaderField]:
        return [self.fields[name] for name in (_RESULTS, _MESSAGE_SIGNATURE, _SEAL)]


async def evaluate_arc(message: SignedMessage, resolver: Lookup) -> ArcResult:
    """The result for the chain (section 5.2): none without ARC fields, pass, fail, or temperror if DNS failed."""
    if not any(message.named(name) for name in (_SEAL, _MESSAGE_SIGNATURE, _RESULTS)):
        return ArcResult("none")
    sealers: tuple[str, ...] = ()
    try:
        sets = _collect(message)
        sealers = tuple(normalize_domain(hop.seal["d"]) or "?" for hop in sets)
        _check_claims(sets)
        await _check_latest_message_signature(sets[-1], message, resolver)
        # The newest seal covers all older ones, so a broken chain usually fails there first (section 5.2, step 6).
        for count in range(len(sets), 0, -1):
            await check_signed(_sealed_octets(sets[:count]), sets[count - 1].seal, resolver)
    except Refused as refusal:
        status: ArcStatus = "temperror" if refusal.status == "temperror" else "fail"
        return ArcResult(status, sealers, printable(refusal.detail))
    return ArcResult("pass", sealers)


def _collect(message: SignedMessage) -> list[_Set]:
    """The ARC sets, first hop first (section 5.2, steps 2 and 3).

    Raises `Refused` if a set is missing, incomplete or has a field twice, or if there are too many sets.
    """
    sets: dict[int, _Set] = {}
    for name in (_RESULTS, _MESSAGE_SIGNATURE, _SEAL):
        for item in message.named(name):
            fields = sets.setdefault(_instance(item), _Set()).fields
            if name in fields:
                raise Refused("permerror", "an ARC set has a field twice")
            fields[name] = item
    if len(sets) > MAX_SETS:
        raise Refused("policy", f"{len(sets)} ARC sets, the limit is {MAX_SETS}")
    chain = [sets[number] for number in sorted(sets)]
    if sorted(sets) != list(range(1, len(sets) + 1)) or any(len(hop.fields) < 3 for hop in chain):
        raise Refused("permerror", "an ARC set is incomplete")
    for hop in chain:
        hop.seal = _tags(hop.fields[_SEAL])
        require_tags(hop.seal, "a", "b", "cv", "d", "s")
    return chain


def _check_claims(sets: list[_Set]) -> None:
    """Require cv=none in the first seal, cv=pass in later ones, and no h= (sections 4.1.3 and 5.2)."""
    for number, hop in enumerate(sets, start=1):
        if hop.seal["cv"].lower() != ("none" if number == 1 else "pass"):
            raise Refused("fail", f"seal {number} says cv={hop.seal['cv']}")
        if "h" in hop.seal:
            raise Refused("permerror", f"seal {number} has h=")


async def _check_latest_message_signature(hop: _Set, message: SignedMessage, resolver: Lookup) -> None:
    item = hop.fields[_MESSAGE_SIGNATURE]
    tags = _tags(item)
    # ARC signers that omit c= use the relaxed forms.
    tags.setdefault("c", "relaxed/relaxed")
    if _SEAL in signed_names(tags):
        raise Refused("permerror", "the message signature signs a seal")  # section 4.1.2
    await check_signature(item, tags, message, resolver)


def _sealed_octets(sets: list[_Set]) -> bytes:
    """The octets that the last seal of `sets` covers: all fields up to itself, relaxed (section 5.1.1)."""
    fields = [item for hop in sets for item in hop.in_seal_order()]
    covered = [canonical_field(item, "relaxed") for item in fields[:-1]]
    return b"\r\n".join([*covered, canonical_field(without_signature(fields[-1]), "relaxed")])


def _instance(item: HeaderField) -> int:
    """The instance number i= of an ARC field (section 4.2.1); in the results field it comes first."""
    first = item.value.partition(b";")[0] if item.name == _RESULTS else item.value
    text = _tags_of(first).get("i", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 2):
        raise Refused("permerror", "an ARC field has no instance")
    return int(text)


def _tags(item: HeaderField) -> dict[str, str]:
    return _tags_of(item.value)


def _tags_of(text: bytes) -> dict[str, str]:
    try:
        return parse_tags(text)
    except TagListError as error:
        raise Refused("permerror", f"an ARC field is {error}") from None
