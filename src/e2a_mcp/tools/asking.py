"""Asking the owner a question by mail, and waiting for the answer that is proven to be theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import Field

from e2a_core.clock import rfc3339
from e2a_core.contract.engine import Session
from e2a_core.contract.events import EventEnvelope
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.operation import Hints
from e2a_core.contract.sending import Body, SendEmailRequest, SendOptions
from e2a_core.contract.states import SENDING_PAUSED
from e2a_core.errors import InvalidRequest
from e2a_mcp.fence import plain_line
from e2a_mcp.owner import OwnerMail, Owners, look, message_ids
from e2a_mcp.reading import read_message
from e2a_mcp.schema import object_schema
from e2a_mcp.tool import Call, Reply, Tool
from e2a_mcp.tools.arguments import InboxArguments
from e2a_mcp.tools.messages import MESSAGE
from e2a_mcp.tools.outputs import TEXT, UNTRUSTED
from e2a_mcp.tools.waiting import MAX_WAIT_SECONDS, in_time

__all__ = ["TOOLS"]

MAX_SUBJECT = 78
"""What mail programs show of a subject (RFC 5322 section 2.1.1)."""
ROWS = 100


class AskOwner(InboxArguments):
    question: Body | None = None
    message_id: Annotated[str, Field(description="instead: a question asked before")] | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_WAIT_SECONDS)] = 60


async def ask_owner(call: Call, arguments: AskOwner) -> Reply:
    email, session = call.inbox(arguments.email), call.session
    owners = call.services.owners.of(session.principal, email)
    if not owners.addresses:
        raise InvalidRequest(_nobody(owners), status=422)
    # Watches before it sends, so that an answer that comes at once is not missed.
    async with session.watch(types=("email.received",), emails=(email,)) as events:
        question = await _question(call, email, owners, arguments)
        answer = await in_time(
            call,
            arguments.timeout_seconds,
            lambda: _answer(call, email, owners, question, events),
            "waiting for the owner",
        )
    if answer is None:
        # The event of an answer that has arrived may still be on its way.
        answer = await _found(call, email, owners, question)
    if answer is None:
        return await _unanswered(session, email, question, arguments.timeout_seconds)
    view = await session.messages.get(email, answer, whole=True)
    read = read_message(view, email, call.services.ids)
    structured = {
        **_asked(question),
        "answered": True,
        "message": read.structured,
        "untrusted": read.structured["untrusted"],
    }
    return Reply(structured, f"the owner answered\n{read.text}", read.links, untrusted=True)


def _nobody(owners: Owners) -> str:
    if owners.left_out:
        left_out = ", ".join(owners.left_out)
        return (
            f"no owner can be asked: {left_out} is inside this deployment; "
            "set E2A_OWNER_ADDRESSES to where the owner reads mail"
        )
    return "no owner can be asked: set E2A_OWNER_ADDRESSES"


async def _question(call: Call, email: str, owners: Owners, arguments: AskOwner) -> MessageView:
    """Sends the question, or finds the one asked before. The same question within minutes is not sent again."""
    messages = call.session.messages
    if (arguments.question is None) == (arguments.message_id is None):
        raise InvalidRequest(
            "give either question, or message_id of a question asked before",
            location="arguments.question",
            status=422,
        )
    if arguments.message_id is not None:
        asked = await look(call.session, email, arguments.message_id)
        if asked.direction != "outbound" or not any(map(owners.may_be, asked.to)):
            raise InvalidRequest(
                "message_id is no question to the owner", location="arguments.message_id", status=422
            )
        return asked
    text = (arguments.question or "").strip()
    if not text:
        raise InvalidRequest("question is empty", location="arguments.question", status=422)
    request = SendEmailRequest(
        to=list(owners.addresses), subject=plain_line(text.split("\n")[0], MAX_SUBJECT), text=text
    )
    result = await messages.send(email, request, SendOptions(dedupe="content"))
    return await look(call.session, email, result.message_id)


async def _answer(
    call: Call, email: str, owners: Owners, question: MessageView, events: AsyncIterator[EventEnvelope]
) -> str | None:
    if found := await _found(call, email, owners, question):
        return found
    async for told in events:
        # Others may write into the thread as often as they like. Not every deployment tells who wrote.
        author = told.data.get("header_from")
        if author is not None and not owners.may_be(str(author)):
            continue
        if found := await _found(call, email, owners, question):
            return found
    return None


async def _found(call: Call, email: str, owners: Owners, question: MessageView) -> str | None:
    """Returns the id of the first answer in the thread that is the owner's."""
    session = call.session
    if not question.email_message_id:
        # Mail that waits for approval gets its Message-ID when it leaves.
        question = await look(session, email, question.id)
    query = MessageQuery(
        direction="inbound",
        read_status="all",
        sort="asc",
        conversation_id=question.conversation_id or None,
        since=rfc3339(question.created_at),
        limit=ROWS,
    )
    while True:
        page = await session.messages.list(email, query)
        for row in page.items:
            if owners.may_be(row.header_from):
                view = await look(session, email, row.id)
                if _answers(call, email, owners, question, view):
                    return view.id
        if not page.next_cursor:
            return None
        query = query.model_copy(update={"cursor": page.next_cursor})


def _answers(call: Call, email: str, owners: Owners, question: MessageView, view: MessageView) -> bool:
    now = call.services.clock.now()
    if owners.refusal(view, email, now=now, asked_at=question.created_at) is not None:
        return False
    mail = OwnerMail(view)
    in_thread = not mail.thread.isdisjoint(message_ids(question))
    return in_thread and not mail.forwards and bool(mail.words)


async def _unanswered(session: Session, email: str, question: MessageView, seconds: int) -> Reply:
    view = await look(session, email, question.id)
    lines = [f"nobody answered within {seconds} s; to go on waiting, call again with message_id={view.id}"]
    if view.review_status == "pending_review":
        lines.append("the question itself waits for a person to approve it")
    elif view.review_status == "review_rejected" or view.delivery_status == "failed":
        lines = ["the question was not delivered, so that nobody can answer; get_message_lifecycle tells why"]
    elif view.method == "sandbox":
        lines.append("sandbox: no upstream relay is set, so that the question was captured and not mailed")
    if view.delivery_detail == SENDING_PAUSED:
        lines.append(SENDING_PAUSED)
    return Reply({**_asked(view), "answered": False, "message": None}, "\n".join(lines))


def _asked(question: MessageView) -> dict[str, Any]:
    return {"message_id": question.id, "conversation_id": question.conversation_id}


_ANSWER = object_schema(
    {
        "answered": {"type": "boolean"},
        "message_id": TEXT,
        "conversation_id": TEXT,
        "message": {**MESSAGE, "type": ["object", "null"]},
        "untrusted": UNTRUSTED,
    },
    ["answered", "message_id", "message"],
)

TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "ask_owner",
        "Ask the owner",
        "Mail the owner a question and wait for their proven answer in that thread.",
        Hints(open_world=True),
        lambda: (AskOwner, _ANSWER),
        ask_owner,
    ),
)
