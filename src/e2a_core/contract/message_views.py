"""Messages as the API shows them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from e2a_core.contract.base import KeptView, Page, Timestamp, View, json_text
from e2a_core.contract.screening_views import HoldReasonView, ProtectionFindingView
from e2a_core.contract.states import DirectionText
from e2a_core.documents.document import DocumentText, Kind, Picture, kind_of
from e2a_core.mail.charsets import decode_bytes

__all__ = [
    "ArcResult",
    "AttachmentContent",
    "AttachmentMetaView",
    "AttachmentTextView",
    "AttachmentView",
    "Authentication",
    "AutoSubmittedView",
    "DKIMResult",
    "DMARCResult",
    "MessageBodyView",
    "MessagePage",
    "MessageParsedView",
    "MessageSummaryView",
    "MessageView",
    "NamedAddressView",
    "NestedMessageView",
    "PictureContent",
    "RecipientOutcomeView",
    "SPFResult",
    "Verdict",
]

_TEXT_KINDS = frozenset({Kind.TEXT, Kind.HTML, Kind.CALENDAR})


Verdict = Literal["verified", "partial", "unverified", "failed"]
"""The verdict on the sender: `verified`, the Author Domain is proven; `partial`, by a signature that leaves out some of
what is shown; `failed`, it disowns the mail; or none of these."""


class SPFResult(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"domain", "aligned"})

    status: str
    domain: str | None = None
    aligned: bool | None = None
    detail: str | None = None


class DKIMResult(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"domain", "selector", "aligned"})

    status: str
    domain: str | None = None
    selector: str | None = None
    aligned: bool | None = None
    detail: str | None = None


class DMARCResult(View):
    nullable: ClassVar[frozenset[str]] = frozenset({"domain", "policy"})

    status: str
    domain: str | None = None
    policy: str | None = None
    aligned_by: list[str] = []
    testing: bool | None = None
    """True if the domain asks to be tested only (`t=y`)."""
    detail: str | None = None


class ArcResult(View):
    """The result that the ARC chain claims (RFC 8617). For information only; never trusted."""

    status: str
    sealer: str | None = None
    detail: str | None = None


class Authentication(View):
    """Results of inbound SMTP authentication. Only `dmarc.status == "pass"` authenticates the Author Domain."""

    spf: SPFResult
    dkim: list[DKIMResult]
    dmarc: DMARCResult
    arc: ArcResult | None = None
    coverage: str | None = None
    """`partial` if a signature alone proves the Author Domain and does not cover all that a reader sees."""
    unsigned: list[str] | None = None
    """Fields present that no such signature covers. An unsigned Reply-To is not where answers go."""


class AutoSubmittedView(View):
    """Says that a machine sent the message (RFC 3834): `kind`, and the header that shows it."""

    kind: str
    reason: str


class AttachmentMetaView(View):
    index: int
    filename: str | None = None
    content_type: str | None = None
    content_id: str | None = None
    size_bytes: int


class AttachmentView(View):
    index: int
    filename: str | None = None
    content_type: str | None = None
    content_id: str | None = None
    size_bytes: int
    download_url: str
    expires_at: Timestamp
    data: str | None = None


class AttachmentContent(View):
    """The decoded bytes of an attachment with its metadata, and its charset where known. Never sent as JSON."""

    meta: AttachmentMetaView
    data: bytes
    charset: str | None = None

    @property
    def text(self) -> str | None:
        """The file as text if it is of a kind that is text, as it stands; otherwise None."""
        kind = kind_of(self.data, self.meta.content_type or "", self.meta.filename or "")
        return decode_bytes(self.data, self.charset) if kind in _TEXT_KINDS else None


class AttachmentTextView(View):
    """A page of the text of an attachment; counts are characters.

    `outcome` is `text`, or says why there is none: `empty`, `scan`, `picture`, `password`, `damaged`,
    `too_demanding` or `unsupported`; `note` says it in words. `truncated` tells that the file holds more text than
    `total_chars`, which cannot be read here.
    """

    index: int
    filename: str | None = None
    content_type: str | None = None
    size_bytes: int
    outcome: str
    note: str
    text: str = ""
    offset: int = 0
    next_offset: int | None = None
    total_chars: int = 0
    truncated: bool = False
    pages: int | None = None

    @classmethod
    def page(
        cls, meta: AttachmentMetaView, found: DocumentText, offset: int, max_chars: int
    ) -> AttachmentTextView:
        part = found.text[offset : offset + max_chars]
        end = offset + len(part)
        return cls(
            index=meta.index,
            filename=meta.filename,
            content_type=meta.content_type,
            size_bytes=meta.size_bytes,
            outcome=found.outcome.value,
            note=found.outcome.sentence,
            text=part,
            offset=offset,
            next_offset=end if part and end < len(found.text) else None,
            total_chars=len(found.text),
            truncated=found.truncated,
            pages=found.pages,
        )


class PictureContent(View):
    """A picture scaled to what a model takes, as JPEG or PNG. Never sent as JSON.

    `data` is empty unless the outcome is `picture`.
    """

    meta: AttachmentMetaView
    outcome: str
    note: str
    data: bytes = b""
    content_type: str = ""

    @classmethod
    def of(cls, meta: AttachmentMetaView, found: Picture) -> PictureContent:
        return cls(
            meta=meta,
            outcome=found.outcome.value,
            note=found.outcome.sentence,
            data=found.data,
            content_type=found.content_type,
        )


class RecipientOutcomeView(View):
    """The outcome for one recipient: pending, succeeded, failed or unknown."""

    address: str
    outcome: str
    status: str
    code: int | None = None
    enhanced: str | None = None
    detail: str | None = None
    updated_at: Timestamp


class NamedAddressView(View):
    """An address of To, Cc or Reply-To with its display name, in the sender's words; nothing proves it."""

    address: str
    name: str


class NestedMessageView(View):
    """A message attached to this one. `index` is the index of the attachment, `text` what the message says."""

    index: int
    header_from: str | None = None
    subject: str = ""
    date: str | None = None
    text: str | None = None
    truncated: bool | None = None


class MessageParsedView(View):
    """`text` is what the author wrote; `quoted_text` is the earlier mail quoted with it.

    `notes` says in sentences what the message is besides (encrypted, signed) and what is left out.
    """

    text: str
    html: str | None = None
    truncated: bool
    quoted_text: str | None = None
    unreadable_addresses: list[str] | None = None
    """Entries of address fields that are no address, such as `Cc: the whole team`. No answer can reach them."""
    nested: list[NestedMessageView] | None = None
    has_html: bool | None = None
    notes: list[str] | None = None


class MessageBodyView(View):
    text: str | None = None
    html: str | None = None


class MessageSummaryView(KeptView):
    nullable: ClassVar[frozenset[str]] = frozenset({"header_from", "envelope_from", "verified_domain"})

    id: str
    direction: DirectionText
    type: str | None = None
    """Outbound only: send, reply, forward or test."""
    header_from: str | None = None
    from_name: str | None = None
    """The display name beside the address in From, in the sender's words; nothing proves it."""
    envelope_from: str | None = None
    verified_domain: str | None = None
    author_agent: str | None = None
    """The agent of this deployment proven to be the author of mail delivered locally."""
    verdict: Verdict | None = None
    """Inbound only."""
    to: list[str] = []
    cc: list[str] | None = None
    reply_to: list[str] | None = None
    delivered_to: str
    subject: str
    preview: str | None = None
    read_status: str
    answered: bool | None = None
    """True once a reply to it was accepted. Inbound only."""
    labels: list[str]
    conversation_id: str | None = None
    thread_id: str | None = None
    created_at: Timestamp
    deleted_at: Timestamp | None = None
    scheduled_at: Timestamp | None = None
    size_bytes: int | None = None
    flagged: bool | None = None
    flag_reason: str | None = None
    delivery_status: str | None = None
    delivery_detail: str | None = None
    review_status: str | None = None
    sent_as: str | None = None
    tag: str | None = None
    auto_submitted: AutoSubmittedView | None = None
    attachment_count: int | None = None
    names: list[NamedAddressView] | None = None
    """Inbound only: the addresses of To, Cc and Reply-To that have display names."""
    found_in: list[str] | None = None
    """Files in which words of a full-text search occur."""


class MessagePage(Page[MessageSummaryView]):
    """One page of mail."""

    unsearched: list[str] | None = None
    """Words of a full-text query that were not looked for, since it has too many."""

    def to_json(self) -> bytes:
        return super().to_json() if self.unsearched is None else json_text(self.to_wire())


class MessageView(View):
    """One message in full. `raw_message` is base64, or null while an outbound draft is held."""

    nullable: ClassVar[frozenset[str]] = frozenset(
        {"header_from", "envelope_from", "verified_domain", "authentication", "raw_message"}
    )

    id: str
    agent_email: str | None = None
    """The inbox. Set only in reviews, where the call does not name it."""
    direction: DirectionText
    type: str | None = None
    """As in `MessageSummaryView`."""
    header_from: str | None = None
    from_name: str | None = None
    """As in `MessageSummaryView`."""
    envelope_from: str | None = None
    verified_domain: str | None = None
    author_agent: str | None = None
    verdict: Verdict | None = None
    """Both as in `MessageSummaryView`."""
    authentication: Authentication | None = None
    auth_headers: dict[str, str] | None = None
    to: list[str] = []
    cc: list[str] = []
    reply_to: list[str] = []
    bcc: list[str] | None = None
    names: list[NamedAddressView] | None = None
    """As in `MessageSummaryView`."""
    delivered_to: str
    tag: str | None = None
    subject: str
    read_status: str
    answered: bool | None = None
    labels: list[str]
    conversation_id: str
    thread_id: str | None = None
    email_message_id: str | None = None
    provider_message_id: str | None = None
    created_at: Timestamp
    deleted_at: Timestamp | None = None
    scheduled_at: Timestamp | None = None
    size_bytes: int | None = None
    flagged: bool | None = None
    flag_reason: str | None = None
    auto_submitted: AutoSubmittedView | None = None
    delivery_status: str | None = None
    delivery_detail: str | None = None
    review_status: str | None = None
    rejection_reason: str | None = None
    approval_expires_at: Timestamp | None = None
    sent_as: str | None = None
    method: str | None = None
    recipients: list[RecipientOutcomeView] | None = None
    hold_reason: HoldReasonView | None = None
    protection: list[ProtectionFindingView] | None = None
    content_hash: str | None = None
    parsed: MessageParsedView | None = None
    body: MessageBodyView | None = None
    attachments: list[AttachmentMetaView] = []
    delivery_report: dict[str, Any] | None = None
    raw_message: str | None = None
