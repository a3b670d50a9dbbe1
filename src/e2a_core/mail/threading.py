"""Threading of messages, and the recipients of replies (RFC 5322 section 3.6.4, RFC 5537 section 3.4.4)."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from e2a_core.errors import InvalidRecipient
from e2a_core.mail.addresses import normalize_addr_spec, split_plus

__all__ = [
    "child_thread_index",
    "MAX_REFERENCES",
    "Correspondents",
    "forward_subject",
    "lookup_ids",
    "reply_recipients",
    "reply_references",
    "reply_subject",
]

MAX_REFERENCES = 50
"""Ids written into References: the root and the nearest ancestors, which clients use for threading."""
MAX_LOOKUP_IDS = 50
"""Nearest ancestors looked up in the store."""

_INDEX_HEAD, _INDEX_BLOCK = 22, 5
_MAX_INDEX = _INDEX_HEAD + 100 * _INDEX_BLOCK
"""Octets of Thread-Index: what begins the conversation, and the block of each answer."""
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_NO_SUBJECT = "(no subject)"


@dataclass(frozen=True, slots=True)
class Correspondents:
    """The addresses of the message being answered, as bare `local@domain`; `outbound` if we sent it."""

    header_from: str | None
    reply_to: Sequence[str]
    to: Sequence[str]
    cc: Sequence[str]
    outbound: bool = False


def reply_subject(subject: str) -> str:
    """The parent's subject with `Re: ` before it, unless it begins with `Re:` in any case."""
    subject = subject.strip()
    if subject[:3].lower() == "re:":
        return subject
    return f"Re: {subject or _NO_SUBJECT}"


def forward_subject(subject: str) -> str:
    """The original's subject with `Fwd: ` before it, unless it begins with `Fwd:` or `Fw:` in any case."""
    subject = subject.strip()
    if subject.lower().startswith(("fwd:", "fw:")):
        return subject
    return f"Fwd: {subject or _NO_SUBJECT}"


def reply_references(
    parent_message_id: str | None, parent_references: Sequence[str], parent_in_reply_to: Sequence[str]
) -> list[str]:
    """The References of a reply: the parent's References (or else its In-Reply-To), then the parent; no duplicates."""
    ancestors = list(parent_references) or list(parent_in_reply_to)
    chain = [ancestor for ancestor in dict.fromkeys(ancestors) if ancestor != parent_message_id]
    if parent_message_id:
        chain.append(parent_message_id)
    if len(chain) > MAX_REFERENCES:
        chain = [chain[0], *chain[1 - MAX_REFERENCES :]]
    return chain


def child_thread_index(parent: str, now: datetime) -> str | None:
    """The Thread-Index of an answer, by which Outlook finds its conversation: the parent's, and a block for the answer.

    Returns None if the parent's is none (MS-OXOMSG section 2.2.1.3).
    """
    try:
        index = base64.b64decode("".join(parent.split()), validate=True)
    except ValueError:
        return None
    if not _INDEX_HEAD <= len(index) <= _MAX_INDEX or (len(index) - _INDEX_HEAD) % _INDEX_BLOCK:
        return None
    begun = int.from_bytes(index[:6], "big") << 16
    passed = max(0, int((now - _FILETIME_EPOCH) / timedelta(microseconds=1)) * 10 - begun)
    near = passed < 1 << 49
    delta = (passed >> (18 if near else 23)) & 0x7FFFFFFF | (0 if near else 1 << 31)
    return base64.b64encode(index + delta.to_bytes(4, "big") + bytes([now.microsecond & 0xFF])).decode()


def lookup_ids(in_reply_to: Sequence[str], references: Sequence[str]) -> list[str]:
    """The distinct ids to look up a message's conversation by, nearest ancestor first."""
    return list(dict.fromkeys([*in_reply_to, *reversed(references)]))[:MAX_LOOKUP_IDS]


def reply_recipients(
    parent: Correspondents, *, reply_all: bool, own_address: str, aliases: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """(To, Cc) of a reply as normalised bare addresses.

    A reply to a received message goes to its Reply-To, or else its From; a reply to a message of ours goes to its
    recipients. `reply_all` adds the parent's other recipients to Cc, except our own addresses: `own_address`, its
    subaddresses and `aliases`. If nobody else can be answered, those others are written to.

    Raises InvalidRecipient if the parent has no address to answer.
    """
    own = {normalize_addr_spec(address) for address in (own_address, *aliases)}
    if parent.outbound:
        to, others = _distinct(parent.to), _distinct(parent.cc)
    else:
        others = _distinct([*parent.to, *parent.cc])
        # A sender who names only us in Reply-To made a mistake: the answer would come back here.
        author = _distinct([parent.header_from] if parent.header_from else [])
        to = _not_ours(_distinct(parent.reply_to), own) or author
    cc = [address for address in _not_ours(others, own) if address not in to] if reply_all else []
    if not to:
        to, cc = cc, []
    if not to:
        raise InvalidRecipient(
            "the message has no address to reply to; send a new message to the intended address"
        )
    return to, cc


def _distinct(addresses: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(map(normalize_addr_spec, addresses)))


def _not_ours(addresses: Sequence[str], own: Collection[str]) -> list[str]:
    return [address for address in addresses if address not in own and _mailbox(address) not in own]


def _mailbox(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{split_plus(local)[0]}@{domain}"
