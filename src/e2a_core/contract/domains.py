"""Domains: registration, DNS records, verification."""

from __future__ import annotations

from typing import Annotated, ClassVar, Protocol

from e2a_core.contract.base import Page, Request, Stated, Timestamp, View
from e2a_core.contract.operation import READS, REPEATS, Confirm, Hints, Tool, operation
from e2a_core.contract.parameters import Cursor, Limit
from e2a_core.errors import (
    DomainHasAgents,
    DomainTaken,
    InvalidCursor,
    InvalidDomain,
    LimitExceeded,
    NotFound,
    ReservedDomain,
)

__all__ = [
    "Domains",
    "DNSRecord",
    "DeleteDomainResult",
    "DomainCapabilities",
    "DomainView",
    "RegisterDomainRequest",
    "SendingRampView",
    "VerifyDomainView",
]


class DNSRecord(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"priority"})

    name: str
    priority: int | None = None
    purpose: str
    status: str
    type: str
    value: str


class SendingRampView(View):
    active_days: int
    daily_recipient_limit: int
    estimated_completion_at: Timestamp | None = None
    ramp_days: int
    recipients_used_today: int
    resets_at: Timestamp | None = None
    status: str


class DomainCapabilities(View):
    inbound: str
    outbound: str


class DomainView(View):
    agent_count: int
    capabilities: DomainCapabilities
    created_at: Timestamp
    dns_records: list[DNSRecord]
    domain: str
    last_checked_at: Timestamp | None = None
    sending_error: str | None = None
    sending_last_checked_at: Timestamp | None = None
    sending_ramp: SendingRampView
    sending_status: str
    verification_token: str
    verified: bool
    verified_at: Timestamp | None = None


class RegisterDomainRequest(Request):
    domain: Annotated[str, Stated(minLength=3)]


class VerifyDomainView(View):
    dkim: str | None = None
    domain: str
    mx: str | None = None
    spf: str | None = None
    verified: bool
    verified_at: Timestamp | None = None


class DeleteDomainResult(View):
    deleted: bool
    domain: str
    sending_teardown: str | None = None


class Domains(Protocol):
    """Domains of the account and the DNS records to publish for them."""

    @operation(
        "GET",
        "/v1/domains",
        id="list_domains",
        errors=(InvalidCursor,),
        tool=Tool("List domains", "The account's domains.", READS),
    )
    async def list(self, *, cursor: Cursor = None, limit: Limit = 100) -> Page[DomainView]:
        """List the domains."""

    @operation(
        "GET",
        "/v1/domains/{domain}",
        id="get_domain",
        errors=(NotFound,),
        tool=Tool(
            "Show a domain",
            "A domain with the DNS records to publish, unaltered, and the state of each.",
            READS,
        ),
    )
    async def get(self, domain: str) -> DomainView:
        """Get a domain with the DNS records to publish and the state of each."""

    @operation(
        "POST",
        "/v1/domains",
        id="register_domain",
        answer=201,
        errors=(DomainTaken, InvalidDomain, LimitExceeded, ReservedDomain),
        tool=Tool(
            "Register a domain",
            "Claim a domain for your own inboxes. Answers with the DNS records to publish.",
            REPEATS,
        ),
    )
    async def register(self, request: RegisterDomainRequest) -> DomainView:
        """Register a domain. Registering it again returns the existing registration."""

    @operation(
        "POST",
        "/v1/domains/{domain}/verify",
        id="verify_domain",
        errors=(DomainTaken, NotFound),
        tool=Tool(
            "Verify a domain",
            "Look the records up now. DNS changes take minutes to hours: do not poll.",
            REPEATS,
        ),
    )
    async def verify(self, domain: str) -> VerifyDomainView:
        """Look the DNS records up now. A record that was verified once stays verified."""

    @operation(
        "DELETE",
        "/v1/domains/{domain}",
        id="delete_domain",
        confirm=Confirm.ALWAYS,
        errors=(DomainHasAgents, NotFound),
        tool=Tool(
            "Delete a domain",
            "Delete a domain; refused while inboxes, trashed ones too, are under it.",
            Hints(destructive=True, idempotent=True),
        ),
    )
    async def delete(self, domain: str) -> DeleteDomainResult:
        """Delete a domain. Refused while the domain has inboxes, including trashed ones."""

    @operation(
        "POST",
        "/v1/domains/{domain}/rotate-key",
        id="rotate_domain_key",
        errors=(NotFound,),
        tool=Tool(
            "Replace a DKIM key",
            "Make a new DKIM key; the current one signs until the new one's record is found in the DNS.",
        ),
    )
    async def rotate_key(self, domain: str) -> DomainView:
        """Make a new DKIM key. The current key signs until the new record is found in the DNS."""
