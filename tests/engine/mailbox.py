"""Short ways to say what most tests say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2a_core.contract.agents import CreateAgentRequest
from e2a_core.contract.engine import Session
from e2a_core.contract.message_views import MessageSummaryView, MessageView
from e2a_core.contract.messages import MessageQuery
from e2a_core.contract.protection import ProtectionConfig
from e2a_core.contract.sending import SendEmailRequest, SendOptions, SendResultView
from tests.support.home import ASSISTANT, SHARED
from tests.support.waiting import until

__all__ = [
    "HELPER",
    "all_mail",
    "arrived",
    "inbox",
    "make_helper",
    "protect",
    "reasons",
    "send",
    "settled",
    "wait_for_mail",
]

HELPER = f"helper@{SHARED}"


async def inbox(session: Session, email: str = ASSISTANT, **query: Any) -> list[MessageSummaryView]:
    """A list's items; unread inbound mail, newest first, unless `query` says otherwise."""
    return (await session.messages.list(email, MessageQuery.model_validate(query))).items


async def all_mail(session: Session, email: str = ASSISTANT) -> list[MessageSummaryView]:
    """Both directions, oldest first."""
    return await inbox(session, email, direction="all", sort="asc")


async def arrived(session: Session, email: str = ASSISTANT) -> MessageView:
    """The newest received message, not marked read."""
    newest = (await inbox(session, email, read_status="all", limit=1))[0]
    return await session.messages.get(email, newest.id, peek=True)


async def wait_for_mail(session: Session, email: str, count: int = 1) -> list[MessageSummaryView]:
    """The inbox, oldest first, as soon as it holds `count` messages."""

    async def look() -> list[MessageSummaryView] | None:
        found = await inbox(session, email, read_status="all", sort="asc")
        return found if len(found) >= count else None

    found = await until(look)
    assert found is not None
    return found


async def send(session: Session, email: str = ASSISTANT, **members: Any) -> SendResultView:
    """Send a short message; `members` are those of the request, `options` those of `SendOptions`."""
    options = members.pop("options", {})
    request = {"to": ["bob@example.org"], "subject": "Hi", "text": "Hello Bob", **members}
    return await session.messages.send(
        email, SendEmailRequest.model_validate(request), SendOptions.model_validate(options)
    )


async def settled(session: Session, message_id: str, email: str = ASSISTANT) -> MessageView:
    """The message once its submission has ended."""

    async def look() -> MessageView | None:
        view = await session.messages.get(email, message_id, peek=True)
        return view if view.delivery_status not in {"accepted", "sending"} else None

    view = await until(look)
    assert view is not None
    return view


async def make_helper(owner: Session, email: str = HELPER) -> str:
    """A second agent of the account."""
    return (await owner.agents.create(CreateAgentRequest(email=email))).email


async def protect(owner: Session, email: str = ASSISTANT, **parts: Mapping[str, object]) -> None:
    """Set the protection config; `inbound` and `outbound` are gates, `holds` as it is."""
    config = {
        "inbound": {"gate": parts.get("inbound", {}), "scan": {}},
        "outbound": {"gate": parts.get("outbound", {}), "scan": {}},
        "holds": parts.get("holds", {}),
    }
    await owner.protection.put(email, ProtectionConfig.model_validate(config))


async def reasons(session: Session, message_id: str, email: str = ASSISTANT) -> list[str]:
    """The reason codes of a message's lifecycle, oldest first."""
    page = await session.messages.lifecycle(email, message_id)
    return [row.reason_code for row in page.items]
