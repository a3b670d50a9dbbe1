"""Instants as the wire spells them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2a_core.clock import parse_rfc3339, rfc3339


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read(instant: datetime) -> None:
    assert parse_rfc3339(rfc3339(instant)) == instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31t12:00:00.5z", datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00.123456789Z", datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_any_offset_is_read_in_utc(text: str, instant: datetime) -> None:
    read = parse_rfc3339(text)
    assert (read, read.tzinfo) == (instant, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00+0200",
        "2026-02-30T12:00:00Z",
        "2026-01-31T12:00:00Z ",
        "\u0662\u0660\u0662\u0666-01-31T12:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|out of range"):
        parse_rfc3339(text)
