"""What one check found. Ids and reason codes are stable: programs branch on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from e2a_core.visible import one_line

__all__ = ["TITLES", "Cause", "Finding", "Status", "fail", "passed", "quoted", "skip", "warn"]

QUOTED_CHARACTERS = 200
"""What others say, such as a DNS record, is cut here: the start shows what it is."""

TITLES = {
    "cli.config": "Settings",
    "cli.version": "Versions",
    "clock.offset": "Clock",
    "home.folder": "Home",
    "home.files": "Files of the home",
    "home.secret": "Signing secret",
    "store.integrity": "Store",
    "store.migrations": "Schema of the store",
    "store.size": "Size of the store",
    "store.space": "Free space",
    "port.smtp": "SMTP listener",
    "port.http": "HTTP listener",
    "tls.certificate": "Certificate of the SMTP listener",
    "tls.served": "Certificate that is served",
    "tls.public_url": "Certificate of the public URL",
    "smtp.config": "Settings of the upstream relay",
    "relay.connection": "Upstream relay",
    "relay.auth": "Credentials at the upstream relay",
    "host.address": "Address of the mail host",
    "host.ptr": "Name of that address",
    "domain.registered": "Domain",
    "domain.ownership": "Proof of ownership",
    "domain.mx": "MX record",
    "domain.dkim": "DKIM record",
    "domain.mailfrom_mx": "MX record of the return path",
    "domain.spf": "SPF record",
    "domain.dmarc": "DMARC record",
    "domain.sending": "Sending for the domain",
    "signature.dkim": "Signature, verified by dkimpy",
    "api.reachability": "Deployment",
    "api.auth": "API key",
    "agent.access": "Inbox",
    "mcp.stdio": "MCP over stdio",
    "mcp.reachability": "MCP over HTTP",
    "mcp.handshake": "MCP session over HTTP",
    "mcp.auth_metadata": "Sign-in of MCP clients",
    "webhook.config": "Webhook",
    "webhook.delivery": "Deliveries of the webhook",
    "webhook.reachability": "Endpoint of the webhook",
    "doctor.internal": "The check itself",
}
"""Every id, with what it is about."""


class Status(StrEnum):
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Cause(StrEnum):
    """Who can mend a failure: the holder of a credential, whoever configures, or time."""

    AUTH = "auth"
    CONFIG = "config"
    TRANSIENT = "transient"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `target` is the domain, file or address that it looked at.

    `detail` and `fix` are one line each, in which nothing hides. A finding that is not passed says in `fix` what to do,
    unless there is nothing to do. `cause` is set if it failed.
    """

    id: str
    status: Status
    reason_code: str
    detail: str
    fix: str = ""
    target: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    cause: Cause | None = None

    def as_json(self) -> dict[str, Any]:
        """The check in the form of `e2a.doctor/v1`; members without a value are left out."""
        found: dict[str, Any] = {
            "id": self.id,
            "title": TITLES[self.id],
            "status": self.status.value,
            "reason_code": self.reason_code,
            "target": one_line(self.target),
            "detail": one_line(self.detail),
            "evidence": dict(self.evidence),
            "fix": one_line(self.fix),
            # The name of the member in the schema that other programs of e2a write.
            "remediation": one_line(self.fix),
        }
        return {name: value for name, value in found.items() if value not in ("", {})}


def passed(id: str, detail: str, *, target: str = "", **evidence: Any) -> Finding:
    return Finding(id, Status.PASS, "ok", detail, target=target, evidence=evidence)


def skip(id: str, reason_code: str, detail: str, *, fix: str = "", target: str = "") -> Finding:
    return Finding(id, Status.SKIP, reason_code, detail, fix, target)


def warn(id: str, reason_code: str, detail: str, fix: str, *, target: str = "", **evidence: Any) -> Finding:
    return Finding(id, Status.WARN, reason_code, detail, fix, target, evidence)


def fail(
    id: str,
    reason_code: str,
    detail: str,
    fix: str,
    *,
    cause: Cause = Cause.CONFIG,
    target: str = "",
    **evidence: Any,
) -> Finding:
    return Finding(id, Status.FAIL, reason_code, detail, fix, target, evidence, cause)


def quoted(text: str | bytes) -> str:
    """What somebody else wrote, to be shown: one line in which nothing hides, cut if it is long."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    cut = text[:QUOTED_CHARACTERS]
    return one_line(cut) + ("..." if len(text) > QUOTED_CHARACTERS else "")
