"""The account: what it uses, who is signed in, its data to take along, and its end."""

from __future__ import annotations

import asyncio

from starlette.responses import RedirectResponse, Response

from e2a_core.accounts.limits import DEFAULT_LIMITS
from e2a_core.audit.entry import by_principal
from e2a_core.audit.log import AuditLog
from e2a_core.clock import from_micros
from e2a_core.errors import E2AError, Forbidden, NotFound
from e2a_core.http.files import file_response
from e2a_core.http.pages.agents import require_name
from e2a_core.http.pages.guards import clear_cookie
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Fact, Field, Form, Item, Section, Tag, sheet
from e2a_core.http.pages.visit import HEADERS, Visit
from e2a_core.http.pages.words import count_words, full_time, size_words
from e2a_core.people.queries import SessionRow
from e2a_core.people.sessions import end_session, live_sessions

__all__ = ["PAGES"]


async def settings(visit: Visit) -> Response:
    account = await visit.session.account.get()
    use, most = account.usage, account.limits
    facts = [
        Fact("Account", account.user.email),
        Fact("Inboxes", _of(use.agents, most.max_agents, DEFAULT_LIMITS.max_agents)),
        Fact("Domains", _of(use.domains, most.max_domains, DEFAULT_LIMITS.max_domains)),
        Fact(
            "This month",
            _of(use.messages_month, most.max_messages_month, DEFAULT_LIMITS.max_messages_month, "message"),
        ),
        Fact("Stored", _room(use.storage_bytes, most.max_storage_bytes)),
        Fact("You are", visit.who.person.email, Tag(visit.who.person.role)),
    ]
    sessions = [
        item for item in await live_sessions(visit.core, visit.who.person.account_id) if _may_end(visit, item)
    ]
    return await sheet(
        visit,
        "Settings",
        Section(facts=facts),
        Section(
            "Signed in",
            "Each browser that can open these pages.",
            items=[_session(visit, item) for item in sessions],
        ),
        at="settings",
        actions=[("Take your data along", "/settings/export"), ("Delete the account", "/settings/delete")],
    )


async def end(visit: Visit) -> Response:
    """Ends a session: one's own, or as the owner anybody's."""
    wanted = visit.form.text("id")
    found = [
        item for item in await live_sessions(visit.core, visit.who.person.account_id) if item.id == wanted
    ]
    if not found:
        raise NotFound("this session has ended already")
    if not _may_end(visit, found[0]):
        raise Forbidden(f"a {visit.who.person.role} may end sessions of their own only")
    await end_session(visit.core, visit.who.person.account_id, wanted)
    entry = by_principal(visit.session.principal, "end_session", {"session_id": wanted})
    await AuditLog(visit.core).record(entry)
    return visit.go("/settings", said="revoked")


async def ask_export(visit: Visit) -> Response:
    form = Form("/settings/export", "Make the file")
    return await sheet(
        visit,
        "Take your data along",
        Section(forms=[form]),
        at="settings",
        crumbs=[("Settings", "/settings")],
        lead="One JSON file with everything the account holds, the trash too, and no secrets.",
    )


async def export(visit: Visit) -> Response:
    found = await visit.session.account.export()
    data = await asyncio.to_thread(found.to_json)
    return file_response(data, "application/json", f"e2a-{visit.now:%Y-%m-%d}.json")


async def ask_delete(visit: Visit, problem: E2AError | None = None) -> Response:
    account = await visit.session.account.get()
    form = Form(
        "/settings/delete",
        "Delete everything for good",
        [Field("name", f"Write {account.user.email} to go on", required=True, most=320)],
        danger=True,
        cancel="/settings",
    )
    held = (
        f"{count_words(account.usage.agents, 'inbox', 'inboxes')} with all mail, every key, domain and record"
    )
    return await sheet(
        visit,
        "Delete the account?",
        Section(forms=[form]),
        at="settings",
        crumbs=[("Settings", "/settings")],
        lead=f"This deletes {held} at once, and nothing of it can be brought back. Take your data along first.",
        problem=problem,
    )


async def delete(visit: Visit) -> Response:
    account = await visit.session.account.get()
    try:
        require_name(visit, account.user.email)
    except E2AError as problem:
        return await ask_delete(visit, problem)
    await visit.session.account.delete()
    response = RedirectResponse("/sign-in", 303, HEADERS)
    clear_cookie(response, visit.core)
    return response


def _session(visit: Visit, item: SessionRow) -> Item:
    own = item.id == visit.who.id
    hidden = Field("id", value=item.id, kind="hidden")
    return Item(
        item.person.email,
        what=item.user_agent or "an unnamed browser",
        why=f"Signed in {full_time(from_micros(item.created_at))}{', with an API key' if item.key_id else ''}.",
        tags=[Tag("this one", "good")] if own else [Tag(item.person.role)],
        at=from_micros(item.last_seen_at),
        forms=[Form("/settings/sessions/end", "End it", [hidden], small=True, danger=True, role="viewer")],
    )


def _may_end(visit: Visit, item: SessionRow) -> bool:
    return visit.owner or item.person.id == visit.who.person.id


def _of(used: int, most: int, uncapped: int, one: str = "") -> str:
    what = f" {one}{'' if used == 1 else 's'}" if one else ""
    return f"{used:,}{what} of {most:,}" if 0 < most < uncapped else f"{used:,}{what}, no limit"


def _room(used: int, most: int) -> str:
    if 0 < most < DEFAULT_LIMITS.max_storage_bytes:
        return f"{size_words(used)} of {size_words(most)}"
    return f"{size_words(used)}, no limit"


PAGES = (
    Page("GET", "/settings", settings),
    Page("POST", "/settings/sessions/end", end),
    Page("GET", "/settings/export", ask_export),
    Page("POST", "/settings/export", export),
    Page("GET", "/settings/delete", ask_delete),
    Page("POST", "/settings/delete", delete),
)
