"""The time of reading HTML mail, against what the parser of the standard library takes to find its tags."""

from __future__ import annotations

import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from tests.support.newsletters import newsletter

from bench.report import Figure, measured
from e2a_core.mail.html import html_to_text

__all__ = ["read_html"]

BOUND = 3.0
SIZES = (20_000, 60_000)
"""A short letter costs more for each character: most of its styles are read for the first time."""
RULES = 150


def read_html(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures the processor time of newsletters, both sides in turns. `HTMLParser` reads no style."""
    del folder
    return [_newsletter(chars, 3 if quick else 50) for chars in SIZES]


def _newsletter(chars: int, rounds: int) -> Figure:
    html = newsletter(chars, RULES)
    ours, baseline = [], []
    for _ in range(rounds):
        baseline.append(_milliseconds(lambda: _Tags().feed(html)))
        ours.append(_milliseconds(lambda: html_to_text(html)))
    note = f"{RULES} rules; baseline: html.parser, tags only"
    return measured(f"newsletter of {chars:,} characters", "ms", ours, baseline, bound=BOUND, note=note)


class _Tags(HTMLParser):
    """Finds tags and text, and does nothing with them."""


def _milliseconds(read: Callable[[], object]) -> float:
    started = time.process_time()
    read()
    return (time.process_time() - started) * 1000
