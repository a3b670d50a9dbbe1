"""Parses the URIs of `mail://` resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

__all__ = ["MailTarget", "parse_mail_uri"]

Kind = Literal["inbox", "message", "raw", "attachment", "conversation", "reviews"]
SCHEME = "mail://"
MAX_INDEX_DIGITS = 6


@dataclass(frozen=True, slots=True)
class MailTarget:
    """What a URI names. Different spellings of the same resource give equal targets."""

    kind: Kind
    email: str = ""
    id: str = ""
    index: int = 0


def parse_mail_uri(uri: str) -> MailTarget | None:
    """Returns the target of `uri`, or None if it does not name a mail resource."""
    if not uri.startswith(SCHEME):
        return None
    match [unquote(part) for part in uri.removeprefix(SCHEME).split("/")]:
        case ["reviews"]:
            return MailTarget("reviews")
        case [email, "inbox"] if email:
            return MailTarget("inbox", email.lower())
        case [email, "messages", message] if email and message:
            return MailTarget("message", email.lower(), message)
        case [email, "messages", message, "raw"] if email and message:
            return MailTarget("raw", email.lower(), message)
        case [email, "messages", message, "attachments", index] if email and message and _is_index(index):
            return MailTarget("attachment", email.lower(), message, int(index))
        case [email, "conversations", conversation] if email and conversation:
            return MailTarget("conversation", email.lower(), conversation)
    return None


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_INDEX_DIGITS
