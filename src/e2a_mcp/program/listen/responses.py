"""Has a model answer mail: an OpenAI Responses request for each message, and its text as a reply in the thread."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import httpx

from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.sending import ReplyRequest, SendOptions
from e2a_core.errors import E2AError, IdempotencyKeyReuse, NotFound, Unauthorized
from e2a_core.ids import Ids
from e2a_core.visible import one_line
from e2a_mcp.fence import Fence, plain_line, plain_text
from e2a_mcp.owner import look
from e2a_mcp.program.listen.delivery import NotTaken
from e2a_mcp.program.listen.forward import posted
from e2a_mcp.program.listen.guard import Guard
from e2a_mcp.program.listen.source import CREDENTIALS, Ended, Event
from e2a_mcp.program.output import note

__all__ = ["Responder", "answer_text", "model_input"]

MODEL_SECONDS = 300.0
"""For one answer: models think long."""
MAX_ANSWER_OCTETS = 4 << 20
MAX_BODY_CHARS = 100_000
"""Of the message; more would not fit into a model beside what it works with."""
SUBJECT_CHARS = 1000


class Responder:
    """Answers the mail of the inbox `agent` with what the model at `url` says.

    The key of a reply comes from the id of the message, so a message is answered once, whatever ends the process
    between the answer and its acknowledgement.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        session: Session,
        guard: Guard,
        *,
        agent: str,
        url: str,
        token: str | None,
        model: str,
        ids: Ids,
    ) -> None:
        self._http = http
        self._session = session
        self._guard = guard
        self._agent = agent
        self._url = url
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._model = model
        self._ids = ids
        self._said: tuple[str, str] = ("", "")

    async def attempt(self, event: Event) -> None:
        """Raises `NotTaken`, and `Ended` when the key is revoked."""
        if event.arrival is None:
            return
        try:
            await self._answer(event.arrival)
        except Unauthorized as problem:
            raise Ended(one_line(problem.message), CREDENTIALS) from None
        except NotFound:
            note(f"{event.arrival} is gone")
        except E2AError as problem:
            raise NotTaken(f"{problem.message} [{problem.code}]", final=not problem.retryable) from None

    async def _answer(self, message_id: str) -> None:
        view = await look(self._session, self._agent, message_id)
        refusal = self._guard.refusal(view)
        if refusal is not None:
            note(f"{message_id} gets no answer: {one_line(refusal)}")
            return
        text = await self._text(view)
        if text:
            await self._reply(view, text)
        else:
            note(f"{message_id} gets no answer: the model had nothing to say")

    async def _text(self, view: MessageView) -> str:
        """What the model says to the message; asked once, however often the reply is tried."""
        if self._said[0] != view.id:
            request = {"model": self._model, "input": model_input(view, self._agent, self._ids)}
            answer = await posted(
                self._http,
                self._url,
                json.dumps(request).encode(),
                self._headers,
                seconds=MODEL_SECONDS,
                read_octets=MAX_ANSWER_OCTETS,
            )
            self._said = (view.id, answer_text(answer))
        return self._said[1]

    async def _reply(self, view: MessageView, text: str) -> None:
        options = SendOptions(idempotency_key=f"listen-{view.id}")
        try:
            result = await self._session.messages.reply(
                self._agent, view.id, ReplyRequest(text=text), options
            )
            note(f"{view.id} is answered: {one_line(result.status)} {one_line(result.message_id)}")
        except IdempotencyKeyReuse:
            note(f"{view.id} was answered before")
        self._guard.answered(view)
        # A deployment without acknowledgements tells unread mail again.
        with suppress(E2AError):
            await self._session.messages.get(self._agent, view.id)


def model_input(view: MessageView, agent: str, ids: Ids) -> str:
    """The message for a model: what its author wrote stands between markers that the author could not know."""
    body = plain_text(_body(view))
    author, subject = plain_line(view.header_from), plain_line(view.subject, SUBJECT_CHARS)
    fence = Fence(ids, [author, subject, body])
    found = view.authentication.dmarc if view.authentication else None
    proof = f"{plain_line(found.status)} {plain_line(found.domain)}".rstrip() if found else "unknown"
    cut = (
        f"\n(The text is truncated after {MAX_BODY_CHARS} characters.)" if len(body) > MAX_BODY_CHARS else ""
    )
    return (
        f"Mail arrived for {agent}. Write the text of the answer to it, and nothing else: what you say is sent.\n"
        f"{fence.notice}\n\n"
        f"From: {fence.inline(author)}\nDMARC: {proof}\nSubject: {fence.inline(subject)}\n\n"
        f"{fence.around(body[:MAX_BODY_CHARS])}{cut}"
    )


def answer_text(answer: bytes) -> str:
    """The text of a Responses answer: its `output_text` blocks, one a line. Raises `NotTaken` if it is none.

    An answer that failed, or that the model did not finish, is not to be sent to anybody.
    """
    try:
        response = json.loads(answer)
    except (ValueError, RecursionError):
        raise NotTaken("the model's answer is no JSON") from None
    if not isinstance(response, dict) or not isinstance(response.get("output"), list):
        raise NotTaken("the model's answer has no output")
    if response.get("error") or response.get("status", "completed") != "completed":
        raise NotTaken(f"the model's answer is {one_line(str(response.get('status', 'an error')))}")
    texts = [text for item in response["output"] for text in _texts(item)]
    return "\n".join(texts).strip()


def _texts(item: Any) -> list[str]:
    if (
        not isinstance(item, dict)
        or item.get("type") != "message"
        or not isinstance(item.get("content"), list)
    ):
        return []
    blocks = [block for block in item["content"] if isinstance(block, dict)]
    found = [block.get("text") for block in blocks if block.get("type") == "output_text"]
    return [text for text in found if isinstance(text, str)]


def _body(view: MessageView) -> str:
    if view.parsed is not None and view.parsed.text:
        return view.parsed.text
    return (view.body.text if view.body else None) or ""
