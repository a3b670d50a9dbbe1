from __future__ import annotations

import pytest

from e2a_core.errors import InvalidRecipient
from e2a_core.mail.threading import (
    Correspondents,
    forward_subject,
    lookup_ids,
    reply_recipients,
    reply_references,
    reply_subject,
)

OWN = "bot@agents.example.net"


@pytest.mark.parametrize(
    ("subject", "reply", "forward"),
    [
        ("Hello", "Re: Hello", "Fwd: Hello"),
        ("RE: Hello", "RE: Hello", "Fwd: RE: Hello"),
        ("re:Hello", "re:Hello", "Fwd: re:Hello"),
        ("fw: Hello", "Re: fw: Hello", "fw: Hello"),
        ("FWD: Hello", "Re: FWD: Hello", "FWD: Hello"),
        ("Return", "Re: Return", "Fwd: Return"),
        ("  ", "Re: (no subject)", "Fwd: (no subject)"),
    ],
)
def test_subjects(subject: str, reply: str, forward: str) -> None:
    assert reply_subject(subject) == reply
    assert forward_subject(subject) == forward


def test_references_end_with_the_parent() -> None:
    assert reply_references("<p@x>", ["<a@x>", "<p@x>", "<b@x>", "<a@x>"], ["<z@x>"]) == [
        "<a@x>",
        "<b@x>",
        "<p@x>",
    ]
    assert reply_references("<p@x>", [], ["<z@x>"]) == ["<z@x>", "<p@x>"]
    assert reply_references("<p@x>", [], []) == ["<p@x>"]
    assert reply_references(None, ["<a@x>"], []) == ["<a@x>"]
    long = reply_references("<p@x>", [f"<{number}@x>" for number in range(100)], [])
    assert (len(long), long[0], long[1], long[-1]) == (50, "<0@x>", "<52@x>", "<p@x>")


def test_the_nearest_ancestor_is_looked_up_first() -> None:
    assert lookup_ids(["<p@x>"], ["<a@x>", "<b@x>", "<p@x>"]) == ["<p@x>", "<b@x>", "<a@x>"]
    assert lookup_ids([], []) == []


def test_a_reply_goes_to_reply_to_else_to_the_author() -> None:
    parent = Correspondents(
        "Ann@Example.org", ["List@Example.org"], [OWN, "bob@example.org"], ["carl@example.org"]
    )
    assert reply_recipients(parent, reply_all=False, own_address=OWN) == (["list@example.org"], [])
    without = Correspondents("Ann@Example.org", [], [OWN], [])
    assert reply_recipients(without, reply_all=False, own_address=OWN) == (["ann@example.org"], [])


def test_reply_all_adds_everybody_else_once() -> None:
    parent = Correspondents(
        "ann@example.org",
        [],
        ["Bot+orders@agents.example.net", "Bob@example.org", "relay@example.net"],
        ["bob@EXAMPLE.org", "ann@example.org", OWN.upper()],
    )
    to, cc = reply_recipients(parent, reply_all=True, own_address=OWN, aliases=["relay@example.net"])
    assert (to, cc) == (["ann@example.org"], ["bob@example.org"])


def test_a_reply_to_our_own_message_goes_where_it_went() -> None:
    parent = Correspondents(OWN, [OWN], ["ann@example.org"], ["bob@example.org", OWN], outbound=True)
    assert reply_recipients(parent, reply_all=False, own_address=OWN) == (["ann@example.org"], [])
    assert reply_recipients(parent, reply_all=True, own_address=OWN) == (
        ["ann@example.org"],
        ["bob@example.org"],
    )


def test_nobody_to_answer_is_an_error() -> None:
    with pytest.raises(InvalidRecipient):
        reply_recipients(Correspondents(None, [], [OWN], []), reply_all=True, own_address=OWN)


@pytest.mark.parametrize(
    ("own", "given"),
    [
        ("agent@example.org", "AGENT@Example.Org"),
        ("agent@example.org", "agent+sales@example.org"),
        ("agent@example.org", '"agent"@example.org'),
        ("agent+sales@example.org", "agent+sales@example.org"),
        ("agent@xn--bcher-kva.example", "agent@bücher.example"),
        ("agent@bücher.example", "Agent+x@XN--BCHER-KVA.example"),
    ],
)
def test_our_own_address_is_known_in_every_spelling(own: str, given: str) -> None:
    parent = Correspondents("ann@example.net", [given], [given, "bob@example.net"], [given])
    assert reply_recipients(parent, reply_all=True, own_address=own) == (
        ["ann@example.net"],
        ["bob@example.net"],
    )
