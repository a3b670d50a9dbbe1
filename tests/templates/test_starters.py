"""The starters: they parse, declare what they use, and read well filled in."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from e2a_core.templates.language import parse_template
from e2a_core.templates.starters import Starter, starters

AGENT_SENT = {"agent-status", "approval-request", "daily-digest"}
COMMON = {"company_name", "support_email", "company_address", "preheader"}
VOID = {"meta", "br", "hr", "img"}


class Balance(HTMLParser):
    """Notes what is left open or closed in the wrong place, and what mail readers do not run or load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "iframe", "form", "style"}:
            self.faults.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"/{tag}")


@pytest.fixture(params=sorted(starters()))
def starter(request: pytest.FixtureRequest) -> Starter:
    return starters()[request.param]


def test_there_are_seven() -> None:
    assert list(starters()) == [
        "agent-status",
        "approval-request",
        "daily-digest",
        "password-reset",
        "receipt",
        "verify-code",
        "welcome",
    ]


def test_a_starter_uses_what_it_declares(starter: Starter) -> None:
    declared = {item.name: item for item in starter.variables}
    assert len(declared) == len(starter.variables)
    used: set[str] = set()
    for source in (starter.subject, starter.text, starter.html):
        used |= set(parse_template(source).variables)
    assert used == set(declared)
    assert set(declared) >= COMMON
    assert {name for name, item in declared.items() if not item.required} == {"preheader"}
    assert all(item.description and item.example for item in starter.variables)
    slots = [piece for piece in parse_template(starter.html).pieces if not isinstance(piece, str)]
    assert {slot.name for slot in slots if slot.raw} == {n for n, item in declared.items() if item.raw}
    assert {slot.name for slot in slots} >= COMMON


def test_a_filled_in_starter_is_sound(starter: Starter) -> None:
    data = {item.name: item.example for item in starter.variables}
    subject = parse_template(starter.subject).render(data)
    text = parse_template(starter.text).render(data)
    html = parse_template(starter.html).render(data, html=True)
    for part in (subject, text, html):
        assert "{{" not in part
        assert "}}" not in part
    assert "\n" not in subject
    assert max(map(len, text.splitlines())) < 200
    balance = Balance()
    balance.feed(html)
    assert (balance.open, balance.faults) == ([], [])
    assert '<html lang="en">' in html
    assert 'role="presentation"' in html
    for url in (value for name, value in data.items() if name.endswith("_url")):
        assert url in text
        assert f'href="{url}"' in html


def test_mail_that_an_agent_sends_says_so(starter: Starter) -> None:
    for part in (starter.text, starter.html):
        assert ("is an AI agent" in part and "automatically" in part) == (starter.alias in AGENT_SENT)
