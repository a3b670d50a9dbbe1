from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.mail.quoting import (
    Original,
    forward_html,
    forward_text,
    quote_history,
    quote_history_html,
    split_quoted,
    tidy,
)

DATE = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)

ATTRIBUTIONS = [
    "On Mon, Aug 31, 2026 at 9:00 AM Bot <bot@agents.example.net> wrote:",
    "On 31 Aug 2026, at 09:00, Bot <bot@agents.example.net> wrote:",
    "Am Mo., 31. Aug. 2026 um 09:00 Uhr schrieb Bot <bot@agents.example.net>:",
    "Am 31.08.26 um 09:00 schrieb Bot:",
    "Le lun. 31 août 2026 à 09:00, Bot <bot@agents.example.net> a écrit :",
    "El lun, 31 ago 2026 a las 9:00, Bot (<bot@agents.example.net>) escribió:",
    "Il giorno lun 31 ago 2026 alle ore 09:00 Bot <bot@agents.example.net> ha scritto:",
    "Em seg., 31 de ago. de 2026 às 09:00, Bot <bot@agents.example.net> escreveu:",
    "Op ma 31 aug 2026 om 09:00 schreef Bot <bot@agents.example.net>:",
    "W dniu 31.08.2026 o 09:00, Bot pisze:",
    "pon., 31 sie 2026 o 09:00 Bot <bot@agents.example.net> napisał(a):",
    "Den mån 31 aug. 2026 kl 09:00 skrev Bot <bot@agents.example.net>:",
    "2026年8月31日(月) 9:00 Bot <bot@agents.example.net>:",
    "Bot <bot@agents.example.net> 于2026年8月31日周一 09:00写道：",
    "Bot <bot@agents.example.net> 於 2026年8月31日 週一 上午9:00寫道：",
    "2026년 8월 31일 (월) 오전 9:00, Bot <bot@agents.example.net>님이 작성:",
    "пн, 31 авг. 2026 г. в 09:00, Bot <bot@agents.example.net>:",
    "31.08.2026 09:00, Bot пишет:",
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_a_quote_ends_the_new_text_in_every_language(attribution: str) -> None:
    new, quoted = split_quoted(f"Fine with me.\n\n{attribution}\n\nShall we meet?\nSee you")
    assert new == "Fine with me."
    assert quoted == f"{attribution}\n\nShall we meet?\nSee you"


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_an_answer_below_the_quote_is_the_new_text(attribution: str) -> None:
    new, quoted = split_quoted(f"{attribution}\n> Shall we meet?\n>\n> See you\n\nFine with me.\n\nAnn")
    assert "Fine with me.\n\nAnn" in new
    assert "Shall we meet" not in new
    assert "> Shall we meet?" in quoted


def test_a_wrapped_attribution_is_found() -> None:
    text = "Yes.\n\nOn Mon, Aug 31, 2026 at 9:00 AM A Rather Long Name Indeed\n<bot@agents.example.net> wrote:\n\n> Q?"
    assert split_quoted(text) == ("Yes.", text.removeprefix("Yes.\n\n"))


@pytest.mark.parametrize(
    "block",
    [
        "From: Bot <bot@a.example>\nSent: Monday, August 31, 2026 9:00 AM\nTo: Ann\nSubject: Meeting",
        "Von: Bot <bot@a.example>\nGesendet: Montag, 31. August 2026 09:00\nAn: Ann\nBetreff: Treffen",
        "De : Bot <bot@a.example>\nEnvoyé : lundi 31 août 2026 09:00\nÀ : Ann\nObjet : Rendez-vous",
        "De: Bot\nEnviado el: lunes, 31 de agosto de 2026 9:00\nPara: Ann\nAsunto: Cita",
        "Da: Bot\nInviato: lunedì 31 agosto 2026 09:00\nA: Ann\nOggetto: Incontro",
        "*From:* Bot <bot@a.example>\n*Sent:* Monday\n*To:* Ann\n*Subject:* Meeting",
        "差出人: Bot\n送信日時: 2026年8月31日 9:00\n宛先: Ann\n件名: 会議",
        "发件人: Bot\n发送时间: 2026年8月31日 9:00\n收件人: Ann\n主题: 会议",
    ],
)
def test_outlook_header_blocks_end_the_new_text_but_not_in_a_forward(block: str) -> None:
    text = f"Works.\n\n________________________________\n{block}\n\nShall we meet?"
    assert split_quoted(text)[0] == "Works."
    assert split_quoted(text, forwarded=True) == (text, "")


def test_the_original_message_separator_ends_the_new_text() -> None:
    assert split_quoted("Ok\n\n-----Original Message-----\nFrom: x\n\nold")[0] == "Ok"
    assert split_quoted("Ok\n\n-----Ursprüngliche Nachricht-----\nVon: x\n\nalt")[0] == "Ok"


@pytest.mark.parametrize(
    "mark",
    [
        "---------- Forwarded message ---------",
        "Begin forwarded message:",
        "-------- Weitergeleitete Nachricht --------",
        "---------- Message transféré ----------",
        "-------- Пересылаемое сообщение --------",
    ],
)
def test_a_forwarded_message_stays_visible(mark: str) -> None:
    text = f"See below\n\n{mark}\n> From: Ann <ann@example.org>\n> Subject: plan\n\n> the plan"
    assert split_quoted(text) == (text, "")


def test_answers_between_quotes_keep_their_questions() -> None:
    text = (
        "On Mon, 31 Aug 2026 at 9:00, Bot <b@a.example> wrote:\n> Day?\n\nTuesday\n\n> Room?\n\n4B\n\n> Bye"
    )
    new, quoted = split_quoted(text)
    assert new.endswith("> Day?\n\nTuesday\n\n> Room?\n\n4B")
    assert quoted == "> Bye"


def test_a_message_that_only_quotes_has_no_new_text() -> None:
    assert split_quoted("> one\n> two") == ("", "> one\n> two")


@pytest.mark.parametrize(
    "text",
    [
        "The poet wrote:\n\nRoses are red",
        "From: here to there is 5 km",
        "Items:\n- a\n- b",
        "---\nAnn\nExample Ltd",
        "",
    ],
)
def test_prose_is_not_taken_for_a_quote(text: str) -> None:
    assert split_quoted(text) == (text, "")


def test_a_quote_without_marks_and_nothing_above_it_is_shown() -> None:
    text = "-----Original Message-----\nFrom: x\n\nold"
    assert split_quoted(text) == (text, "")


def test_our_own_quote_is_found_again() -> None:
    history = quote_history("Hi\n> deeper\n\nBye", sender="Ann <ann@example.org>", date=DATE)
    assert history == (
        "On Tue, 01 Sep 2026 10:00:00 +0000, Ann <ann@example.org> wrote:\n> Hi\n>> deeper\n>\n> Bye"
    )
    assert split_quoted(f"Answer\n\n{history}") == ("Answer", history)


def test_the_html_quote_escapes_the_sender() -> None:
    html = quote_history_html("<p>Hi</p>", sender="Ann <ann@example.org>", date=None)
    assert "Ann &lt;ann@example.org&gt; wrote:" in html
    assert "<p>Hi</p></blockquote>" in html


def test_a_forward_shows_who_wrote_what_when() -> None:
    original = Original("ann@example.org", DATE, "Plan", ["b@x.example"], [], "line 1\nline 2")
    text = forward_text("FYI", original)
    assert text == (
        "FYI\r\n\r\n---------- Forwarded message ---------\r\nFrom: ann@example.org\r\n"
        "Date: Tue, 01 Sep 2026 10:00:00 +0000\r\nSubject: Plan\r\nTo: b@x.example\r\n\r\nline 1\r\nline 2"
    )
    assert split_quoted(tidy(text)) == (tidy(text), "")
    html = forward_html("", original)
    assert "<pre>line 1\r\nline 2</pre>" in html
    assert "Cc" not in html


_LINES = st.sampled_from(
    [
        *ATTRIBUTIONS,
        "> q",
        ">> q",
        "",
        "text",
        "From: a",
        "Sent: b",
        "To: c",
        "-----Original Message-----",
        "x:",
        "____________",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_LINES | st.text(max_size=40), max_size=20), st.booleans())
def test_splitting_loses_no_line(lines: list[str], forwarded: bool) -> None:
    text = tidy("\n".join(lines))
    new, quoted = split_quoted(text, forwarded=forwarded)
    assert sorted(filter(None, text.split("\n"))) == sorted(filter(None, (new + "\n" + quoted).split("\n")))
