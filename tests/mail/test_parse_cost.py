"""What it takes to read an ordinary message, in calls: unlike time, they are the same on every machine."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable

from bench.mail import Signer

from e2a_core.mail.headers import parse_headers
from e2a_core.mail.parse import parse_message
from e2a_core.messages.terms import parts, words_of


def calls(work: Callable[[], object]) -> int:
    """The calls of functions that `work` makes when it is done for the second time."""
    work()
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def test_reading_a_plain_message_takes_few_calls() -> None:
    raw = Signer().message(1, "assistant@agents.localhost")
    headers = parse_headers(raw)
    assert calls(lambda: parse_headers(raw)) < 240
    assert calls(lambda: parse_message(raw, headers=headers)) < 480


def test_terms_take_calls_for_each_text_and_not_for_each_word() -> None:
    text = "The delivery of lot 17 moved to the week after next. " * 80
    assert calls(lambda: words_of(text)) < 20
    assert calls(lambda: parts("delivery of lot 17 moved to next week")) < 20
