"""Who the owner is, and whether a message is theirs: what a channel lets in and `ask_owner` takes for an answer.

An answer of the owner decides and instructs, so that more is asked of it than of mail that is only read: the Author
Domain must be proven (DMARC, RFC 9989) for all that is shown, a person must have written it, and protection must have
let it through.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from functools import cached_property

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.principal import Principal
from e2a_core.errors import NotImplementedHere
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.quote_marks import is_forward_mark, is_quoted
from e2a_core.settings import Settings
from e2a_mcp.fence import plain_text

__all__ = ["OwnerMail", "Owners", "OwnersNamed", "is_proven", "look", "message_ids"]

HEAD_OCTETS = 256 * 1024
"""More than any header is; a field behind them is not seen, so that the mail does not count as an answer."""
MAX_TRANSIT = timedelta(days=5)
"""As long as mail may be under way (RFC 5321 section 4.5.4.1)."""
CLOCK_SKEW = timedelta(minutes=10)
"""Between the clock of a sender and that of this server."""
_NOBODY = "localhost"
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,996}>")
_FORWARD_SUBJECT = re.compile(
    r"\s{0,9}(?:\[[^\]]{1,40}\]\s?)?(?:fwd?|wg|tr|rv|enc|vs|vb|pd|转发|轉寄)\s?[:：]", re.IGNORECASE
)
_RESENT = ("Resent-From", "Resent-Sender", "Resent-To", "X-Forwarded-To", "X-Forwarded-For")
"""Fields by which a message says that it was written to somebody else (RFC 5322 section 3.6.6)."""
_LIST_FIELDS = ("List-Id", "List-Post", "List-Unsubscribe")
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_HELD = frozenset({"pending_review", "review_rejected", "review_expired_rejected"})


@dataclass(frozen=True, slots=True)
class OwnersNamed:
    """What the settings say of owners: their addresses, and domains whose mailboxes are this deployment's.

    `account` is the account whose owners these are; None stands for that of any session.
    """

    addresses: tuple[str, ...] = ()
    hosted_domains: tuple[str, ...] = ()
    account: str | None = None

    @classmethod
    def in_settings(cls, settings: Settings, *, account: str | None = None) -> OwnersNamed:
        """Returns what the settings name, for every session or for those of the account with this address."""
        hosted = () if settings.remote else (settings.shared_domain,)
        return cls(settings.owner_addresses, hosted, normalize_addr_spec(account) if account else None)

    def of(self, principal: Principal, inbox: str) -> Owners:
        """Returns the owners of a session: those named, else the address of the account."""
        whose = self.account is None or self.account == normalize_addr_spec(principal.account_email)
        given = self.addresses if self.addresses and whose else (principal.account_email,)
        return self.among(given, inbox)

    def among(self, given: Collection[str], inbox: str) -> Owners:
        """Returns those of `given` who can be owners for an agent with this inbox."""
        hosted = {_NOBODY, _domain(normalize_addr_spec(inbox)), *map(str.lower, self.hosted_domains)}
        found = list(dict.fromkeys(normalize_addr_spec(address) for address in given))
        # An agent could write as an address that is hosted here, and so answer itself.
        usable = tuple(address for address in found if _domain(address) not in hosted)
        return Owners(usable, tuple(address for address in found if address not in usable))


@dataclass(frozen=True, slots=True)
class Owners:
    """The addresses that count, and those left out because they are mailboxes of this deployment."""

    addresses: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def may_be(self, header_from: str | None) -> bool:
        """Returns True if the author is given as an owner; proves nothing."""
        return header_from is not None and normalize_addr_spec(header_from) in self.addresses

    def refusal(
        self, view: MessageView, inbox: str, *, now: datetime, asked_at: datetime | None = None
    ) -> str | None:
        """Returns why the message is not taken for the owner's, or None if it is.

        `asked_at` is the time of the question it is to answer.
        """
        if view.direction != "inbound" or not self.may_be(view.header_from):
            return "its author is no owner"
        if view.author_agent is not None:
            return "an inbox of this deployment wrote it"
        if not is_proven(view):
            return "its author is not proven"
        if view.review_status in _HELD or view.flagged or view.deleted_at is not None:
            return "protection holds or flags it, or it is deleted"
        head = OwnerMail(view)
        if view.auto_submitted is not None or view.delivery_report is not None or head.automatic:
            return "a machine or a list sent it"
        if head.resent:
            return "it was sent on"
        return _replay(view, head, inbox, now, asked_at)


@dataclass(frozen=True)
class OwnerMail:
    """A message as an owner's: their own words, and what it answers."""

    view: MessageView
    _parser: BytesHeaderParser = field(default_factory=BytesHeaderParser, repr=False)

    @cached_property
    def head(self) -> Message:
        encoded = (self.view.raw_message or "")[: HEAD_OCTETS // 3 * 4]
        content = base64.b64decode(encoded[: len(encoded) // 4 * 4])
        # Bare LF and CRLF both occur in what deployments keep.
        return self._parser.parsebytes(content.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n\n")

    @cached_property
    def words(self) -> str:
        """The author's own words, without what they quote or forward."""
        text = plain_text(self.view.parsed.text if self.view.parsed else "")
        own: list[str] = []
        for line in text.split("\n"):
            if is_forward_mark(line):
                break
            if not is_quoted(line):
                own.append(line)
        return "\n".join(own).strip()

    @property
    def forwards(self) -> bool:
        """Whether the message hands on what somebody else wrote."""
        text = self.view.parsed.text if self.view.parsed else ""
        nested = self.view.parsed.nested if self.view.parsed else None
        marked = any(is_forward_mark(line) for line in text.split("\n"))
        return marked or bool(nested) or bool(_FORWARD_SUBJECT.match(self.view.subject))

    @property
    def resent(self) -> bool:
        return any(name in self.head for name in _RESENT)

    @property
    def automatic(self) -> bool:
        """Whether a field says that no person wrote it (RFC 3834 section 5, RFC 2919); deployments may not tell."""
        keyword = str(self.head.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
        precedence = str(self.head.get("Precedence", "")).strip().lower()
        return keyword != "no" or precedence in _BULK or any(name in self.head for name in _LIST_FIELDS)

    @property
    def answers(self) -> frozenset[str]:
        """The Message-IDs in In-Reply-To."""
        return self._ids("In-Reply-To")

    @property
    def thread(self) -> frozenset[str]:
        """The Message-IDs in In-Reply-To and References."""
        return self._ids("In-Reply-To") | self._ids("References")

    @property
    def fingerprint(self) -> str:
        """The same for each copy of one signed message: what no copy can change without breaking the signature."""
        text = self.view.parsed.text if self.view.parsed else ""
        said = (normalize_addr_spec(self.view.header_from or ""), str(self.head.get("Date", "")), text)
        return f"copy_{hashlib.sha256(repr(said).encode()).hexdigest()[:32]}"

    @property
    def by_signature_alone(self) -> bool:
        """Whether nothing but a signature proves the author, so that anybody may have sent this copy."""
        found = self.view.authentication
        return found is not None and found.spf.aligned is not True and "spf" not in found.dmarc.aligned_by

    @property
    def signs_date(self) -> bool:
        """Whether all signatures that prove the author cover Date (RFC 6376 section 5.4.1), so that it is true."""
        found = self.view.authentication
        aligned = [item for item in found.dkim if item.aligned] if found else []
        proving = {(str(item.domain).lower(), str(item.selector).lower()) for item in aligned}
        signatures = [_tags(str(value)) for value in self.head.get_all("DKIM-Signature", [])]
        named = [
            tags.get("h", "").lower().split(":")
            for tags in signatures
            if (tags.get("d", "").lower(), tags.get("s", "").lower()) in proving
        ]
        return bool(named) and all("date" in names for names in named)

    @property
    def dated(self) -> datetime | None:
        try:
            found = parsedate_to_datetime(str(self.head.get("Date", "")))
        except ValueError:
            return None
        return found if found.tzinfo else None

    def _ids(self, name: str) -> frozenset[str]:
        return frozenset(
            found for value in self.head.get_all(name, []) for found in _MESSAGE_ID.findall(str(value))
        )


async def look(session: Session, email: str, message_id: str) -> MessageView:
    """The message, left unread where the deployment can do that; one that the agent sent has no such mark."""
    try:
        return await session.messages.get(email, message_id, peek=True, whole=True)
    except NotImplementedHere:
        return await session.messages.get(email, message_id, whole=True)


def is_proven(view: MessageView) -> bool:
    """Whether DMARC passed for the domain of the author that is shown, and covers what is shown."""
    found = view.authentication
    if found is None or found.dmarc.status != "pass" or found.coverage is not None:
        return False
    author = _domain(normalize_addr_spec(view.header_from or ""))
    domain = (found.dmarc.domain or author).lower()
    return view.verdict in {None, "verified"} and (author == domain or author.endswith(f".{domain}"))


def _replay(
    view: MessageView, mail: OwnerMail, inbox: str, now: datetime, asked_at: datetime | None
) -> str | None:
    """Returns why a message proven by its signature alone may be an old one sent here by somebody else.

    Whoever has a signed message can send it again, to others too (RFC 6376 section 8.6); SPF shows that the domain's
    own server sent it.
    """
    if not mail.by_signature_alone:
        return None
    if not _named(view, inbox):
        return "its signature does not say that it is for this inbox"
    earliest = now - MAX_TRANSIT if asked_at is None else asked_at - CLOCK_SKEW
    if not mail.signs_date:
        return "its signature does not say when it was written"
    if mail.dated is None or not earliest <= mail.dated <= now + CLOCK_SKEW:
        return "its signature is of another time"
    return None


def _tags(value: str) -> dict[str, str]:
    """The tags of a signature, without white space (RFC 6376 section 3.2)."""
    pairs = (part.partition("=") for part in re.sub(r"\s", "", value).split(";"))
    return {name: text for name, _, text in pairs}


def _named(view: MessageView, inbox: str) -> bool:
    own = normalize_addr_spec(inbox)
    local, _, domain = own.rpartition("@")
    named = [normalize_addr_spec(address) for address in (*view.to, *view.cc)]
    return any(name == own or (name.startswith(f"{local}+") and _domain(name) == domain) for name in named)


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def message_ids(view: MessageView) -> Collection[str]:
    """The Message-IDs by which an answer may name a message that was sent: ours, and the one a relay gave it."""
    given: Sequence[str | None] = (view.email_message_id, view.provider_message_id)
    return {
        identifier if identifier.startswith("<") else f"<{identifier}>" for identifier in given if identifier
    }
