"""Domains: registration, the records to publish, verification."""

from __future__ import annotations

from typing import Annotated, ClassVar

from e2a_core.contract.base import Request, Stated, Timestamp, View

__all__ = [
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
