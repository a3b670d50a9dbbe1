"""Managed unsubscribe: the link in a message, and the effect of using it (RFC 2369 section 3.2, RFC 8058)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from e2a_core.clock import to_micros
from e2a_core.core import Core
from e2a_core.errors import InternalError, NotFound
from e2a_core.markup import render
from e2a_core.signing.tokens import looks_like_unsubscribe_token, sign_unsubscribe, unsubscribe_digest
from e2a_core.store.statement import Statement, first
from e2a_core.submission.addressing import sole_recipient
from e2a_core.submission.draft import Draft, check_sizes
from e2a_core.suppressions import queries
from e2a_core.suppressions.entries import add_to_agent

__all__ = [
    "UnsubscribeLink",
    "UnsubscribeTarget",
    "find_unsubscribe",
    "issue_link",
    "unsubscribe",
]

_PATH = "/u/"
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """The link for one recipient of one agent; `statement` stores its digest together with the message."""

    url: str
    agent_email: str
    statement: Statement

    @property
    def header_fields(self) -> list[tuple[str, str]]:
        """The two header fields of RFC 8058 section 3.1, which DKIM must sign."""
        return [
            ("List-Unsubscribe", f"<{self.url}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]

    def with_footer(self, draft: Draft) -> Draft:
        """Returns the draft with the link at the end of its text and HTML. Raises `PayloadTooLarge`."""
        line = f"Unsubscribe from {self.agent_email}: {self.url}"
        paragraph = render("unsubscribe_footer.html", url=self.url, agent_email=self.agent_email)
        grown = replace(
            draft,
            text=f"{draft.text}\n\n{line}\n",
            html=None if draft.html is None else _append(draft.html, paragraph),
        )
        check_sizes(grown)
        return grown


@dataclass(frozen=True, slots=True)
class UnsubscribeTarget:
    """The mail that a link ends: that from `agent_email` to `address`."""

    account_id: str
    agent_email: str
    address: str


def issue_link(core: Core, account_id: str, agent_email: str, draft: Draft) -> UnsubscribeLink:
    """Creates the link for `draft`; it is always the same for the same agent and recipient.

    Raises `InvalidRequest` if the draft has several recipients, `InternalError` without a usable public URL.
    """
    address = sole_recipient(draft, agent_email)
    base = core.links.base_url
    if not base or (core.settings.production and urlsplit(base).scheme != "https"):
        raise InternalError("unsubscribe links need E2A_PUBLIC_URL, an https URL in production")
    token = sign_unsubscribe(account_id, agent_email, address, core.secrets.signing)
    now = to_micros(core.clock.now())
    return UnsubscribeLink(
        url=f"{base}{_PATH}{token}",
        agent_email=agent_email,
        statement=queries.insert_token(unsubscribe_digest(token), account_id, agent_email, address, now),
    )


async def find_unsubscribe(core: Core, token: str) -> UnsubscribeTarget:
    """Looks up the target of `token` without side effects. Raises `NotFound` if this deployment never issued it."""
    if looks_like_unsubscribe_token(token):
        row = first(await core.db.read(queries.token_target(unsubscribe_digest(token))))
        if row is not None:
            return UnsubscribeTarget(row["account_id"], row["agent_email"], row["address"])
    raise NotFound("no such unsubscribe link")


async def unsubscribe(core: Core, token: str) -> UnsubscribeTarget:
    """Suppresses the recipient for the agent, even if the agent is deleted. Raises `NotFound`."""
    target = await find_unsubscribe(core, token)
    await add_to_agent(core, target.account_id, target.agent_email, target.address, "unsubscribe", None)
    return target


def _append(document: str, paragraph: str) -> str:
    """Inserts `paragraph` before `</body>` if there is one, since clients may drop what follows it."""
    ends = [found.start() for found in _BODY_END.finditer(document)]
    at = ends[-1] if ends else len(document)
    return document[:at] + paragraph + document[at:]
