"""API keys: each is shown once, when it is made, and can be revoked at any time."""

from __future__ import annotations

from starlette.responses import Response

from e2a_core.contract.api_keys import APIKeyView, CreateAPIKeyRequest
from e2a_core.errors import E2AError
from e2a_core.http.pages.routes import Page
from e2a_core.http.pages.sheet import Field, Form, Item, Section, Tag, read, sheet
from e2a_core.http.pages.visit import Visit
from e2a_core.http.pages.words import ago, until

__all__ = ["PAGES"]

ON_A_PAGE = 50
AGENTS_OFFERED = 100


async def keys(visit: Visit, problem: E2AError | None = None) -> Response:
    cursor = visit.asked("cursor") or None
    page = await visit.session.api_keys.list(cursor=cursor, limit=ON_A_PAGE)
    listed = Section(
        items=[_item(visit, key) for key in page.items],
        empty=("No keys yet", "A program needs one to use the API or the MCP endpoint."),
        more="/keys",
        cursor=page.next_cursor,
        first=cursor is None,
    )
    agents = (await visit.session.agents.list(limit=AGENTS_OFFERED)).items
    whole = ("account", "the whole account: it can do all that you can")
    form = Form(
        "/keys",
        "Make a key",
        [
            Field("name", "What it is for", visit.form.text("name"), most=200),
            Field(
                "reach",
                "It reaches",
                visit.form.text("reach"),
                "choice",
                choices=[*((agent.email, f"only {agent.email}") for agent in agents), whole],
            ),
            Field(
                "expires_at",
                "Until",
                visit.form.text("expires_at"),
                hint="Empty is until you revoke it. Or 90d, 2027-01-31.",
                most=64,
            ),
        ],
    )
    new = [Section("A new key", forms=[form])] if visit.owner else []
    lead = "Give each program a key of its own, with no more reach than it needs."
    return await sheet(visit, "API keys", listed, *new, at="keys", lead=lead, problem=problem)


async def make(visit: Visit) -> Response:
    """Shows the new key, which is kept nowhere."""
    reach = visit.form.text("reach") or "account"
    scope = {"scope": "account"} if reach == "account" else {"scope": "agent", "agent_email": reach}
    expiry = visit.form.text("expires_at").strip()
    given = {"name": visit.form.text("name").strip() or None, "expires_at": expiry or None, **scope}
    try:
        made = await visit.session.api_keys.create(read(visit, CreateAPIKeyRequest, given))
    except E2AError as problem:
        if not visit.owner:
            raise
        return await keys(visit, problem)
    section = Section(secret=made.key, items=[_item(visit, made)])
    return await sheet(visit, "Your new key", section, at="keys", crumbs=[("API keys", "/keys")])


async def revoke(visit: Visit) -> Response:
    await visit.session.api_keys.delete(visit.form.text("id"))
    return visit.go("/keys", said="revoked")


def _item(visit: Visit, key: APIKeyView) -> Item:
    used = f"last used {ago(key.last_used_at, visit.now)} ago" if key.last_used_at else "never used"
    ends = f", ends {until(key.expires_at, visit.now)}" if key.expires_at else ""
    hidden = Field("id", value=key.id, kind="hidden")
    return Item(
        key.name or key.key_prefix,
        what=f"{key.key_prefix}… · {key.agent_email or 'the whole account'}",
        why=used + ends,
        tags=[Tag("account", "warn")] if key.scope == "account" else [],
        at=key.created_at,
        forms=[Form("/keys/revoke", "Revoke", [hidden], small=True, danger=True)],
    )


PAGES = (Page("GET", "/keys", keys), Page("POST", "/keys", make), Page("POST", "/keys/revoke", revoke))
