"""The signed links of mail: a person decides a hold, or fetches an attachment, without an account.

Looking changes nothing, since mail scanners follow links. The POST of a page's own form decides: the form carries a
value that stands in no mail (http-api section 14).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from e2a_core.accounts import queries as account_queries
from e2a_core.agents import queries as agent_queries
from e2a_core.agents.lookup import lookup_recipient
from e2a_core.agents.queries import agent_from
from e2a_core.audit.entry import by_link
from e2a_core.audit.log import AuditLog
from e2a_core.contract.limits import MAX_REASON_CHARS
from e2a_core.contract.message_views import MessageView
from e2a_core.contract.reviews import ApproveRequest
from e2a_core.contract.states import Direction, Review
from e2a_core.core import Core
from e2a_core.errors import (
    AttachmentNotFound,
    E2AError,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from e2a_core.http.answers import error_response
from e2a_core.http.edge import Replay, read_body
from e2a_core.http.files import file_response
from e2a_core.http.limits import DOWNLOAD, RequestLimits, client_address
from e2a_core.http.pages.plain import page
from e2a_core.http.pages.review_words import DECIDED
from e2a_core.http.unsubscribe import unsubscribe_route
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.mail.attachments import attachment_content
from e2a_core.messages import queries as message_queries
from e2a_core.messages.content import load_content
from e2a_core.messages.rows import MessageRow
from e2a_core.protection.config import load_config
from e2a_core.reviews import decide, queries
from e2a_core.reviews.bodies import BODIES_DIFFER, Bodies
from e2a_core.reviews.decide import Decider
from e2a_core.reviews.views import (
    files_words,
    leaves_words,
    named,
    otherwise_words,
    paused_words,
    review_detail,
    sender_words,
    why_words,
)
from e2a_core.signing.tokens import (
    ApprovalAction,
    ApprovalToken,
    ExpiredToken,
    TokenError,
    sign_form,
    verify_approval,
    verify_download,
    verify_form,
)
from e2a_core.store.statement import first
from e2a_core.visible import one_line, visible_text

__all__ = ["link_routes"]

MAX_FORM_OCTETS = 16 * 1024
FORM_GOOD_FOR = timedelta(hours=1)
"""Time to read a long message; a page left open for longer is shown again."""
MAX_INDEX_DIGITS = 9
PREVIEW_CHARS = 100_000
_NOT_DECIDED = (
    "A decision is taken from this page, within an hour after it was opened. "
    "Look at the message and decide now."
)


def link_routes(core: Core) -> list[Route]:
    links = _Links(core)
    download = "/v1/agents/{email}/messages/{message_id}/attachments/{index}/download"
    return [
        Route("/v1/approve", links.approve, methods=["GET", "POST"]),
        Route("/v1/reject", links.reject, methods=["GET", "POST"]),
        Route(download, links.download, methods=["GET"]),
        unsubscribe_route(core),
    ]


class _Links:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._audit = AuditLog(core)

    async def approve(self, request: Request) -> Response:
        return await self._decision(request, "approve")

    async def reject(self, request: Request) -> Response:
        return await self._decision(request, "reject")

    async def download(self, request: Request) -> Response:
        limits: RequestLimits = request.app.state.limits
        try:
            limits.spend(request, DOWNLOAD, client_address(request))
            return await self._file(request)
        except E2AError as problem:
            return error_response(request, problem)

    async def _decision(self, request: Request, action: ApprovalAction) -> Response:
        try:
            form = await _form(request)
        except E2AError as problem:
            return page(problem.status, "This could not be done", problem.message)
        token = form.get("t") or request.query_params.get("t", "")
        try:
            link = verify_approval(token, action, self._core.secrets, now=self._core.clock.now())
        except ExpiredToken:
            return page(410, "This link has expired", "Ask for the message again, or use the review queue.")
        except TokenError:
            return page(400, "This link is not valid", "Open it exactly as it was sent to you.")
        found = first(await self._core.db.read(queries.message(link.message_id)))
        if found is None:
            return page(404, "This message is not here", "It was deleted, or its inbox is in the trash.")
        row = MessageRow.from_store(found)
        if row.hold.status is not Review.PENDING:
            return page(409, "This message was already decided", _decided(row))
        if not await self._still_reader(link, row):
            return page(403, "This link is not yours", "It was sent to another address of the account.")
        # Not "is it a GET": the router lets HEAD through to whatever takes GET.
        if request.method != "POST":
            return await self._question(200, row, action, token)
        if _from_another_site(request, self._core.links.base_url):
            return await self._question(403, row, action, token)
        try:
            now = self._core.clock.now()
            verify_form(
                form.get("form", ""), token, form.get("content_hash", ""), self._core.secrets, now=now
            )
        except TokenError:
            return await self._question(403, row, action, token, form.get("reason", ""))
        try:
            return await self._decide(row, link, form)
        except E2AError as problem:
            return page(problem.status, "This could not be done", problem.message)

    async def _still_reader(self, link: ApprovalToken, row: MessageRow) -> bool:
        """Whether the account's address is the one the link was mailed to; links without one are anybody's."""
        if link.reader is None:
            return True
        account = first(await self._core.db.read(account_queries.account_by_id(row.account_id)))
        return account is not None and normalize_addr_spec(account["email"]) == link.reader

    async def _question(
        self, status: int, row: MessageRow, action: ApprovalAction, token: str, reason: str = ""
    ) -> Response:
        """The page that asks, with a fresh form; a status other than 200 is that of a form that did not count."""
        view = await review_detail(self._core, row)
        now = self._core.clock.now()
        value = sign_form(token, view.content_hash or "", now + FORM_GOOD_FOR, self._core.secrets.signing)
        body = view.body or view.parsed
        bodies = await self._core.offload.run(_length(view), Bodies.of, view)
        holding, paused_at = await self._agent(row)
        facts = {**_facts(view, now), "Sending": paused_words(paused_at) if paused_at else ""}
        return page(
            status,
            f"{action.capitalize()} this message?",
            # As it was written, HTML too: what a browser would make of it is not what is decided on.
            visible_text(body.text or "") if body else "",
            template="decision.html",
            html=visible_text(body.html or "") if body else "",
            preview_chars=PREVIEW_CHARS,
            lead=_lead(row),
            why=why_words(row),
            warning=BODIES_DIFFER if bodies.differ else "",
            differences={where: visible_text(words) for where, words in bodies.differences.items()},
            undecided="" if status == 200 else _NOT_DECIDED,
            facts=facts,
            otherwise=otherwise_words(row, holding, paused_at),
            action=action,
            button=_BUTTONS[action, row.inbound],
            hidden={"t": token, "form": value, "content_hash": view.content_hash or ""},
            reason=reason[:MAX_REASON_CHARS],
        )

    async def _agent(self, row: MessageRow) -> tuple[str, int | None]:
        """What happens to the message at its expiry, and since when a pause keeps a draft from leaving."""
        found = first(await self._core.db.read(agent_queries.agent(row.agent_email)))
        if found is None:
            return "reject", None
        agent = agent_from(found)
        paused_at = None if row.inbound else agent.sending_paused_at
        return load_config(agent.protection).holds.on_expiry, paused_at

    async def _decide(self, row: MessageRow, link: ApprovalToken, form: dict[str, str]) -> Response:
        action, seen = link.action, form.get("content_hash") or None
        entry = by_link(row.account_id, link.reader, f"{action}_review", row.id)
        async with self._audit.during(entry):
            return await self._decided_by(row, link, form, seen)

    async def _decided_by(
        self, row: MessageRow, link: ApprovalToken, form: dict[str, str], seen: str | None
    ) -> Response:
        action = link.action
        decider = Decider(f"signed link, {link.reader}" if link.reader else "signed link")
        if action == "approve":
            await decide.approve(self._core, row, ApproveRequest(content_hash=seen), decider)
            return page(200, "Approved", f"{_approved(row)} You can close this page.")
        reason = form.get("reason", "").strip()[:MAX_REASON_CHARS] or "rejected by signed link"
        await decide.reject(self._core, row, reason, decider, content_hash=seen)
        then = "The agent will not see the message." if row.inbound else "The message will not go out."
        return page(200, "Rejected", f"{then} You can close this page.")

    async def _file(self, request: Request) -> Response:
        message_id = request.path_params["message_id"]
        text = request.path_params["index"]
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_INDEX_DIGITS):
            raise InvalidRequest("an attachment index is a whole number from 0", location="path.index")
        token, index = request.query_params.get("token", ""), int(text)
        if not token:
            raise Unauthorized("a download token is needed")
        try:
            verify_download(token, message_id, index, self._core.secrets, now=self._core.clock.now())
        except TokenError as problem:
            raise Forbidden(str(problem)) from None
        found = await lookup_recipient(self._core, request.path_params["email"])
        if found is None or found.agent.trashed:
            raise NotFound("no such agent")
        stored = first(await self._core.db.read(message_queries.by_id(found.agent.email, message_id)))
        row = MessageRow.from_store(stored) if stored else None
        content = await load_content(self._core, row) if row and row.visible else None
        if content is None:
            raise (
                AttachmentNotFound("no such attachment")
                if row and row.visible
                else NotFound("no such message")
            )
        meta, data, _ = attachment_content(content, index)
        return file_response(data, meta.content_type, meta.filename)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; none when it cannot be read."""
    if request.method != "POST":
        return {}
    body = await read_body(request, MAX_FORM_OCTETS)
    try:
        async with Request(request.scope, Replay(body)).form(max_files=0, max_fields=8) as form:
            return {key: value for key, value in form.items() if isinstance(value, str)}
    except HTTPException:
        return {}


def _from_another_site(request: Request, own_url: str) -> bool:
    """Whether a browser says that the page of another site posts (Fetch Metadata 2.3, RFC 6454 section 7).

    The page itself posts with the origin `null`, since it tells nobody its address.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site.lower() not in {"same-origin", "none"}
    origin = request.headers.get("origin", "null").lower()
    hosts = {request.headers.get("host", "").lower(), urlsplit(own_url).netloc.lower()}
    return origin != "null" and origin.partition("://")[2] not in hosts


def _approved(row: MessageRow) -> str:
    """What approving did, as far as it is known at once."""
    if row.inbound:
        return "The message is in the inbox."
    return "The message leaves at its time." if row.submission.scheduled_at else "The message is on its way."


_BUTTONS: dict[tuple[ApprovalAction, bool], str] = {
    ("approve", False): "Approve and send",
    ("approve", True): "Let it into the inbox",
    ("reject", False): "Reject: it is not sent",
    ("reject", True): "Reject: the agent never sees it",
}
"""By action, and whether the message was received."""


def _lead(row: MessageRow) -> str:
    if row.inbound:
        return f"This came for {row.agent_email}, who has not seen it."
    return f"{row.agent_email} wants to send this. Nothing has left yet."


def _decided(row: MessageRow) -> str:
    return DECIDED.get(row.hold.status, "") if row.hold.status else ""


def _length(view: MessageView) -> int:
    """Characters of what is read to compare the bodies."""
    texts = [(body.text, body.html) for body in (view.body, view.parsed) if body]
    return sum(len(text or "") for pair in texts for text in pair)


def _facts(view: MessageView, now: datetime) -> dict[str, str]:
    names = [item.model_dump() for item in view.names or ()]
    facts = {
        "From": f"{view.from_name or ''} <{view.header_from}>".strip() if view.header_from else "",
        "Sender": sender_words(view.verified_domain) if view.direction == Direction.INBOUND else "",
        "To": named(view.to, names),
        "Cc": named(view.cc, names),
        "Bcc": named(view.bcc or [], names),
        "Reply-To": named(view.reply_to, names),
        "Subject": view.subject,
        "Attachments": files_words(view.attachments),
        "Leaves": leaves_words(view.scheduled_at, now),
    }
    return {name: one_line(value) for name, value in facts.items()}
