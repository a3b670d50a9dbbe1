"""What a stranger wrote is text on every page and in every mail, and a template is given all it needs."""

from __future__ import annotations

from html import unescape
from importlib.resources import files

import pytest
from jinja2 import UndefinedError

from e2a_core.markup import render

HOSTILE = "</pre></textarea>\"'><script>alert(1)</script>&amp;"
FACTS = {HOSTILE: HOSTILE}
DECISION = {
    "title": HOSTILE,
    "text": HOSTILE,
    "html": HOSTILE,
    "preview_chars": 1000,
    "undecided": HOSTILE,
    "facts": FACTS,
    "hidden": FACTS,
    "warning": HOSTILE,
    "differences": FACTS,
    "reason": HOSTILE,
    "action": "reject",
    "lead": HOSTILE,
    "why": HOSTILE,
    "otherwise": HOSTILE,
    "button": HOSTILE,
}
HOLD = ("why", "otherwise", "warning", "text", "missing")
VALUES: dict[str, dict[str, object]] = {
    "page.html": {"title": HOSTILE, "text": HOSTILE},
    "decision.html": DECISION,
    "unsubscribe.html": {"title": HOSTILE, "text": HOSTILE},
    "operations.html": {"title": HOSTILE, "paths": {HOSTILE: {"get": {"summary": HOSTILE}}}},
    "hold_notice.html": {
        "head": HOSTILE,
        "holds": [{"facts": FACTS, "links": FACTS, **dict.fromkeys(HOLD, HOSTILE)}],
        "more": HOSTILE,
        "queue": HOSTILE,
    },
    "sign_in_mail.html": {"lines": [HOSTILE, HOSTILE], "url": HOSTILE},
    "webhook_notice.html": {"lines": [HOSTILE, HOSTILE], "webhook_id": HOSTILE},
    "unsubscribe_footer.html": {"url": HOSTILE, "agent_email": HOSTILE},
}


def test_every_template_is_tried() -> None:
    """But for those of the dashboard, whose pages are all opened in `tests/pages`."""
    templates = files("e2a_core.markup").joinpath("templates").iterdir()
    assert {item.name for item in templates if item.is_file()} == set(VALUES)


@pytest.mark.parametrize("template", VALUES)
def test_what_a_stranger_wrote_is_text(template: str) -> None:
    made = render(template, **VALUES[template])
    assert "<script" not in made
    assert HOSTILE in unescape(made)


@pytest.mark.parametrize("template", VALUES)
def test_a_value_that_is_missing_is_an_error(template: str) -> None:
    with pytest.raises(UndefinedError):
        render(template)


def test_of_a_long_text_the_rest_is_counted() -> None:
    made = render("decision.html", **{**DECISION, "html": "", "text": "x" * 1200})
    assert f"<pre>{'x' * 1000}</pre>" in made
    assert "200 more characters are not shown here." in made


def test_a_page_without_text_has_no_paragraph() -> None:
    assert "<p>" not in render("page.html", title="Gone", text="")
