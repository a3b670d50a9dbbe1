from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2a_core.mail.parameters import MAX_PARAMETERS, parse_parameters


@pytest.mark.parametrize(
    ("field", "value", "parameters"),
    [
        ("text/plain", "text/plain", {}),
        ("Text/HTML; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ("text/plain (comment); charset=us-ascii (plain text)", "text/plain", {"charset": "us-ascii"}),
        ('a/b; x="a;b\\"c"; y = z', "a/b", {"x": 'a;b"c', "y": "z"}),
        ("attachment; filename=my report.pdf", "attachment", {"filename": "my report.pdf"}),
        ('attachment; filename="=?utf-8?q?r=C3=A9sum=C3=A9?="', "attachment", {"filename": "résumé"}),
        ("attachment; filename*=utf-8'en'r%C3%A9sum%C3%A9", "attachment", {"filename": "résumé"}),
        ("attachment; filename=plain; filename*=utf-8''better", "attachment", {"filename": "better"}),
        (
            "attachment; filename*0*=utf-8''%E2%82; filename*1*=%AC; filename*2=.txt",
            "attachment",
            {"filename": "€.txt"},
        ),
        ("attachment; filename*1=b; filename*0=a; filename*3=d", "attachment", {"filename": "ab"}),
        ("attachment; filename*=gb2312''%D6%D0", "attachment", {"filename": "中"}),
        ("attachment; filename*=%41", "attachment", {"filename": "A"}),
        ("attachment; filename=a; filename=b", "attachment", {"filename": "a"}),
        ("attachment;; filename=a;", "attachment", {"filename": "a"}),
        ('attachment; filename="unclosed', "attachment", {"filename": "unclosed"}),
        ('a/b; x="open; y="z"; v=w', "a/b", {"x": "open; y=", "v": "w"}),
        ("", "", {}),
    ],
)
def test_parameters(field: str, value: str, parameters: dict[str, str]) -> None:
    assert parse_parameters(field) == (value, parameters)


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.sampled_from(list(";=*\"\\'%() \t0123456789abfilenmutf-")), max_size=80) | st.text(max_size=80)
)
def test_any_text_has_parameters(field: str) -> None:
    parse_parameters(field)


def test_a_field_gives_no_more_parameters_than_any_mail_has() -> None:
    field = "a/b" + "".join(f";p{number}=x" for number in range(5000))
    assert list(parse_parameters(field)[1]) == [f"p{number}" for number in range(MAX_PARAMETERS)]
    # Quotes that open and never close are one value, not one search to the end for each.
    assert parse_parameters('a/b;first="' + ";a='" * 4000)[1].keys() == {"first"}
