"""Pure functions over RFC 5322 octets: read, classify, quote, thread and compose mail. No input or output."""

from __future__ import annotations

from .addresses import (
    Address,
    header_addresses,
    is_valid_domain,
    normalize_addr_spec,
    parse_address,
    parse_address_list,
    split_plus,
    to_ascii_domain,
)
from .attachments import AttachmentMeta, attachment_content
from .automatic import AutoSubmitted, classify_automatic, received_count
from .codes import find_codes, find_verification_links
from .compose import Draft, OutgoingAttachment, compose, needs_smtputf8
from .dsn import (
    ComplaintReport,
    DeliveryReport,
    RecipientReport,
    parse_complaint_report,
    parse_delivery_report,
)
from .headers import Headers, parse_headers
from .html import html_to_text
from .parse import NestedMessage, ParsedMessage, message_author, message_ids, parse_date, parse_message
from .quoting import Original, forward_html, forward_text, quote_history, quote_history_html, split_quoted
from .threading import (
    Correspondents,
    forward_subject,
    lookup_ids,
    reply_recipients,
    reply_references,
    reply_subject,
)
from .trace import received_header, strip_authentication_results

__all__ = [
    "Address",
    "AttachmentMeta",
    "AutoSubmitted",
    "ComplaintReport",
    "Correspondents",
    "DeliveryReport",
    "Draft",
    "Headers",
    "NestedMessage",
    "Original",
    "OutgoingAttachment",
    "ParsedMessage",
    "RecipientReport",
    "attachment_content",
    "classify_automatic",
    "compose",
    "find_codes",
    "find_verification_links",
    "forward_html",
    "forward_subject",
    "forward_text",
    "header_addresses",
    "html_to_text",
    "is_valid_domain",
    "lookup_ids",
    "message_author",
    "message_ids",
    "needs_smtputf8",
    "normalize_addr_spec",
    "parse_address",
    "parse_address_list",
    "parse_complaint_report",
    "parse_date",
    "parse_delivery_report",
    "parse_headers",
    "parse_message",
    "quote_history",
    "quote_history_html",
    "received_count",
    "received_header",
    "reply_recipients",
    "reply_references",
    "reply_subject",
    "split_plus",
    "split_quoted",
    "strip_authentication_results",
    "to_ascii_domain",
]
