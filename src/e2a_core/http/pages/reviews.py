"""The queue of held mail, and deciding several of it at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from starlette.responses import Response

from e2a_core.contract.limits import MAX_REASON_CHARS
from e2a_core.contract.reviews import ApproveRequest, RejectRequest
from e2a_core.errors import E2AError, InvalidRequest
from e2a_core.http.pages.review_words import Waiting, on_expiry_of, waiting
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.visit import Visit

__all__ = ["PAGES"]

AT_ONCE = 15
"""Lines of one page, and decisions of one form: a screen or two, and as fast in a long queue as in a short one."""


async def queue(visit: Visit) -> Response:
    cursor = visit.asked("cursor")
    items, following = await _listed(visit, cursor)
    return await visit.page(
        "reviews.html",
        title="Reviews",
        at="reviews",
        items=items,
        following=following,
        cursor=cursor,
        version=_version(items),
    )


async def queue_part(visit: Visit) -> Response:
    """The lines alone, for the script that renews them; `X-List` tells whether they are others than before."""
    items, following = await _listed(visit, "")
    response = visit.part("reviews_list.html", items=items, following=following, cursor="")
    response.headers["X-List"] = _version(items)
    return response


async def ask_many(visit: Visit) -> Response:
    """What would be decided on, with the hash of each: a draft that changes meanwhile is not decided."""
    action = _action(visit)
    chosen = visit.form.all("message")[:AT_ONCE]
    if not chosen:
        raise InvalidRequest("no message was selected")
    lines, gone = [], 0
    for message_id in chosen:
        view = await visit.session.reviews.get(message_id)
        if view.review_status != "pending_review" or view.content_hash is None:
            gone += 1
            continue
        lines.append((view, f"{view.id} {view.content_hash}"))
    title = f"{action.capitalize()} {len(lines)} {'message' if len(lines) == 1 else 'messages'}?"
    return await visit.page(
        "reviews_many.html", title=title, at="reviews", action=action, lines=lines, gone=gone
    )


async def decide_many(visit: Visit) -> Response:
    action = _action(visit)
    reason = visit.form.text("reason").strip()[:MAX_REASON_CHARS] or None
    chosen = visit.form.all("message")[:AT_ONCE]
    if not chosen:
        raise InvalidRequest("no message was selected")
    failed: list[tuple[str, E2AError]] = []
    done = 0
    for entry in chosen:
        message_id, _, seen = entry.partition(" ")
        try:
            if not seen:
                raise InvalidRequest("the form does not say which content was seen")
            if action == "approve":
                await visit.session.reviews.approve(message_id, ApproveRequest(content_hash=seen))
            else:
                await visit.session.reviews.reject(
                    message_id, RejectRequest(reason=reason, content_hash=seen)
                )
            done += 1
        except E2AError as problem:
            failed.append((message_id, problem))
    if not failed:
        return visit.go("/reviews", said="approved" if action == "approve" else "rejected")
    return await visit.page(
        "reviews_failed.html",
        title="Not all could be decided",
        at="reviews",
        status=failed[0][1].status,
        done=done,
        action=action,
        failed=failed,
    )


def _action(visit: Visit) -> str:
    action = visit.form.text("action")
    if action not in {"approve", "reject"}:
        raise InvalidRequest("the form must say approve or reject")
    return action


async def _listed(visit: Visit, cursor: str) -> tuple[list[Waiting], str | None]:
    page = await visit.session.reviews.list(cursor=cursor or None, limit=AT_ONCE)
    ends: dict[str, str] = {}
    for item in page.items:
        if item.agent_email not in ends:
            ends[item.agent_email] = await on_expiry_of(visit.session, item.agent_email)
    return [waiting(item, ends[item.agent_email], visit.now) for item in page.items], page.next_cursor


def _version(items: Sequence[Waiting]) -> str:
    return hashlib.sha256(" ".join(item.id for item in items).encode()).hexdigest()[:16]


PAGES = (
    Page("GET", "/reviews", queue),
    Page("GET", "/reviews/list", queue_part),
    Page("POST", "/reviews/ask", ask_many),
    Page("POST", "/reviews/decide", decide_many),
)
