"""Return paths: envelope senders that prove what a report to them is about (VERP).

A report (RFC 3464) goes to the envelope sender of the mail it is about. That address names the message and carries an
HMAC. There are two kinds:

* The path for a recipient has an HMAC over message and recipient. Only the servers that got the mail for that recipient
  know it, so a report to it is about that recipient and no other, whatever the report says.
* The path for a message has an HMAC over the message alone. All its recipients know it, so a report to it is about that
  message, but any of them may have written it.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from e2a_core.core import Core
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.roles import RETURN_LOCAL
from e2a_core.messages import queries as message_queries
from e2a_core.messages.rows import MessageRow
from e2a_core.signing.mac import hmac_sha256
from e2a_core.store.statement import first

__all__ = ["Returned", "find_returned", "is_return_path", "plain_sender", "return_path"]

_RECIPIENT_CONTEXT = "e2a:return-path:1"
_MESSAGE_CONTEXT = "e2a:return-path-message:1"
"""A label of its own, so that no code for a recipient is ever that for a message."""
_MAC_OCTETS = 15
"""120 bits, as many as fit: with them the local part has the 64 octets allowed by RFC 5321 section 4.5.3.1.1."""
_ID_PREFIX = "msg_"
_MESSAGE_ID = re.compile(rf"{_ID_PREFIX}([0-9a-f]{{32}})")
_LOCAL = re.compile(rf"{RETURN_LOCAL}\+([0-9a-f]{{32}})\.([a-z2-7]{{24}})")


@dataclass(frozen=True, slots=True)
class Returned:
    """What mail to a return path is about: a message of `agent_email`; `recipient` is None if it may be any of them."""

    message_id: str
    agent_email: str
    recipient: str | None


def plain_sender(row: MessageRow) -> str:
    """The address that a message is sent under: the agent's, or the relay's if the agent's may not leave."""
    if row.submission.sent_as == "own_address":
        return row.agent_email
    return row.header_from or row.agent_email


def return_path(core: Core, row: MessageRow, recipient: str | None) -> str:
    """The envelope sender of `row` for `recipient`, or for all if that is None.

    Its domain is that of the plain sender, which SPF and DMARC need. It is always the same for the same message,
    recipient and secret, since greylisting remembers it.
    """
    sender = plain_sender(row)
    found = _MESSAGE_ID.fullmatch(row.id)
    if found is None:
        return sender
    mac = _mac(core.secrets.signing, row.id, recipient)
    return f"{RETURN_LOCAL}+{found[1]}.{mac}@{sender.rpartition('@')[2]}"


def is_return_path(address: str) -> bool:
    """Returns True if the address has the form of a return path, whoever made it."""
    return _LOCAL.fullmatch(normalize_addr_spec(address).rpartition("@")[0]) is not None


async def find_returned(core: Core, address: str) -> Returned | None:
    """Returns what a return path is about, ignoring case, or None if this deployment did not make it.

    It is unknown once the message is purged, because its recipients are.
    """
    local, _, domain = normalize_addr_spec(address).rpartition("@")
    found = _LOCAL.fullmatch(local)
    if found is None:
        return None
    message_id = _ID_PREFIX + found[1]
    rows, recipients = await core.db.read(
        [message_queries.by_message_id(message_id), message_queries.recipients(message_id)]
    )
    stored = first(rows)
    if stored is None:
        return None
    row = MessageRow.from_store(stored)
    if row.inbound or normalize_addr_spec(plain_sender(row)).rpartition("@")[2] != domain:
        return None
    for recipient in (None, *(item["address"] for item in recipients)):
        if _made_for(core.secrets, message_id, recipient, found[2]):
            return Returned(message_id, row.agent_email, recipient)
    return None


def _made_for(secrets: Iterable[bytes], message_id: str, recipient: str | None, mac: str) -> bool:
    """Returns True if one of the secrets made `mac`."""
    return any(hmac.compare_digest(_mac(secret, message_id, recipient), mac) for secret in secrets)


def _mac(secret: bytes, message_id: str, recipient: str | None) -> str:
    named = f"{_MESSAGE_CONTEXT}|{message_id}"
    if recipient is not None:
        named = f"{_RECIPIENT_CONTEXT}|{message_id}|{recipient}"
    full = hmac_sha256(secret, named.encode())
    return base64.b32encode(full[:_MAC_OCTETS]).decode("ascii").lower()
