"""The template language: what parses, what it comes to, and where it stops."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.templates.language import (
    MAX_RENDERED_BYTES,
    MAX_SOURCE_BYTES,
    RenderError,
    Slot,
    Template,
    TemplateSyntaxError,
    check_data,
    parse_template,
    suggested_data,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
sources = st.lists(
    st.sampled_from(["{{", "}}", "{{{", "}}}", "{", "}", " ", "a", "a.b", "_", ".", "#", "ü", "\n"])
    | st.text()
).map("".join)


def render(source: str, data: dict[str, Any], *, html: bool = False) -> str:
    return parse_template(source).render(data, html=html)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("", ""),
        ("plain { } } text", "plain { } } text"),
        ("Hello {{name}}!", "Hello Robin!"),
        ("{{ name }}{{\tname\n}}", "RobinRobin"),
        ("{{{ name }}}", "Robin"),
        ("{{user.mail.work}}", "r@example.com"),
        ("[{{missing}}{{user.missing}}{{name.length}}{{nothing}}]", "[]"),
        ("[{{user}}{{list}}]", "[]"),
        ("{{number}} {{big}} {{fraction}} {{exact}}", "7 123456789012345678901 0.5 1.10"),
        ("{{yes}} {{no}}", "true false"),
        ("{{_private}}", "p"),
        ("{{name}}}", "Robin}"),
        ("{{markup}}", "<b>&\"'</b>"),
    ],
)
def test_what_a_source_comes_to(source: str, result: str) -> None:
    data = {
        "name": "Robin",
        "user": {"mail": {"work": "r@example.com"}},
        "nothing": None,
        "list": [1],
        "number": 7,
        "big": 123456789012345678901,
        "fraction": 0.5,
        "exact": Decimal("1.10"),
        "yes": True,
        "no": False,
        "_private": "p",
        "markup": "<b>&\"'</b>",
    }
    assert render(source, data) == result


def test_html_escapes_values_and_nothing_else() -> None:
    data = {"value": "<b>&\"'</b>"}
    rendered = render("<p>&amp;{{value}}{{{value}}}</p>", data, html=True)
    assert rendered == "<p>&amp;&lt;b&gt;&amp;&#34;&#39;&lt;/b&gt;<b>&\"'</b></p>"


def test_a_value_is_never_read_as_a_template() -> None:
    assert render("{{a}}", {"a": "{{b}}", "b": "wrong"}) == "{{b}}"


@pytest.mark.parametrize(
    "source",
    [
        "{{name",
        "{{{name}}",
        "{{}}",
        "{{  }}",
        "{{{}}}",
        "{{#if}}",
        "{{/if}}",
        "{{^a}}",
        "{{>part}}",
        "{{!note}}",
        "{{{#a}}}",
        "{{1st}}",
        "{{a-b}}",
        "{{a b}}",
        "{{.a}}",
        "{{größe}}",
        "{{a {{b}}",
        "{{{{a}}}}",
        "x" * (MAX_SOURCE_BYTES + 1),
        "ü" * (MAX_SOURCE_BYTES // 2 + 1),
    ],
)
def test_what_is_no_template(source: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        parse_template(source)


def test_limits_are_inclusive() -> None:
    parse_template("x" * MAX_SOURCE_BYTES)
    half = "x" * (MAX_RENDERED_BYTES // 2)
    assert len(render("{{a}}{{a}}", {"a": half})) == MAX_RENDERED_BYTES
    with pytest.raises(RenderError):
        render("{{a}}{{a}}.", {"a": half})
    with pytest.raises(RenderError):
        render("{{a}}", {"a": "&" * (MAX_RENDERED_BYTES // 5 + 1)}, html=True)
    with pytest.raises(RenderError):
        render("{{a}}", {"a": 10**5000})


def test_many_slots_of_a_long_value_stop_early() -> None:
    with pytest.raises(RenderError):
        render("{{a}}" * 50_000, {"a": "x" * 1_000_000})


def test_depth_of_data() -> None:
    def nested(levels: int, leaf: Any) -> dict[str, Any]:
        data = leaf
        for _ in range(levels):
            data = {"a": data}
        return dict(data)

    check_data(nested(8, "leaf"))
    check_data(nested(7, []))
    for data in (nested(9, "leaf"), nested(8, []), nested(5000, None)):
        with pytest.raises(RenderError):
            check_data(data)


def test_suggestions_are_nested_as_the_names_are() -> None:
    names = ["user", "user.name", "user.mail.work", "code"]
    assert suggested_data(names) == {
        "user": {"name": "user.name_value", "mail": {"work": "user.mail.work_value"}},
        "code": "code_value",
    }
    assert suggested_data(["a.b.c", "a.b"]) == {"a": {"b": {"c": "a.b.c_value"}}}


@settings(max_examples=200, deadline=None)
@given(sources, st.dictionaries(st.sampled_from(["a", "b", "_"]), json_values))
def test_any_source_and_data_render_or_are_refused(source: str, data: dict[str, Any]) -> None:
    try:
        template = parse_template(source)
        check_data(data)
        rendered = template.render(data, html=True)
    except (TemplateSyntaxError, RenderError):
        return
    assert isinstance(rendered, str)
    assert isinstance(suggested_data(template.variables), dict)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(alphabet="ab {}<&\n") | st.builds(Slot, st.sampled_from(["a", "b.c"]), st.booleans()))
)
def test_what_a_template_says_is_what_it_parses_to(pieces: list[str | Slot]) -> None:
    """Literal text without double braces comes through as it is, between the values."""
    texts = [piece for piece in pieces if not isinstance(piece, str) or not set(piece) & set("{}")]
    source = "".join(
        piece
        if isinstance(piece, str)
        else f"{{{{{{{piece.name}}}}}}}"
        if piece.raw
        else f"{{{{{piece.name}}}}}"
        for piece in texts
    )
    data = {"a": "A", "b": {"c": "<"}}
    values = {"a": "A", "b.c": "<"}
    expected = "".join(piece if isinstance(piece, str) else values[piece.name] for piece in texts)
    template = parse_template(source)
    assert isinstance(template, Template)
    assert template.render(data) == expected
