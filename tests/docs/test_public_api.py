"""The public API of `e2a_core` is what the page says, and it changes only on purpose."""

from __future__ import annotations

import importlib

import pytest

from tests.docs.documents import ROOT, ticked
from tests.docs.public_api import NAMES, PINNED, described

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")

NOT_NAMES = {"e2a_core", "Protocol", "CHANGELOG.md", "/v1", "code", "status", "retryable", "details", "watch"}
MODELS = {"SendEmailRequest", "MessageView"}
"""Named on the page as examples; each model of a signature is public."""


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_public_name_is_exported_and_on_the_page(module: str, name: str) -> None:
    assert name in importlib.import_module(module).__all__
    told = ticked(PAGE)
    assert name in told or f"{name}()" in told
    assert module in told, f"the page does not say that {name} is in {module}"


def test_the_page_names_nothing_else() -> None:
    known = {name for _, name in NAMES} | {module for module, _ in NAMES} | NOT_NAMES | MODELS
    assert {name.removesuffix("()") for name in ticked(PAGE)} <= known


def test_the_public_api_is_the_pinned_one() -> None:
    """`python -m tests.docs.generated` pins a change that is meant; the changelog tells it."""
    assert PINNED.read_text(encoding="utf-8") == described()
