"""The view of a domain, with the DNS records its owner must publish."""

from __future__ import annotations

from collections.abc import Sequence

from e2a_core.clock import from_micros
from e2a_core.contract.domains import DNSRecord, DomainCapabilities, DomainView, SendingRampView
from e2a_core.domains.queries import DkimKeyRow, DomainRow
from e2a_core.domains.sending import sending_status
from e2a_core.settings import Settings

__all__ = ["advised_spf", "dkim_name", "domain_view", "listed_keys"]

MX_PRIORITY = 10
_NO_RAMP = SendingRampView(
    status="inactive", daily_recipient_limit=0, recipients_used_today=0, active_days=0, ramp_days=0
)
_DMARC_ADVICE = "v=DMARC1; p=none"
"""A policy without requests to receivers, so that the owner can first monitor results (RFC 9989 section 4.7)."""


def domain_view(settings: Settings, row: DomainRow, keys: Sequence[DkimKeyRow]) -> DomainView:
    """The view of a domain; `keys` are all its keys, oldest first."""
    inbound = _status(row.verified_at)
    outbound = sending_status(row, keys)
    checked = None if row.last_checked_at is None else from_micros(row.last_checked_at)
    return DomainView(
        domain=row.domain,
        verified=row.verified_at is not None,
        verified_at=None if row.verified_at is None else from_micros(row.verified_at),
        verification_token=row.verification_token,
        dns_records=_dns_records(settings.hostname, row, keys),
        capabilities=DomainCapabilities(inbound=inbound, outbound=outbound),
        sending_status=outbound,
        sending_ramp=_NO_RAMP,
        sending_last_checked_at=checked,
        last_checked_at=checked,
        agent_count=row.agents,
        created_at=from_micros(row.created_at),
    )


def listed_keys(keys: Sequence[DkimKeyRow]) -> list[DkimKeyRow]:
    """The keys whose records must be in the DNS: those in use, and the one that the last rotation retired.

    Mail signed with the latter may be in transit; its record can be removed after the next rotation.
    """
    newest = max((key.created_at for key in keys), default=0)
    return [key for key in keys if key.retired_at is None or key.retired_at >= newest]


def dkim_name(key: DkimKeyRow) -> str:
    """The DNS name of the key's record (RFC 6376 section 3.6.2.1)."""
    return f"{key.selector}._domainkey.{key.domain}"


def advised_spf(hostname: str) -> str:
    """An SPF record that authorises the relay's host to send for the domain (RFC 7208 section 5.3)."""
    return f"v=spf1 a:{hostname} ~all"


def _dns_records(hostname: str, row: DomainRow, keys: Sequence[DkimKeyRow]) -> list[DNSRecord]:
    apex, inbound = row.domain, _status(row.verified_at)
    return [
        _record("ownership", "TXT", apex, row.verification_token, inbound),
        _record("inbound_mx", "MX", apex, hostname, inbound, MX_PRIORITY),
        _record("inbound_mx_wildcard", "MX", f"*.{apex}", hostname, "pending", MX_PRIORITY),
        *(
            _record("dkim", "TXT", dkim_name(key), key.public_key, _status(key.published_at))
            for key in listed_keys(keys)
        ),
        _record("spf", "TXT", apex, advised_spf(hostname), "pending"),
        _record("dmarc", "TXT", f"_dmarc.{apex}", _DMARC_ADVICE, "pending"),
    ]


def _record(
    purpose: str, rdtype: str, name: str, value: str, status: str, priority: int | None = None
) -> DNSRecord:
    return DNSRecord(purpose=purpose, type=rdtype, name=name, value=value, status=status, priority=priority)


def _status(since: int | None) -> str:
    return "pending" if since is None else "verified"
