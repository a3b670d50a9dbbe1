"""Whether the HTML of a message says what its text says: whoever approves one of them lets both out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from e2a_core.contract.message_views import MessageView
from e2a_core.visible import visible_text

__all__ = ["BODIES_DIFFER", "Bodies"]

BODIES_DIFFER = "WARNING: the HTML says something else than the text, and most readers see the HTML"
MAX_WORDS = 20
"""Words named of those that only one of two bodies has."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Bodies:
    """The two bodies of a message: `source` is its HTML, `html` what a reader sees of it."""

    source: str
    html: str
    only_html: tuple[str, ...]
    only_text: tuple[str, ...]

    @classmethod
    def of(cls, view: MessageView) -> Bodies:
        """Takes time in proportion to the bodies, so that long ones belong on a thread."""
        stored, parsed = view.body, view.parsed
        source = (stored.html if stored else None) or (parsed.html if parsed else None) or ""
        text = (stored.text if stored else None) or (parsed.text if parsed else None) or ""
        # The servers of tools start the sooner for what they load with the first decision.
        from e2a_core.mail.html import html_to_text

        html = visible_text(html_to_text(source))
        return cls(source, html, *_differences(_WORD.findall(html), _WORD.findall(text)))

    @property
    def differ(self) -> bool:
        return bool(self.html) and bool(self.only_html or self.only_text)

    @property
    def differences(self) -> dict[str, str]:
        """The first words that only one of the bodies has, by which one; empty unless they differ."""
        told = {"Only in the HTML": self.only_html, "Only in the text": self.only_text}
        return {where: " ".join(words[:MAX_WORDS]) for where, words in told.items() if words and self.differ}


def _differences(html: list[str], text: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the words that are in one body more often than in the other, in order."""
    there, here = Counter(map(str.casefold, html)), Counter(map(str.casefold, text))
    more, less = there - here, here - there
    return (
        tuple(dict.fromkeys(word for word in html if word.casefold() in more)),
        tuple(dict.fromkeys(word for word in text if word.casefold() in less)),
    )
