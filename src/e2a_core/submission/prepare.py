"""Drafts from requests: what a send, a reply and a forward take from the caller and from the parent message."""

from __future__ import annotations

from html import escape

from e2a_core.agents.queries import AgentRow
from e2a_core.contract.sending import ForwardRequest, ReplyRequest, SendEmailRequest
from e2a_core.contract.states import Method
from e2a_core.errors import MessageNotYetDelivered
from e2a_core.mail.addresses import header_addresses
from e2a_core.mail.body import Letter
from e2a_core.mail.headers import is_header_text
from e2a_core.mail.parse import ParsedMessage
from e2a_core.mail.quoting import (
    Original,
    forward_html,
    forward_text,
    quote_history,
    quote_history_html,
)
from e2a_core.mail.threading import (
    Correspondents,
    forward_subject,
    reply_recipients,
    reply_references,
    reply_subject,
)
from e2a_core.messages.rows import MessageRow
from e2a_core.messages.state import UNDER_WAY
from e2a_core.submission.draft import Draft, DraftAttachment, check_draft, decode_attachments
from e2a_core.templates.rendering import refers_to_template

__all__ = ["forward_draft", "reply_draft", "send_draft", "test_draft"]

_MAX_OUTLOOK_FIELD = 998
_TEST_SUBJECT = "Test message from e2a"
_TEST_TEXT = (
    "The deployment sent this message to show that mail reaches this inbox. Nothing needs to be done."
)


def send_draft(request: SendEmailRequest) -> Draft:
    """The draft of a new message. One that refers to a template is checked later, when the template is rendered."""
    draft = Draft(
        type="send",
        to=request.to,
        cc=request.cc or [],
        bcc=request.bcc or [],
        reply_to=request.reply_to or [],
        subject=request.subject or "",
        text=request.text or "",
        html=request.html or None,
        attachments=decode_attachments(request.attachments),
        conversation_id=request.conversation_id or "",
    )
    if not refers_to_template(request):
        check_draft(draft)
    return draft


def test_draft(agent: AgentRow) -> Draft:
    """The draft of a test message from the deployment to the agent."""
    return Draft(
        type="test",
        to=[agent.email],
        cc=[],
        bcc=[],
        reply_to=[],
        subject=_TEST_SUBJECT,
        text=_TEST_TEXT,
        html=None,
    )


def reply_draft(
    agent: AgentRow, parent: MessageRow, parsed: ParsedMessage, letter: Letter, request: ReplyRequest
) -> Draft:
    """The draft of a reply to `parent`, whose `letter` is quoted if the request asks for it.

    It goes to Reply-To, unless nobody vouches for it, else to From of the parent, or to its recipients if the agent
    sent it; `reply_all` adds the others. Subject, references and thread follow RFC 5322 section 3.6.4. Raises
    `MessageNotYetDelivered` if the parent is still being submitted, and what `check_draft` raises.
    """
    parent_ref = _thread_reference(parent)
    to, cc = _answered(agent, parent, parsed, reply_all=bool(request.reply_all))
    text, html = request.text or "", request.html or None
    if request.quote_history:
        text, html = _with_history(text, html, _author(parent, parsed), parsed, letter)
    draft = Draft(
        type="reply",
        to=to,
        cc=_without([*cc, *(request.cc or [])], to),
        bcc=request.bcc or [],
        reply_to=request.reply_to or [],
        subject=reply_subject(parent.subject),
        text=text,
        html=html,
        attachments=decode_attachments(request.attachments),
        conversation_id=request.conversation_id or parent.conversation_id,
        parent_id=parent.id,
        thread_id=parent.thread_id,
        in_reply_to=parent_ref,
        thread_index=_outlook_field(parsed, "thread-index"),
        thread_topic=_outlook_field(parsed, "thread-topic"),
        references=reply_references(parent_ref, parsed.references, parsed.in_reply_to) if parent_ref else [],
    )
    check_draft(draft)
    return draft


def _answered(
    agent: AgentRow, parent: MessageRow, parsed: ParsedMessage, *, reply_all: bool
) -> tuple[list[str], list[str]]:
    """Whom a reply to `parent` goes to, in To and in Cc."""
    # Nobody vouches for an unsigned Reply-To, so that an answer to it could go to whoever added it.
    unsigned = (parent.authentication or {}).get("unsigned", ())
    correspondents = Correspondents(
        header_from=parent.header_from,
        reply_to=[] if "reply-to" in unsigned else parsed.reply_to,
        to=parent.to_addresses,
        cc=parent.cc,
        outbound=not parent.inbound,
    )
    return reply_recipients(
        correspondents,
        reply_all=reply_all,
        own_address=agent.email,
        aliases=[parent.delivered_to] if parent.inbound else [],
    )


def forward_draft(
    parent: MessageRow,
    parsed: ParsedMessage,
    letter: Letter,
    attachments: list[DraftAttachment],
    request: ForwardRequest,
) -> Draft:
    """The draft that forwards the `letter` and `attachments` of `parent`, in a new thread.

    Raises as `reply_draft` does.
    """
    _thread_reference(parent)
    original = Original(
        header_from=_author(parent, parsed),
        date=parsed.date,
        subject=parent.subject,
        to=[str(mailbox) for mailbox in parsed.to_field.found] or parent.to_addresses,
        cc=[str(mailbox) for mailbox in parsed.cc_field.found] or parent.cc,
        text=letter.text,
        html=letter.html,
    )
    comment = request.html or _as_html(request.text or "")
    wants_html = bool(request.html or letter.html)
    draft = Draft(
        type="forward",
        to=request.to,
        cc=request.cc or [],
        bcc=request.bcc or [],
        reply_to=request.reply_to or [],
        subject=forward_subject(parent.subject),
        text=forward_text(request.text or "", original),
        html=forward_html(comment, original) if wants_html else None,
        attachments=[*attachments, *decode_attachments(request.attachments)],
        conversation_id=request.conversation_id or "",
        parent_id=parent.id,
    )
    check_draft(draft)
    return draft


def _author(parent: MessageRow, parsed: ParsedMessage) -> str:
    """The author of the parent, with the display name."""
    return str(parsed.shown_author) if parsed.shown_author else parent.header_from or ""


def _with_history(
    text: str, html: str | None, sender: str, parsed: ParsedMessage, letter: Letter
) -> tuple[str, str | None]:
    """Both bodies with the mail that is answered below them, as far as there is an HTML body."""
    text += "\r\n\r\n" + quote_history(letter.text, sender=sender, date=parsed.date)
    if html:
        original = letter.html or _as_html(letter.text)
        html += quote_history_html(original, sender=sender, date=parsed.date)
    return text, html


def _outlook_field(parsed: ParsedMessage, name: str) -> str:
    """Thread-Index or Thread-Topic of the message that is answered, if it can be carried on."""
    value = parsed.fields.decoded(name)
    return value if len(value) <= _MAX_OUTLOOK_FIELD and is_header_text(value) else ""


def _as_html(text: str) -> str:
    """Plain text as HTML that is displayed the same."""
    return f'<div style="white-space:pre-wrap">{escape(text)}</div>' if text else ""


def _thread_reference(parent: MessageRow) -> str | None:
    """The Message-ID a reply refers to. Raises `MessageNotYetDelivered` while the parent is being submitted."""
    if parent.inbound:
        return parent.email_message_id
    if parent.submission.delivery_status in UNDER_WAY and parent.submission.method is not Method.LOOPBACK:
        raise MessageNotYetDelivered("the message is still being submitted; try again once it is sent")
    return parent.email_message_id or parent.submission.provider_message_id


def _without(addresses: list[str], taken: list[str]) -> list[str]:
    """Those of `addresses` whose bare form is not in `taken`, without repeats."""
    present = set(taken)
    kept = []
    for address in addresses:
        bare = next((item.normalized for item in header_addresses(address)), address.strip().lower())
        if bare not in present:
            present.add(bare)
            kept.append(address)
    return kept
