"""Nothing hides in what people and models are shown."""

from __future__ import annotations

import time

import pytest

from e2a_core.visible import one_line, visible, visible_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("invoice\u202efdp.exe", "invoice[U+202E]fdp.exe"),
        ("pay\u200bpal", "pay[U+200B]pal"),
        ("a\u2066b\u2069c", "a[U+2066]b[U+2069]c"),
        ("in\u00advoice", "in[U+00AD]voice"),
        ("pad \u034f \u034f \u034f end", "pad [U+034F x3] end"),
        ("hi\U000e0041\U000e0042", "hi[U+E0041 x2]"),
        ("pa\u200dypal", "pa[U+200D]ypal"),
        ("x@\u0430pple.com", "x@\u0430pple.com [xn--pple-43d.com]"),
        ("https://\u0430pple.com/login", "https://\u0430pple.com [xn--pple-43d.com]/login"),
        ("x@m\u00fcller.example, y", "x@m\u00fcller.example [xn--mller-kva.example], y"),
        ("\u05e9\u05dc\u05d5\u05dd\u200f!", "\u05e9\u05dc\u05d5\u05dd\u200f!"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        (
            "\u9023\u7d61\u5148 info@example.com\u307e\u3067",
            "\u9023\u7d61\u5148 info@example.com\u307e\u3067",
        ),
        ("caf\u00e9 10 \u20ac", "caf\u00e9 10 \u20ac"),
        ("plain", "plain"),
    ],
)
def test_what_is_hidden_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("piece", ["\u200b", "\u200b ", "@\u0430", "a\u200d", "://\u0430.", "\u202e\u0430@"])
def test_any_text_costs_little(piece: str) -> None:
    began = time.process_time()
    visible(piece * (300_000 // len(piece)))
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "hidden",
    ["\U000e0148\U000e0149", "\ufe00\ufe01", "\u034f", "\u17b5", "\u180b", "\u202e", "\u200b", "\u2066"],
)
def test_nothing_hides_in_what_is_shown(hidden: str) -> None:
    assert hidden not in one_line(f"invoice{hidden}.pdf")
    assert hidden not in visible_text(f"invoice{hidden}.pdf")
    assert "[U+" in visible_text(f"invoice{hidden}.pdf")


@pytest.mark.parametrize("filler", ["\u115f", "\u1160", "\u2800", "\u3164", "\uffa0"])
def test_a_letter_without_a_shape_is_written_out(filler: str) -> None:
    assert one_line(f"a{filler}b") == visible_text(f"a{filler}b") == f"a[U+{ord(filler):04X}]b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x@\u0430pple.com", "x@\u0430pple.com [xn--pple-43d.com]"),
        ("see https://\u0430pple.com/login now", "see https://\u0430pple.com [xn--pple-43d.com]/login now"),
        ("x@m\u00fcller.example, y", "x@m\u00fcller.example [xn--mller-kva.example], y"),
        ("x@plain.example \u00fc", "x@plain.example \u00fc"),
        ("\u00fc@ and ://", "\u00fc@ and ://"),
        ("info@example.com\u307e\u3067", "info@example.com\u307e\u3067"),
    ],
)
def test_a_domain_that_may_mislead_has_its_a_label(text: str, shown: str) -> None:
    assert one_line(text) == visible_text(text) == shown


@pytest.mark.parametrize(
    "text", ["\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001f468\u200d\U0001f469", "\u05e9\u05dc\u05d5\u05dd\u200f!"]
)
def test_what_belongs_to_writing_stays(text: str) -> None:
    assert one_line(text) == visible_text(text) == text


def test_what_is_shown_twice_is_as_shown_once() -> None:
    text = "x@\u0430pple.com, pay\u200bpal \u202e https://\u0430pple.com."
    assert visible(visible(text)) == visible(text)
