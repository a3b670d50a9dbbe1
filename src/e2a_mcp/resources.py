"""Mail as MCP resources: an inbox, a message, its source, an attachment, a conversation, the review queue."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote

from mcp.shared.exceptions import MCPError
from mcp_types import (
    Annotations,
    BlobResourceContents,
    ListResourcesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import AttachmentContent
from e2a_core.contract.messages import MessageQuery
from e2a_core.errors import InvalidCursor
from e2a_mcp.fence import plain_line
from e2a_mcp.icons import ICONS
from e2a_mcp.reading import MAX_MAX_CHARS, read_message
from e2a_mcp.render import mail_uri
from e2a_mcp.results import not_found_code
from e2a_mcp.tool import Call, Reply
from e2a_mcp.tools.messages import message_rows
from e2a_mcp.tools.organising import GetConversation, get_conversation
from e2a_mcp.tools.reviews import review_rows
from e2a_mcp.uris import MailTarget, parse_mail_uri

__all__ = ["REVIEWS_URI", "list_resources", "read_resource", "review_page_template", "templates"]

REVIEWS_URI = "mail://reviews"
INBOX_ROWS = 50
FIXED_TTL_MS = 3_600_000
"""How long clients may cache raw messages and attachments, which never change once stored."""

_PLAIN = "text/plain"

_FOR_BOTH = Annotations(audience=["user", "assistant"], priority=0.8)
_FOR_A_PERSON = Annotations(audience=["user"], priority=0.9)
"""Held mail waits for a person; a model needs it only when asked."""

_REVIEWS = Resource(
    name="reviews",
    title="Review queue",
    uri=REVIEWS_URI,
    description="Mail waiting for a person's decision.",
    mime_type=_PLAIN,
    icons=ICONS,
    annotations=_FOR_A_PERSON,
)

templates = [
    ResourceTemplate(
        name="inbox",
        title="Inbox",
        uri_template="mail://{email}/inbox",
        description="The newest mail of an inbox, read and unread.",
        mime_type=_PLAIN,
    ),
    ResourceTemplate(
        name="message",
        title="Message",
        uri_template="mail://{email}/messages/{id}",
        description="One message as text, the sender's words fenced. Reading it here does not mark it read.",
        mime_type=_PLAIN,
    ),
    ResourceTemplate(
        name="raw-message",
        title="Message source",
        uri_template="mail://{email}/messages/{id}/raw",
        description="The message as handed on, RFC 5322.",
        mime_type="message/rfc822",
    ),
    ResourceTemplate(
        name="attachment",
        title="Attachment",
        uri_template="mail://{email}/messages/{id}/attachments/{index}",
        description="The bytes of one attachment. The URI can be given to a send tool.",
    ),
    ResourceTemplate(
        name="conversation",
        title="Conversation",
        uri_template="mail://{email}/conversations/{id}",
        description="A thread: its messages as rows, oldest first.",
        mime_type=_PLAIN,
    ),
]

review_page_template = ResourceTemplate(
    name="review-page",
    title="Review queue, next page",
    uri_template="mail://reviews?cursor={cursor}",
    description="More mail waiting for a person's decision: the cursor is that of the page before.",
    mime_type=_PLAIN,
)
"""Listed to accounts only."""


async def list_resources(session: Session, cursor: str | None) -> ListResourcesResult:
    """Returns a page of the session's inboxes; the last one of an account has its review queue too.

    Raises `InvalidCursor` for a cursor that no page ended with.
    """
    principal = session.principal
    if principal.scope == "agent":
        if cursor is not None:
            raise InvalidCursor("the list has one page")
        emails, following = [principal.agent_email or ""], None
    else:
        page = await session.agents.list(cursor=cursor)
        emails, following = [agent.email for agent in page.items], page.next_cursor
    found = [
        Resource(
            name=f"inbox of {email}",
            title=email,
            uri=mail_uri(email, "inbox"),
            mime_type=_PLAIN,
            icons=ICONS,
            annotations=_FOR_BOTH,
        )
        for email in emails
        if email
    ]
    if principal.scope == "account" and following is None:
        found.append(_REVIEWS)
    return ListResourcesResult(resources=found, next_cursor=following)


async def read_resource(call: Call, uri: str, version: str) -> ReadResourceResult:
    """Returns the content of a resource.

    Raises `MCPError` for a URI that names no resource, and the `E2AError` of the engine.
    """
    queue, paged, cursor = uri.partition("?cursor=")
    target = parse_mail_uri(queue if paged and queue == REVIEWS_URI else uri)
    if target is None or (target.kind == "reviews" and call.session.principal.scope != "account"):
        raise MCPError(not_found_code(version), "no such resource", {"uri": plain_line(uri)})
    return await _read(call, target, uri, unquote(cursor) or None)


async def _read(call: Call, target: MailTarget, uri: str, cursor: str | None) -> ReadResourceResult:
    messages = call.session.messages
    match target.kind:
        case "raw":
            return _blob(uri, await messages.raw(target.email, target.id), "message/rfc822")
        case "attachment":
            content = await messages.attachment_content(target.email, target.id, target.index)
            return _file(uri, content)
        case "message":
            view = await messages.get(target.email, target.id, peek=True, whole=True)
            return _text(
                uri,
                read_message(view, target.email, call.services.ids, format="full", max_chars=MAX_MAX_CHARS),
            )
        case "conversation":
            arguments = GetConversation(email=target.email, conversation_id=target.id)
            return _text(uri, await get_conversation(call, arguments))
        case "reviews":
            held = await call.session.reviews.list(cursor=cursor)
            return _text(uri, review_rows(call, "reviews", held.items, held.next_cursor))
        case "inbox":
            newest = MessageQuery(read_status="all", limit=INBOX_ROWS)
            return _text(uri, message_rows(call, target.email, await messages.list(target.email, newest)))


def _text(uri: str, reply: Reply) -> ReadResourceResult:
    meta: dict[str, Any] | None = {"dev.e2a/untrusted": True} if reply.untrusted else None
    contents = TextResourceContents(uri=uri, mime_type=_PLAIN, text=reply.text or "", _meta=meta)
    return ReadResourceResult(contents=[contents], ttl_ms=0, cache_scope="private")


def _file(uri: str, content: AttachmentContent) -> ReadResourceResult:
    """An attachment: as text if it is text, which hosts show and models read; otherwise its octets."""
    text = content.text
    if text is None:
        return _blob(uri, content.data, content.meta.content_type)
    contents = TextResourceContents(
        uri=uri,
        mime_type=plain_line(content.meta.content_type, 127) or _PLAIN,
        text=text,
        _meta={"dev.e2a/untrusted": True},
    )
    return ReadResourceResult(contents=[contents], ttl_ms=FIXED_TTL_MS, cache_scope="private")


def _blob(uri: str, data: bytes, content_type: str | None) -> ReadResourceResult:
    contents = BlobResourceContents(
        uri=uri,
        mime_type=plain_line(content_type, 127) or "application/octet-stream",
        blob=base64.b64encode(data).decode(),
        _meta={"dev.e2a/untrusted": True},
    )
    return ReadResourceResult(contents=[contents], ttl_ms=FIXED_TTL_MS, cache_scope="private")
