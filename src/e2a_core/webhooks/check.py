"""What a webhook may ask for: its URL, its types and its filters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from e2a_core.agents.lookup import resolve_agent
from e2a_core.contract.principal import Principal
from e2a_core.contract.webhooks import WebhookFiltersRequest
from e2a_core.core import Core
from e2a_core.errors import InvalidRequest, InvalidWebhookUrl, NotFound
from e2a_core.messages.conditions import normalize_labels
from e2a_core.push.post import Poster
from e2a_core.push.targets import MAX_URL_LENGTH, BadTarget, UnreachableTarget
from e2a_core.texts import require_storable

__all__ = [
    "MAX_DESCRIPTION_BYTES",
    "MAX_FILTER_VALUES",
    "check_description",
    "check_events",
    "check_filters",
    "check_url",
]

MAX_FILTER_VALUES = 50
MAX_DESCRIPTION_BYTES = 200

_CONVERSATION = re.compile(r"[A-Za-z0-9_-]{1,200}")


async def check_url(core: Core, url: str) -> None:
    """Raises `InvalidWebhookUrl` unless the URL may be called and its host has public addresses now."""
    if not url:
        raise InvalidWebhookUrl("must be an https:// URL", location="body.url")
    if len(url) > MAX_URL_LENGTH:
        raise InvalidRequest(f"must have at most {MAX_URL_LENGTH} characters", location="body.url")
    poster = Poster(core)
    try:
        await poster.check(poster.target(require_storable(url, "body.url")))
    except BadTarget as problem:
        raise InvalidWebhookUrl(str(problem), location="body.url") from None
    except UnreachableTarget as problem:
        raise InvalidWebhookUrl(str(problem), location="body.url") from None


def check_events(events: Sequence[str]) -> list[str]:
    """Returns the types without repeats. Raises `InvalidRequest` if there is none."""
    if not events:
        raise InvalidRequest("must name at least one event type", location="body.events")
    return list(dict.fromkeys(events))


def check_description(text: str) -> str:
    """Raises `InvalidRequest` for a description of several lines, or a long one."""
    require_storable(text, "body.description")
    if len(text.encode()) > MAX_DESCRIPTION_BYTES or "\r" in text or "\n" in text:
        raise InvalidRequest(
            f"must be one line of at most {MAX_DESCRIPTION_BYTES} octets", location="body.description"
        )
    return text


async def check_filters(
    core: Core, principal: Principal, filters: WebhookFiltersRequest | None
) -> dict[str, list[str]]:
    """Returns the lists that are not empty, as events have them. Raises `InvalidRequest` naming a value."""
    if filters is None:
        return {}
    found = {
        "agent_emails": await _agents(core, principal, filters.agent_emails or []),
        "conversation_ids": _conversations(filters.conversation_ids or []),
        "labels": normalize_labels(
            _few(filters.labels or [], "labels"), "body.filters.labels", InvalidRequest
        ),
    }
    return {name: values for name, values in found.items() if values}


def _few(values: list[str], name: str) -> list[str]:
    if len(values) > MAX_FILTER_VALUES:
        raise InvalidRequest(f"must have at most {MAX_FILTER_VALUES} values", location=f"body.filters.{name}")
    return values


async def _agents(core: Core, principal: Principal, emails: list[str]) -> list[str]:
    found = []
    for index, email in enumerate(_few(emails, "agent_emails")):
        try:
            found.append((await resolve_agent(core, principal, email)).email)
        except NotFound:
            raise InvalidRequest(
                "must be the address of an inbox of the account",
                location=f"body.filters.agent_emails[{index}]",
            ) from None
    return list(dict.fromkeys(found))


def _conversations(ids: list[str]) -> list[str]:
    for index, id in enumerate(_few(ids, "conversation_ids")):
        if not _CONVERSATION.fullmatch(id):
            raise InvalidRequest(
                "must be the id of a conversation", location=f"body.filters.conversation_ids[{index}]"
            )
    return list(dict.fromkeys(ids))
