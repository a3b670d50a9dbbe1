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
CHARS = 60_000
RULES = 150


def read_html(folder: Path, *, quick: bool) -> list[Figure]:
    """Measures the processor time of a newsletter, both sides in turns. `HTMLParser` reads no style."""
    del folder
    html = newsletter(CHARS, RULES)
    ours, baseline = [], []
    for _ in range(3 if quick else 50):
        baseline.append(_milliseconds(lambda: _Tags().feed(html)))
        ours.append(_milliseconds(lambda: html_to_text(html)))
    note = f"{RULES} rules; baseline: html.parser, tags only"
    return [measured(f"newsletter of {CHARS:,} characters", "ms", ours, baseline, bound=BOUND, note=note)]


class _Tags(HTMLParser):
    """Finds tags and text, and does nothing with them."""


def _milliseconds(read: Callable[[], object]) -> float:
    started = time.process_time()
    read()
    return (time.process_time() - started) * 1000
