"""What a reader is told about a message besides its words: what it is, and what was left out, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from e2a_core.mail.body import Body
from e2a_core.mail.containers import SMIME_TYPES, is_enveloped
from e2a_core.mail.mime import Leaves

__all__ = ["notes"]

_HOW_TO_GO_ON = "the raw message has all of it"
_LOCKED = "it cannot be read here; the sender can send it without encryption"


def notes(raw: bytes, leaves: Leaves, body: Body, *, unread_messages: int = 0) -> tuple[str, ...]:
    """The sentences for the message with these leaves and this body, without repeats.

    `unread_messages` counts the messages in it that were not read.
    """
    found = [f"{sentence}; {_HOW_TO_GO_ON}" for sentence in (*leaves.omitted, *body.omitted)]
    if body.hidden_chars:
        found.append(
            f"the HTML has {body.hidden_chars} characters that a browser does not show; they are left out of the text"
        )
    if unread_messages:
        found.append(
            f"{unread_messages} attached messages are not read here; each can be read as an attachment"
        )
    return tuple(dict.fromkeys([*_protection(raw, leaves, body), *found]))


def _protection(raw: bytes, leaves: Leaves, body: Body) -> Iterator[str]:
    """What encrypts or signs the message (RFC 8551, RFC 3156), and what winmail.dat held."""
    for leaf in leaves:
        subtypes = [subtype for subtype, _ in leaf.containers]
        if "smime" in subtypes:
            yield "the text was inside an S/MIME signature or compression; its signature was not checked"
        elif "tnef" in subtypes:
            yield "the files and the text of winmail.dat are listed and read as if they were parts of the message"
        if leaf.content_type in SMIME_TYPES or leaf.filename.lower().endswith(".p7m"):
            if is_enveloped(leaf.content(raw)):
                yield f"encrypted with S/MIME: {_LOCKED}"
        elif leaf.content_type == "application/pgp-encrypted":
            yield f"encrypted with OpenPGP: {_LOCKED}"
        elif leaf.content_type == "application/pgp-signature":
            yield "signed with OpenPGP; the signature was not checked"
        elif leaf.content_type in {"application/pkcs7-signature", "application/x-pkcs7-signature"}:
            yield "signed with S/MIME; the signature was not checked"
    if "-----BEGIN PGP MESSAGE-----" in body.full_text:
        yield f"encrypted with OpenPGP: {_LOCKED}"
    if "-----BEGIN PGP SIGNED MESSAGE-----" in body.full_text:
        yield "signed with OpenPGP; the signature was not checked"
