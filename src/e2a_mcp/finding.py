"""One-time codes and verification links of a message, each with the verdict on its sender beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from e2a_core.contract.message_views import MessageView, Verdict
from e2a_mcp.fence import plain_line
from e2a_mcp.render import trust
from e2a_mcp.schema import object_schema

__all__ = ["FOUND", "Found", "found_in"]

MAX_FOUND = 10
MAX_CODE = 40
MAX_LINK = 2000

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
FOUND: dict[str, Any] = {
    "codes": _TEXTS,
    "verification_links": _TEXTS,
    "found": {
        "type": "array",
        "items": object_schema(
            {"kind": {"enum": ["code", "link"]}, "value": _TEXT, "trust": {"enum": list(get_args(Verdict))}},
            ["kind", "value", "trust"],
        ),
    },
}
"""Schemas of the members that show what was found."""


@dataclass(frozen=True, slots=True)
class Found:
    """Codes and links in the order of their likelihood; `trust` is the verdict on who sent them."""

    codes: list[str]
    links: list[str]
    trust: str

    @property
    def members(self) -> dict[str, Any]:
        """The members of a result: the plain lists, and each item with the verdict."""
        kinds = [*(("code", code) for code in self.codes), *(("link", link) for link in self.links)]
        found = [{"kind": kind, "value": value, "trust": self.trust} for kind, value in kinds]
        return {"codes": self.codes, "verification_links": self.links, "found": found}

    @property
    def lines(self) -> list[str]:
        """A line for each; a forged mail asks for trust with exactly these, so the word stands beside each."""
        beside = " (sender failed DMARC)" if self.trust == "failed" else ""
        return [
            *(f"Code found{beside}: {code}" for code in self.codes),
            *(f"Link found{beside}: {link}" for link in self.links),
        ]


def found_in(view: MessageView) -> Found:
    """What a received message has of codes and links; nothing for a sent one."""
    proven = view.verified_domain or view.author_agent
    verdict = view.verdict or trust(proven, view.authentication)
    if view.direction != "inbound" or view.parsed is None:
        return Found([], [], verdict)
    # A server starts the sooner for what it loads with the first message.
    from e2a_core.mail.codes import find_codes, find_verification_links

    text, html = view.parsed.text or "", view.parsed.html or ""
    codes = find_codes(text, html, subject=view.subject)[:MAX_FOUND]
    links = find_verification_links(text, html)[:MAX_FOUND]
    return Found(
        [plain_line(code, MAX_CODE) for code in codes],
        [plain_line(link, MAX_LINK) for link in links],
        verdict,
    )
