"""Inboxes and the lists of one: threads, received, sent, what waits, trash, and what a search finds."""

from __future__ import annotations

from starlette.responses import Response

from e2a_core.contract.conversations import ConversationSummaryView
from e2a_core.contract.messages import MessageQuery
from e2a_core.http.pages.mail_words import item_of, waits
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Field, Item, Note, Section, Tab, Tag, address, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import count_words

__all__ = ["PAGES"]

ON_A_PAGE = 40
LOOKED_AT = 100
"""Sent messages that one page looks through for those that wait."""

FOLDERS = {
    "threads": "Threads",
    "received": "Received",
    "unread": "Unread",
    "sent": "Sent",
    "waiting": "Waiting",
    "trash": "Trash",
}
_QUERIES: dict[str, dict[str, object]] = {
    "received": {"direction": "inbound", "read_status": "all"},
    "unread": {"direction": "inbound", "read_status": "unread"},
    "sent": {"direction": "outbound"},
    "trash": {"deleted": True},
}
_EMPTY = {
    "threads": ("No mail yet", "Write to this address, or send the agent a test mail from the overview."),
    "received": ("No mail yet", "Write to this address, or send the agent a test mail from the overview."),
    "unread": ("Nothing unread", "The agent has read all its mail."),
    "sent": ("Nothing sent yet", "What the agent sends, and what you send for it, appears here."),
    "waiting": (
        "Nothing waits",
        "Drafts that are held, scheduled mail, and mail that has not left appear here.",
    ),
    "trash": ("The trash is empty", "Mail stays here for about 30 days before it is deleted for good."),
}
SANDBOX = Note("This is a sandbox.", "Mail to the outside is kept here and not sent.")


async def inboxes(visit: Visit) -> Response:
    cursor = visit.asked("cursor") or None
    page = await visit.session.agents.list(cursor=cursor, limit=ON_A_PAGE)
    items = [
        Item(
            agent.email,
            address("mail", agent.email),
            what=agent.name if agent.name != agent.email else "",
            tags=[Tag("paused", "warn")] if agent.sending_paused else [],
        )
        for agent in page.items
    ]
    section = Section(
        items=items,
        empty=("No inbox yet", "An agent needs an inbox before it can receive mail."),
        more="/mail",
        cursor=page.next_cursor,
        first=cursor is None,
    )
    return await sheet(visit, "Mail", section, at="mail", lead="One inbox for each agent.")


async def inbox(visit: Visit) -> Response:
    """One list of an inbox, or what a search finds in all of it."""
    agent = await visit.session.agents.get(visit.request.path_params["email"])
    words, label = visit.asked("q").strip(), visit.asked("label").strip()
    folder = visit.asked("show", "threads")
    folder = folder if folder in FOLDERS else "threads"
    searching = bool(words or label)
    section = (
        await _found(visit, agent.email, words, label)
        if searching
        else await _folder(visit, agent.email, folder)
    )
    paused = {"agent": "Sending of this agent is paused.", "account": ""}.get(agent.sending_paused or "", "")
    return await sheet(
        visit,
        agent.email,
        section,
        at="mail",
        crumbs=[("Mail", "/mail")],
        lead="" if agent.name == agent.email else agent.name,
        notes=[
            *([Note(paused, "What it sends is refused until it is resumed.")] if paused else []),
            *([SANDBOX] if folder in {"sent", "waiting"} and visit.core.settings.sandbox else []),
        ],
        actions=[("Write", address("mail", agent.email, "compose"))],
        tabs=[
            Tab(title, address("mail", agent.email, show=name), not searching and name == folder)
            for name, title in FOLDERS.items()
        ],
        search=Field("q", "Search all mail of this inbox", words, most=500),
    )


async def _folder(visit: Visit, email: str, folder: str) -> Section:
    cursor = visit.asked("cursor") or None
    if folder == "threads":
        threads = await visit.session.conversations.list(email, cursor=cursor, limit=ON_A_PAGE)
        items, following = [_thread(email, item) for item in threads.items], threads.next_cursor
    elif folder == "waiting":
        query = read(visit, MessageQuery, {"direction": "outbound", "cursor": cursor, "limit": LOOKED_AT})
        page = await visit.session.messages.list(email, query)
        items, following = [item_of(email, item) for item in page.items if waits(item)], page.next_cursor
    else:
        query = read(visit, MessageQuery, {**_QUERIES[folder], "cursor": cursor, "limit": ON_A_PAGE})
        page = await visit.session.messages.list(email, query)
        items, following = [item_of(email, item) for item in page.items], page.next_cursor
    more = address("mail", email, show=folder)
    empty = ("Nothing waits among these", "There may be more further back.") if following else _EMPTY[folder]
    return Section(items=items, empty=empty, more=more, cursor=following, first=cursor is None)


async def _found(visit: Visit, email: str, words: str, label: str) -> Section:
    cursor = visit.asked("cursor") or None
    given = {"direction": "all", "read_status": "all", "query": words or None, "labels": label or None}
    query = read(visit, MessageQuery, {**given, "cursor": cursor, "limit": ON_A_PAGE})
    page = await visit.session.messages.list(email, query)
    what = " ".join([f"“{words}”" if words else "", f"labelled {label}" if label else ""]).strip()
    return Section(
        title=f"Mail with {what}" if words else f"Mail {what}",
        lead=f"Not looked for: {', '.join(page.unsearched)}." if page.unsearched else "",
        items=[item_of(email, item) for item in page.items],
        empty=(
            "Nothing found",
            "Each word must occur. Names, addresses, subjects, texts and files are searched.",
        ),
        more=address("mail", email, q=words, label=label),
        cursor=page.next_cursor,
        first=cursor is None,
    )


def _thread(email: str, item: ConversationSummaryView) -> Item:
    latest = item.latest_from_name or item.latest_from or "nobody"
    return Item(
        item.latest_subject or "(no subject)",
        address("mail", email, "thread", id=item.id),
        what=f"{'This inbox' if item.latest_from == email else latest} wrote last",
        why=f"{count_words(item.message_count, 'message')}, {item.inbound_count} received",
        tags=[Tag("unread")] if item.has_unread else [],
        at=item.last_message_at,
        strong=item.has_unread,
    )


PAGES = (Page("GET", "/mail", inboxes), Page("GET", "/mail/{email}", inbox))
