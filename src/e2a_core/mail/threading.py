"""Which message answers which, and whom an answer goes to (RFC 5322 section 3.6.4, RFC 5537 section 3.4.4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from e2a_core.errors import InvalidRecipient
from e2a_core.mail.addresses import normalize_addr_spec, split_plus

__all__ = [
    "MAX_REFERENCES",
    "Correspondents",
    "forward_subject",
    "lookup_ids",
    "reply_recipients",
    "reply_references",
    "reply_subject",
]

MAX_REFERENCES = 50
"""Ids written into References: the root and the nearest ancestors; clients thread by those."""
MAX_LOOKUP_IDS = 50
"""Ancestors looked up in the store; the nearest decide."""

_NO_SUBJECT = "(no subject)"


@dataclass(frozen=True, slots=True)
class Correspondents:
    """The addresses of the message that is answered, as bare `local@domain`; `outbound` if it was ours."""

    header_from: str | None
    reply_to: Sequence[str]
    to: Sequence[str]
    cc: Sequence[str]
    outbound: bool = False


def reply_subject(subject: str) -> str:
    """`Re: ` before the parent's subject unless it already begins so, in any case."""
    subject = subject.strip()
    if subject[:3].lower() == "re:":
        return subject
    return f"Re: {subject or _NO_SUBJECT}"


def forward_subject(subject: str) -> str:
    """`Fwd: ` before the original's subject unless it already begins with `Fwd:` or `Fw:`, in any case."""
    subject = subject.strip()
    if subject.lower().startswith(("fwd:", "fw:")):
        return subject
    return f"Fwd: {subject or _NO_SUBJECT}"


def reply_references(
    parent_message_id: str | None, parent_references: Sequence[str], parent_in_reply_to: Sequence[str]
) -> list[str]:
    """The References of a reply: the parent's (or, without them, its In-Reply-To) and the parent last, each once."""
    ancestors = list(parent_references) or list(parent_in_reply_to)
    chain = [ancestor for ancestor in dict.fromkeys(ancestors) if ancestor != parent_message_id]
    if parent_message_id:
        chain.append(parent_message_id)
    if len(chain) > MAX_REFERENCES:
        chain = [chain[0], *chain[1 - MAX_REFERENCES :]]
    return chain


def lookup_ids(in_reply_to: Sequence[str], references: Sequence[str]) -> list[str]:
    """The ids by which a message's conversation is looked up, nearest ancestor first, each once."""
    return list(dict.fromkeys([*in_reply_to, *reversed(references)]))[:MAX_LOOKUP_IDS]


def reply_recipients(
    parent: Correspondents, *, reply_all: bool, own_address: str, aliases: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """(To, Cc) of a reply as normalised bare addresses.

    A received parent is answered at its Reply-To, else its From; one of ours goes to whom it went. `reply_all` adds
    the parent's other recipients to Cc, without ourselves: `own_address`, its subaddresses and `aliases`.

    Raises InvalidRecipient when nobody is left to answer.
    """
    own = {normalize_addr_spec(address) for address in (own_address, *aliases)}
    if parent.outbound:
        to, others = list(parent.to), list(parent.cc)
    else:
        to = list(parent.reply_to) or ([parent.header_from] if parent.header_from else [])
        others = [*parent.to, *parent.cc]
    to = list(dict.fromkeys(map(normalize_addr_spec, to)))
    if not to:
        raise InvalidRecipient(
            "the message names nobody to answer; send a new message to the address you mean"
        )
    if not reply_all:
        return to, []
    cc = dict.fromkeys(map(normalize_addr_spec, others))
    return to, [address for address in cc if address not in to and _mailbox(address) not in own]


def _mailbox(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{split_plus(local)[0]}@{domain}"
