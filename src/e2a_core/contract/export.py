"""The export of an account, and the counts of its deletion."""

from __future__ import annotations

from typing import ClassVar

from e2a_core.contract.base import Timestamp, View
from e2a_core.contract.message_views import AttachmentMetaView, Authentication

__all__ = [
    "APIKeyExportEntry",
    "AgentIdentity",
    "DeleteUserDataResult",
    "Domain",
    "Message",
    "OAuthConnectionEntry",
    "ProtectionEventExportEntry",
    "SuppressionExportEntry",
    "UsageEventEntry",
    "UserExport",
    "UserExportUser",
]


class AgentIdentity(View):
    created_at: Timestamp
    deleted_at: Timestamp | None = None
    domain: str
    domain_verified: bool
    email: str
    inbound_7d: int
    inbound_allowlist: list[str] | None = None
    inbound_policy: str
    inbound_policy_action: str
    inbound_scan: str
    inbound_scan_block_threshold: float
    inbound_scan_review_threshold: float
    inbound_scan_sensitivity: str
    last_delivery_at: Timestamp | None = None
    name: str
    on_expiry: str
    outbound_7d: int
    outbound_allowlist: list[str] | None = None
    outbound_policy: str
    outbound_policy_action: str
    outbound_scan: str
    outbound_scan_block_threshold: float
    outbound_scan_review_threshold: float
    outbound_scan_sensitivity: str
    pending_count: int
    public: bool
    registered_domain: str
    suppress_notifications: bool
    ttl_seconds: int
    user_id: str
    webhook_status: str | None = None


class APIKeyExportEntry(View):
    created_at: Timestamp
    id: str
    key_prefix: str
    last_used_at: Timestamp | None = None
    name: str
    revoked_at: Timestamp | None = None


class Domain(View):
    agent_count: int
    created_at: Timestamp
    dkim_public_key: str | None = None
    dkim_selector: str | None = None
    domain: str
    last_checked_at: Timestamp | None = None
    primary: bool
    sending_error: str | None = None
    sending_last_checked_at: Timestamp | None = None
    sending_status: str
    user_id: str | None = None
    verification_token: str
    verified: bool
    verified_at: Timestamp | None = None


class Message(View):
    nullable: ClassVar[frozenset[str]] = frozenset(
        {"authentication", "envelope_from", "expires_at", "header_from", "verified_domain"}
    )

    agent_email: str
    approval_expires_at: Timestamp | None = None
    attachments: list[AttachmentMetaView] | None = None
    authentication: Authentication | None = None
    bcc: list[str] | None = None
    cc: list[str] | None = None
    conversation_id: str | None = None
    created_at: Timestamp
    deleted_at: Timestamp | None = None
    delivered_to: str
    delivery_detail: str | None = None
    delivery_status: str | None = None
    direction: str
    edited: bool | None = None
    email_message_id: str | None = None
    envelope_from: str | None = None
    expires_at: Timestamp | None = None
    flag_reason: str | None = None
    flagged: bool | None = None
    header_from: str | None = None
    html: str | None = None
    id: str
    labels: list[str] | None = None
    method: str | None = None
    provider_message_id: str | None = None
    raw_message: str | None = None
    read_status: str | None = None
    rejection_reason: str | None = None
    reply_to: list[str] | None = None
    review_reason: str | None = None
    reviewed_at: Timestamp | None = None
    reviewed_by_name: str | None = None
    reviewed_by_user_id: str | None = None
    scan_action: str | None = None
    scan_score: float | None = None
    scheduled_at: Timestamp | None = None
    sent_as: str | None = None
    size_bytes: int | None = None
    status: str | None = None
    subject: str
    text: str | None = None
    to: list[str] | None = None
    type: str | None = None
    verified_domain: str | None = None
    webhook_attempts: int | None = None
    webhook_error: str | None = None
    webhook_status: str | None = None


class ProtectionEventExportEntry(View):
    action: str
    agent_email: str
    created_at: Timestamp
    detector: str | None = None
    direction: str
    id: str
    message_id: str
    peer_address: str | None = None
    reason: str
    scan_score: float | None = None
    source: str


class SuppressionExportEntry(View):
    address: str
    agent_email: str | None = None
    created_at: Timestamp
    reason: str | None = None
    source: str


class UsageEventEntry(View):
    agent_email: str
    created_at: Timestamp
    direction: str
    domain: str
    id: str
    type: str


class OAuthConnectionEntry(View):
    agent_email: str
    client_id: str
    client_name: str
    expires_at: Timestamp | None = None
    issued_at: Timestamp
    revoked_at: Timestamp | None = None
    scope: str


class UserExportUser(View):
    created_at: Timestamp
    email: str
    id: str
    name: str


class UserExport(View):
    agents: list[AgentIdentity]
    api_keys: list[APIKeyExportEntry]
    domains: list[Domain]
    generated_at: Timestamp
    messages: list[Message]
    oauth_connections: list[OAuthConnectionEntry] | None = None
    protection_events: list[ProtectionEventExportEntry]
    schema_version: str
    suppressions: list[SuppressionExportEntry]
    usage_events: list[UsageEventEntry] | None = None
    user: UserExportUser


class DeleteUserDataResult(View):
    agent_suppressions_deleted: int
    agent_unsubscribe_tokens_deleted: int
    agents_deleted: int
    api_keys_deleted: int
    deleted: bool
    domains_deleted: int
    messages_deleted: int
    oauth_access_tokens_deleted: int | None = None
    oauth_auth_codes_deleted: int | None = None
    oauth_refresh_tokens_deleted: int | None = None
    sessions_deleted: int
    usage_events_deleted: int
    usage_summaries_deleted: int
    user_deleted: bool
