"""One request of somebody who signed in, and the answers a page can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from e2a_core.clock import from_micros
from e2a_core.contract.engine import Session
from e2a_core.contract.principal import Role
from e2a_core.core import Core
from e2a_core.http.pages import words
from e2a_core.http.pages.assets import asset_url
from e2a_core.http.pages.guards import Form
from e2a_core.markup import render
from e2a_core.people import queries
from e2a_core.people.queries import SessionRow
from e2a_core.store.statement import first

__all__ = ["HEADERS", "MOST_COUNTED", "NAVIGATION", "Entry", "Visit", "html"]

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "X-DNS-Prefetch-Control": "off",
}
"""A page loads nothing but its own files, is framed by nobody and kept by no cache."""

MOST_COUNTED = 100
"""Reviews counted for the navigation, which every page shows; more are `99+`."""


class Entry(NamedTuple):
    """A line of the navigation. `at` is what a page of that part calls itself."""

    at: str
    path: str
    title: str


NAVIGATION: tuple[tuple[Entry, ...], ...] = (
    (Entry("home", "/", "Overview"), Entry("reviews", "/reviews", "Reviews"), Entry("mail", "/mail", "Mail")),
    (
        Entry("agents", "/agents", "Agents"),
        Entry("protection", "/protection", "Protection"),
        Entry("keys", "/keys", "API keys"),
        Entry("domains", "/domains", "Domains"),
        Entry("webhooks", "/webhooks", "Webhooks"),
        Entry("contacts", "/contacts", "Contacts"),
        Entry("suppressions", "/suppressions", "Suppressions"),
        Entry("templates", "/templates", "Templates"),
    ),
    (
        Entry("metrics", "/figures", "Metrics"),
        Entry("activity", "/activity", "Activity"),
        Entry("people", "/settings/people", "People"),
        Entry("ways", "/settings/sign-in", "Signing in"),
        Entry("settings", "/settings", "Settings"),
    ),
)
"""The lines by group."""

SAID = {
    "approved": "Approved.",
    "approved-sent": "Approved. It is on its way.",
    "approved-later": "Approved. It leaves at its time.",
    "approved-inbound": "Approved. It is in the inbox.",
    "rejected": "Rejected. It will not go out.",
    "rejected-inbound": "Rejected. The agent will not see it.",
    "tested": "A test mail is on its way to the inbox.",
    "test-arrived": "A test mail arrived in the inbox.",
    "test-held": "The test mail is held, as your protection asks: it waits under Reviews.",
    "held-all": "Outgoing mail now waits for a decision, except to the agents' own domain.",
    "paused": "All sending is paused. Mail that waits stays where it is.",
    "resumed": "Sending is on again.",
    "sent": "It is on its way.",
    "scheduled": "It leaves at its time.",
    "held": "Protection holds it: it leaves once somebody approves it.",
    "kept": "Kept in the sandbox: nothing is sent from here.",
    "labelled": "The labels are changed.",
    "trashed": "It is in the trash.",
    "called-off": "Called off. It is in the trash and will not be sent.",
    "restored": "It is out of the trash.",
    "erased": "It is deleted for good.",
    "unread": "The agent sees it as unread.",
    "read": "The agent sees it as read.",
    "agent-paused": "The agent is paused. What waits stays where it is.",
    "agent-resumed": "The agent may send again.",
    "looked-up": "Looked up just now.",
    "lifted": "It may be written to again.",
    "redelivered": "It is sent again.",
    "saved": "Saved.",
    "made": "Done.",
    "deleted": "Deleted.",
    "revoked": "Ended. It cannot be used any more.",
    "role-given": "The role is changed. They sign in again. API keys that they made stay good until you end them.",
    "identity-connected": "Connected. It signs you in from now on.",
    "identity-disconnected": "Disconnected, and your other sessions ended.",
    "passkey-added": "The passkey is added. It signs you in from now on.",
    "passkey-renamed": "The passkey has its new name.",
    "passkey-removed": "The passkey is removed, and your other sessions ended.",
    "invitation-mailed": "A link is on its way to them.",
    "person-removed": "Removed. Their sessions ended. API keys that they made stay good until you end them.",
}
"""What a page says of what was just done, by the word in its address; nobody can put other words there."""
SAID_IN_SANDBOX = {"approved-sent": "Approved. In the sandbox, mail to other hosts is captured and not sent."}


@dataclass(slots=True)
class Visit:
    """What a handler is given: the caller's session at the contract, who it is, and the form of a POST.

    Handlers read and change through `session` only, so that a page can do what the API would let its person do.
    """

    request: Request
    core: Core = field(repr=False)
    session: Session = field(repr=False)
    who: SessionRow
    proof: str = field(repr=False)
    form: Form = field(default_factory=Form, repr=False)

    @property
    def now(self) -> datetime:
        return self.core.clock.now()

    @property
    def owner(self) -> bool:
        """Whether the person may change things."""
        return self.who.person.role == "owner"

    @property
    def decides(self) -> bool:
        """Whether the person may decide held mail."""
        return self.who.person.role in {"owner", "reviewer"}

    def may(self, role: Role) -> bool:
        """Whether the person has that role, or one that may more."""
        return role == "viewer" or self.owner or (role == "reviewer" and self.decides)

    def asked(self, name: str, default: str = "") -> str:
        """A value of the address."""
        return self.request.query_params.get(name, default)

    async def account_row(self) -> Mapping[str, Any]:
        """What every page shows of the account; read in constant time, which `session.account` is not."""
        row = first(await self.core.db.read(queries.frame(self.who.person.account_id, MOST_COUNTED)))
        return row or {"reviews": 0, "paused_at": None, "mcp_seen_at": None}

    async def page(
        self, template: str, *, title: str, at: str = "", status: int = 200, **values: object
    ) -> Response:
        """A page within the frame: `at` marks its line of the navigation."""
        row = await self.account_row()
        waiting = row["reviews"]
        paused_at = None if row["paused_at"] is None else from_micros(row["paused_at"])
        return html(
            template,
            status,
            title=title,
            at=at,
            visit=self,
            navigation=NAVIGATION,
            counts={"reviews": f"{MOST_COUNTED - 1}+" if waiting >= MOST_COUNTED else str(waiting or "")},
            paused_at=paused_at,
            said=self._said(),
            place=self.core.settings.shared_domain or self.core.settings.hostname,
            now=self.now,
            **values,
        )

    def _said(self) -> str:
        word = self.asked("said")
        captured = SAID_IN_SANDBOX.get(word) if self.core.settings.sandbox else None
        return captured or SAID.get(word, "")

    def part(self, template: str, **values: object) -> Response:
        """A part of a page, for the script that asked for it."""
        return html(template, 200, visit=self, now=self.now, **values)

    def go(self, path: str, said: str = "", **values: str) -> Response:
        """Leads on after a form (RFC 9110 section 15.4.4), with a word of `SAID`."""
        given = {name: value for name, value in {**values, "said": said}.items() if value}
        return RedirectResponse(f"{path}?{urlencode(given)}" if given else path, 303, HEADERS)


def html(template: str, status: int, **values: object) -> HTMLResponse:
    return HTMLResponse(render(f"pages/{template}", w=words, asset=asset_url, **values), status, HEADERS)
