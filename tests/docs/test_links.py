"""Links between the documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.docs.documents import DOCUMENTS, ROOT

LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
# Those that a reader meets beside the documentation.
OTHERS = [*sorted(ROOT.glob("*.md")), ROOT / "examples/README.md"]
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors that the headings of a document make."""
    headings = HEADING.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", [*DOCUMENTS[1:], *OTHERS], ids=lambda path: path.name)
def test_links_resolve(document: Path) -> None:
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        if link.startswith(("https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        # The site has only the documentation, and is built strictly.
        within = ROOT / "docs" if document.parent == ROOT / "docs" else ROOT
        assert target.is_relative_to(within), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_links_to_our_own_files_lead_to_them() -> None:
    ours = re.compile(r"https://github\.com/Mnexa-AI/e2a-mcp/blob/main/([^)#\s]+)")
    for document in {*DOCUMENTS, *OTHERS}:
        for name in ours.findall(document.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), name


def test_every_document_is_reached_from_the_readme() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert {f"docs/{path.name}" for path in DOCUMENTS[1:]} <= linked
    assert {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} <= linked


def test_every_document_is_on_the_site() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert site["strict"] is True
    shown = re.findall(r"'([a-z]+\.md)'", str(site["nav"]))
    assert sorted(shown) == sorted(path.name for path in DOCUMENTS[1:])
