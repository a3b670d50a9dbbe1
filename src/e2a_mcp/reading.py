"""Renders one message as a tool result: of bounded size, in pages, with the sender's words fenced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from e2a_core.contract.message_views import MessageView
from e2a_core.ids import Ids
from e2a_mcp.fence import Fence, plain_line, plain_text
from e2a_mcp.render import (
    MAX_ADDRESSES,
    MAX_NAME,
    attachment_link,
    has_others_words,
    message_head,
    names_of,
    sender,
    source_link,
    trust,
    with_few_addresses,
)
from e2a_mcp.tool import Reply

__all__ = ["DEFAULT_MAX_CHARS", "MAX_MAX_CHARS", "Format", "read_message"]

Format = Literal["text", "full", "html", "headers"]

DEFAULT_MAX_CHARS = 20_000
"""About 5,000 tokens: enough for a long mail, not for every newsletter."""
MAX_MAX_CHARS = 100_000

_LEFT_OUT = {"raw_message", "parsed", "body", "created_at", "verdict"}
_SENDER_FIELDS = (
    *("header_from", "from_name", "envelope_from", "to", "cc", "reply_to", "names", "delivered_to", "tag"),
    *(
        "subject",
        "email_message_id",
        "auth_headers",
        "authentication",
        "auto_submitted",
        "flag_reason",
        "hold_reason",
    ),
)
_PART_FIELDS = ("conversation_id", "unreadable_addresses", "attachments", "nested", "delivery_report")
_OTHERS_FIELDS = (
    *(
        "delivery_detail",
        "recipients",
        "rejection_reason",
        "provider_message_id",
        "flag_reason",
        "hold_reason",
    ),
)
"""Members of sent mail that hold words of other servers or people."""
MAX_ADDRESS_CHARS = 4000
"""Characters shown of one address field; the members have each address."""
MAX_ATTACHMENTS = 50
"""Attachments listed in one result. A message may have more; each can be fetched by its index."""


def read_message(
    view: MessageView,
    email: str,
    ids: Ids,
    *,
    format: Format = "text",
    offset: int = 0,
    max_chars: int = DEFAULT_MAX_CHARS,
    raw: bytes | None = None,
    extra: dict[str, Any] | None = None,
    extra_lines: tuple[str, ...] = (),
    extra_notes: tuple[str, ...] = (),
    head_lines: tuple[str, ...] = (),
    always_fenced: bool = False,
) -> Reply:
    """Returns the tool result for `view`.

    `offset` and `max_chars` count characters of the body in the requested format. `extra` members and `extra_lines`
    are added by the caller; a sender's words in them are fenced too. `head_lines` and `extra_notes` are words of this
    server. An agent's own mail is not fenced, unless `always_fenced` is set because somebody else reads it.
    """
    member = format if format in {"html", "headers"} else "text"
    body = plain_text(_body(view, format, raw))
    part = body[offset : offset + max_chars]
    fenced = always_fenced or has_others_words(view)
    fence = Fence(ids, [part, *_words(view), *extra_lines, *map(str, (extra or {}).values())])

    structured = _members(view, extra_notes)
    structured[member] = fence.around(part) if part and fenced else part
    structured |= _extent(view, format, len(body), offset, offset + len(part))
    for name, value in (extra or {}).items():
        structured[name] = fence.around(value) if fenced and isinstance(value, str) else value
    fields = _SENDER_FIELDS if view.direction == "inbound" else _OTHERS_FIELDS
    if fenced:
        fields = (*fields, "subject", member, *(extra or ()), *_PART_FIELDS)
    if theirs := [name for name in dict.fromkeys(fields) if structured.get(name)]:
        structured["untrusted"] = fence.note(theirs)

    metas = structured.get("attachments", [])
    links = tuple(attachment_link(email, view.id, meta, fence if fenced else None) for meta in metas)
    if view.parsed and view.parsed.truncated:
        links = (*links, source_link(email, view))
    lines = [*message_head(view, email, fence), *head_lines]
    lines += _text(view, fence, part, structured, extra_lines, format=format, fenced=fenced)
    return Reply(structured, "\n".join(lines), links, untrusted=fenced)


def _words(view: MessageView) -> list[str | None]:
    """What is shown of others' words beside the text, which no fence may resemble."""
    return [view.subject, view.header_from, view.from_name, *names_of(view).values(), view.delivery_detail]


def _members(view: MessageView, extra_notes: tuple[str, ...]) -> dict[str, Any]:
    """What is shown of a message besides its text."""
    members = with_few_addresses(view.model_dump(mode="json", exclude=_LEFT_OUT))
    if len(view.attachments) > MAX_ATTACHMENTS:
        members["attachments"] = members["attachments"][:MAX_ATTACHMENTS]
        members["attachment_count"] = len(view.attachments)
    members["received_at"] = view.model_dump(mode="json", include={"created_at"})["created_at"]
    members["subject"] = plain_line(view.subject, 2000)
    if view.parsed and view.parsed.nested:
        members["nested"] = [
            {name: value for name, value in item.to_wire().items() if name != "text"}
            for item in view.parsed.nested
        ]
    if view.parsed and view.parsed.has_html is not None:
        members["has_html"] = view.parsed.has_html
    if notes := [*_notes(view), *extra_notes]:
        members["notes"] = notes
    if view.from_name:
        members["from_name"] = plain_line(view.from_name, MAX_NAME)
    if unreadable := _unreadable(view):
        members["unreadable_addresses"] = [plain_line(entry) for entry in unreadable]
    if view.direction == "inbound":
        proven = view.verified_domain or view.author_agent
        members["trust"] = view.verdict or trust(proven, view.authentication)
    return members


def _extent(view: MessageView, format: Format, total: int, offset: int, end: int) -> dict[str, Any]:
    """How much of the text is shown, and where to go on; counts characters."""
    extent: dict[str, Any] = {"truncated": end < total or bool(view.parsed and view.parsed.truncated)}
    if offset or end < total:
        extent["total_chars"] = total
    if end < total:
        extent["next_offset"] = end
    if format == "text" and view.parsed and view.parsed.quoted_text:
        extent["quoted_chars"] = len(view.parsed.quoted_text)
    attached = sum(len(item.text or "") for item in (view.parsed.nested if view.parsed else None) or [])
    if format == "text" and attached:
        extent["attached_chars"] = attached
    return extent


def _body(view: MessageView, format: Format, raw: bytes | None) -> str:
    parsed, stored = view.parsed, view.body
    if format == "headers":
        head = (raw or b"").replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        return head.decode("utf-8", "replace")
    if format == "html":
        return (parsed.html if parsed else None) or (stored.html if stored else None) or ""
    text = (parsed.text if parsed else None) or (stored.text if stored else None) or ""
    if format != "full" or parsed is None:
        return text
    attached = [
        f"[attached message {item.index}: {plain_line(item.subject)}, from {plain_line(item.header_from)}]\n{item.text}"
        for item in parsed.nested or []
        if item.text
    ]
    return "\n\n".join(piece for piece in [text, parsed.quoted_text, *attached] if piece)


def _notes(view: MessageView) -> list[str]:
    """What a reader has to know about the message besides its words; ours, not the sender's."""
    notes = list(view.parsed.notes or []) if view.parsed else []
    nested = view.parsed.nested or [] if view.parsed else []
    if any(item.truncated for item in nested):
        notes.append("the text of attached messages is cut; each can be downloaded whole as an attachment")
    if len(view.attachments) > MAX_ATTACHMENTS:
        notes.append(
            f"attachments from {MAX_ATTACHMENTS} to {len(view.attachments) - 1} are not listed; "
            "each can be read by its index"
        )
    return notes


def _text(
    view: MessageView,
    fence: Fence,
    part: str,
    structured: dict[str, Any],
    extra_lines: tuple[str, ...],
    *,
    format: Format,
    fenced: bool,
) -> list[str]:
    words = [f"{name}: {value}" for name, value in _headers(view) if value]
    words += extra_lines
    if part:
        words += ["", part]
    lines = [fence.notice, fence.around("\n".join(words))] if fenced else words
    if structured.get("next_offset") is not None:
        lines.append(
            f"{structured['total_chars']} characters in all; go on with get_message format={format} "
            f"offset={structured['next_offset']}"
        )
    elif view.parsed and view.parsed.truncated and not view.parsed.notes:
        lines.append("the body is longer than what is shown; the raw message has all of it")
    if structured.get("quoted_chars"):
        lines.append(
            f"{structured['quoted_chars']} characters of quoted history left out; format=full has them"
        )
    if structured.get("attached_chars"):
        lines.append(
            f"{structured['attached_chars']} characters of attached messages left out; format=full has them"
        )
    lines += [f"note: {note}" for note in structured.get("notes", [])]
    if not part:
        lines.append("no text in this part")
    return lines


def _headers(view: MessageView) -> list[tuple[str, str]]:
    names = names_of(view)
    return [
        ("From", sender(view.header_from, view.from_name)),
        ("Envelope sender", "" if view.header_from else plain_line(view.envelope_from)),
        ("Reply-To", _addresses(view.reply_to, names)),
        ("To", _addresses(view.to, names)),
        ("Cc", _addresses(view.cc, names)),
        ("Bcc", _addresses(view.bcc or [], names)),
        ("Not readable as addresses", plain_line("; ".join(_unreadable(view)), 1000)),
        ("Subject", plain_line(view.subject, 2000)),
        (
            "Attachments",
            "; ".join(
                f"{meta.index} {plain_line(meta.filename, 120) or 'unnamed'}"
                f" {plain_line(meta.content_type, 80)} {meta.size_bytes} bytes"
                for meta in view.attachments[:MAX_ATTACHMENTS]
            )
            + _more(len(view.attachments) - MAX_ATTACHMENTS),
        ),
    ]


def _unreadable(view: MessageView) -> list[str]:
    return (view.parsed.unreadable_addresses if view.parsed else None) or []


def _addresses(addresses: list[str], names: Mapping[str, str]) -> str:
    shown = ", ".join(sender(address, names.get(address)) for address in addresses[:MAX_ADDRESSES])
    return plain_line(shown, MAX_ADDRESS_CHARS) + _more(len(addresses) - MAX_ADDRESSES)


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
