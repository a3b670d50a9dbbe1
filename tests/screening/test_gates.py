"""Who may write to an inbox, and whom its agent may write to."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.screening.disposition import Disposition, Finding
from e2a_core.screening.gates import Gate, recipient_gate, sender_gate

RELAY = ("relay.example",)
LISTED = Gate("allowlist", (" Alice@Example.org ", "bob@example.net"), Disposition.REVIEW)
DOMAINS = Gate("domain", ("example.org", "@bücher.example"), Disposition.BLOCK)


def inbound(gate: Gate, author: str | None, *, dmarc_pass: bool = True) -> Finding | None:
    return sender_gate(gate, author=author, dmarc_pass=dmarc_pass, relay_domains=RELAY)


def test_an_open_gate_finds_nothing() -> None:
    assert inbound(Gate(action=Disposition.BLOCK), None, dmarc_pass=False) is None
    assert recipient_gate(Gate(), recipients=["anyone"], agent_domain="agents.example") is None


@pytest.mark.parametrize("author", ["alice@example.org", "ALICE@EXAMPLE.ORG", "bob@example.net"])
def test_listed_senders_pass(author: str) -> None:
    assert inbound(LISTED, author) is None


@pytest.mark.parametrize(
    ("gate", "author", "dmarc_pass", "said"),
    [
        (LISTED, "alice@example.org", False, "not authenticated"),
        (LISTED, None, True, "not authenticated"),
        (LISTED, "alice@example.org, bob@example.net", True, "not authenticated"),
        (LISTED, "agent@relay.example", True, "shared relay"),
        (LISTED, "agent@eu.relay.example", True, "shared relay"),
        (LISTED, "Carol@EXAMPLE.org", True, "carol@example.org is not on the allowlist"),
        (Gate("allowlist"), "alice@example.org", True, "alice@example.org is not on"),
        (DOMAINS, "alice@example.org", False, "not authenticated"),
        (DOMAINS, "alice@sub.example.org", True, "the domain sub.example.org is not on the allowlist"),
        (DOMAINS, "alice@example.org.evil.example", True, "the domain example.org.evil.example is not"),
        (Gate("domain"), "alice@example.org", True, "the domain example.org is not on"),
    ],
)
def test_other_senders_are_found(gate: Gate, author: str | None, dmarc_pass: bool, said: str) -> None:
    finding = inbound(gate, author, dmarc_pass=dmarc_pass)
    assert finding is not None
    assert (finding.source, finding.reason, finding.action) == ("gate", "sender_gate", gate.action)
    assert said in finding.detail


@pytest.mark.parametrize(
    "author", ["x@example.org", "x@EXAMPLE.ORG.", "x@bücher.example", "x@xn--bcher-kva.example"]
)
def test_domain_policy_on_senders(author: str) -> None:
    assert inbound(DOMAINS, author) is None


def test_a_relay_listed_by_its_owner_stays_unidentified() -> None:
    gate = Gate("allowlist", ("agent@relay.example",))
    assert inbound(gate, "agent@relay.example") is not None


@pytest.mark.parametrize(
    "recipient",
    [
        "alice@example.org",
        "Alice <alice@example.org>",
        '"Doe, Alice" <ALICE@example.org>',
        " bob@example.net ",
    ],
)
def test_listed_recipients_pass_in_any_spelling(recipient: str) -> None:
    assert recipient_gate(LISTED, recipients=[recipient], agent_domain="x") is None


@pytest.mark.parametrize(
    ("gate", "own", "recipients", "said"),
    [
        (
            LISTED,
            None,
            ["alice@example.org", "Eve <EVE@evil.example>"],
            "eve@evil.example is not on the allowlist",
        ),
        (
            LISTED,
            None,
            ["eve@evil.example", "Eve <eve@evil.example>"],
            "eve@evil.example is not on the allowlist",
        ),
        (
            LISTED,
            None,
            ["eve@a.example", "bob@example.net", "m@b.example"],
            "eve@a.example and m@b.example are not on",
        ),
        (
            LISTED,
            None,
            ["eve@a.example", "m@b.example", "t@c.example"],
            "eve@a.example, m@b.example and t@c.example",
        ),
        (
            LISTED,
            None,
            [f"eve@{host}.example" for host in "abcde"],
            "eve@a.example, eve@b.example, eve@c.example and 2 more are not on the allowlist",
        ),
        (LISTED, None, ["not an address", "eve@a.example"], "not an address and eve@a.example are not on"),
        (Gate("allowlist"), None, ["bob@example.net"], "bob@example.net is not on the allowlist"),
        (Gate("domain"), None, ["eve@a.example"], "eve@a.example is not at the agent's own domain x.example"),
        (
            Gate("domain"),
            None,
            ["a@x.example", "b@sub.x.example"],
            "b@sub.x.example is not at the agent's own domain",
        ),
        (Gate("domain"), (), ["a@x.example"], "a@x.example is not an inbox of the agent's account"),
        (
            Gate("domain"),
            ("a@x.example",),
            ["a@x.example", "b@x.example", "c@y.example"],
            "b@x.example and c@y.example",
        ),
    ],
)
def test_the_recipients_not_covered_are_named(
    gate: Gate, own: tuple[str, ...] | None, recipients: list[str], said: str
) -> None:
    finding = recipient_gate(gate, recipients=recipients, agent_domain="x.example", own=own)
    assert finding is not None
    assert (finding.source, finding.reason, finding.action) == ("gate", "recipient_gate", gate.action)
    assert finding.detail.startswith(said)
    assert finding.subject_addr == said.partition(" is ")[0].partition(" and ")[0].partition(",")[0]


@pytest.mark.parametrize(
    "recipient",
    [
        "alice@example.org <eve@evil.example>",
        '"alice@example.org" <eve@evil.example>',
        "<alice@example.org>, <eve@evil.example>",
        "eve@evil.example, alice@example.org",
        "eve@evil.example, Alice <alice@example.org>",
        "eve@evil.example; <alice@example.org>",
        "<eve@evil.example> <alice@example.org>",
        "eve@evil.example\r\nalice@example.org",
        "eve@evil.example(alice@example.org",
        "@evil.example:alice@example.org",
        "",
    ],
)
@pytest.mark.parametrize("gate", [LISTED, Gate("domain")])
def test_no_spelling_smuggles_a_second_address_past(recipient: str, gate: Gate) -> None:
    assert recipient_gate(gate, recipients=[recipient], agent_domain="example.org") is not None


@pytest.mark.parametrize(
    "other", ["busineß", "BUSINEß", "xn--busine-gta", "busine\u200dss", "bu\u017fine\u017f"]
)
def test_a_domain_is_the_one_that_mail_goes_to(other: str) -> None:
    """What older rules made of such a name (ß to ss) is another domain, which anybody may have registered."""
    listed = Gate("allowlist", ("boss@business.example",), Disposition.BLOCK)
    text = f"boss@{other}.example"
    assert recipient_gate(listed, recipients=[text], agent_domain="x.example") is not None
    assert recipient_gate(Gate("domain"), recipients=[text], agent_domain="business.example") is not None
    assert inbound(listed, text) is not None


def test_a_listed_international_domain_lets_its_own_mail_pass() -> None:
    listed = Gate("allowlist", ("boss@busineß.example",))
    for text in ("boss@busineß.example", "Boss <BOSS@xn--busine-gta.example>"):
        assert recipient_gate(listed, recipients=[text], agent_domain="x.example") is None
    assert inbound(listed, "boss@xn--busine-gta.example") is None
    assert inbound(Gate("domain", ("@busineß.example",)), "eve@xn--busine-gta.example") is None


def test_domain_policy_on_recipients_ignores_the_list() -> None:
    gate = Gate("domain", ("example.net",))
    assert recipient_gate(gate, recipients=["a@Agents.Example"], agent_domain="agents.example") is None
    assert recipient_gate(gate, recipients=["a@example.net"], agent_domain="agents.example") is not None
    assert (
        recipient_gate(gate, recipients=["a@sub.agents.example"], agent_domain="agents.example") is not None
    )


@pytest.mark.parametrize(
    ("recipient", "covered"),
    [
        ("mine@agents.example", True),
        ("Mine <MINE@agents.example>", False),  # not as given
        ("theirs@agents.example", False),
        ("nobody@agents.example", False),
        ("mine@example.org", False),
    ],
)
def test_at_a_shared_domain_the_domain_policy_covers_the_accounts_inboxes(
    recipient: str, covered: bool
) -> None:
    own = {"mine@agents.example", "mine@example.org"}
    finding = recipient_gate(Gate("domain"), recipients=[recipient], agent_domain="agents.example", own=own)
    assert (finding is None) is covered


def test_an_empty_list_holds_every_send() -> None:
    gate = Gate("allowlist", (), Disposition.REVIEW)
    assert recipient_gate(gate, recipients=["a@example.org"], agent_domain="example.org") is not None


def test_dispositions_are_ordered_and_spelled() -> None:
    assert max(Disposition.FLAG, Disposition.BLOCK, Disposition.ALLOW) is Disposition.BLOCK
    assert [item.word for item in sorted(Disposition)] == ["allow", "flag", "review", "block"]
    assert Disposition.of("review") is Disposition.REVIEW
    assert Disposition.of_findings([]) is Disposition.ALLOW
    found = inbound(DOMAINS, "x@evil.example"), inbound(LISTED, "x@evil.example")
    assert Disposition.of_findings([finding for finding in found if finding]) is Disposition.BLOCK


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_judged(text: str) -> None:
    assert inbound(LISTED, text) is not None
    assert recipient_gate(LISTED, recipients=[text], agent_domain="agents.example") is not None
