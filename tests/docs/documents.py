"""The documents of this project, as the tests look at them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOCUMENTS", "ROOT", "Snippet", "snippets", "table_rows", "ticked"]

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_TICKED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Snippet:
    """A fenced block; `place` is the file and line a reader would look for."""

    place: str
    language: str
    text: str


def snippets(*languages: str) -> list[Snippet]:
    """The fenced blocks of all documents, in order; of every language when none is named."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for fence in _FENCE.finditer(text):
            line = text.count("\n", 0, fence.start()) + 1
            found.append(Snippet(f"{document.relative_to(ROOT)}:{line}", fence[1], fence[2]))
    return [snippet for snippet in found if not languages or snippet.language in languages]


def table_rows(name: str) -> list[list[str]]:
    """The cells of every table row of a document that begins with something in backticks."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    rows = (line.strip().strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `"))
    return [[cell.strip() for cell in row] for row in rows]


def ticked(text: str) -> list[str]:
    """What stands in backticks."""
    return _TICKED.findall(text)
