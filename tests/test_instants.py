"""Instants as people, models and clients write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from e2a_core.instants import read_instant, retry_after

NOW = datetime(2026, 11, 28, 9, 30, 15, tzinfo=UTC)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31T14:00:00+02:00", NOON),
        ("2026-01-31T12:00:00+0000", NOON),
        ("2026-01-31T06:30:00-0530", NOON),
        ("2026-01-31T14:00:00+02", NOON),
        ("2026-01-31T14:00:00 02:00", NOON),
        ("2026-01-31 12:00:00 UTC", NOON),
        ("2026-01-31 12:00", NOON),
        (" 2026-01-31T12:00:00.000 ", NOON),
        ("20260131T120000Z", NOON),
        ("Sat, 31 Jan 2026 12:00:00 +0000", NOON),
        ("31 Jan 2026 12:00:00 GMT", NOON),
        ("2026-01-31T12:00:00.123456789Z", NOON.replace(microsecond=123_456)),
        ("2026-01-31T12:00:00,5Z", NOON.replace(microsecond=500_000)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("today", datetime(2026, 11, 28, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 11, 27, tzinfo=UTC)),
        ("tomorrow", datetime(2026, 11, 29, tzinfo=UTC)),
        ("now", NOW),
        ("2d", datetime(2026, 11, 26, 9, 30, 15, tzinfo=UTC)),
        ("2 days ago", datetime(2026, 11, 26, 9, 30, 15, tzinfo=UTC)),
        ("-2d", datetime(2026, 11, 26, 9, 30, 15, tzinfo=UTC)),
        ("P2D", datetime(2026, 11, 26, 9, 30, 15, tzinfo=UTC)),
        ("1w", datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)),
        ("1h30m", datetime(2026, 11, 28, 8, 0, 15, tzinfo=UTC)),
        ("PT90M", datetime(2026, 11, 28, 8, 0, 15, tzinfo=UTC)),
        ("90 minutes", datetime(2026, 11, 28, 8, 0, 15, tzinfo=UTC)),
        ("45s", datetime(2026, 11, 28, 9, 29, 30, tzinfo=UTC)),
        ("in 2 hours", datetime(2026, 11, 28, 11, 30, 15, tzinfo=UTC)),
        ("+2h", datetime(2026, 11, 28, 11, 30, 15, tzinfo=UTC)),
    ],
)
def test_what_is_read(text: str, instant: datetime) -> None:
    read = read_instant(text, NOW)
    assert (read, read.tzinfo) == (instant, UTC)


@pytest.mark.parametrize(
    ("text", "hour"), [("2h", 11), ("in 2h", 11), ("2h ago", 7), ("-2h", 7), ("PT2H", 11)]
)
def test_a_span_lies_ahead_where_the_future_is_meant(text: str, hour: int) -> None:
    assert read_instant(text, NOW, ahead=True) == NOW.replace(hour=hour)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "5",
        "1764316800",
        "2026",
        "2026-01",
        "2026-1-3",
        "2026-W05-6",
        "2026-02-30",
        "2026-01-31T24:30:00Z",
        "2026-01-31T12:00:00+00:00:00",
        "2 fortnights",
        "1d 5",
        "in 2d ago",
        "p",
        "99999999d",
        "999999w",
        "9999-12-31T23:59:59-01:00",
        "Sat, 99 Jan 2026 12:00:00 +0000",
        "\u0662d",
        "2d" + " " * 100 + "ago",
        "1s" * 1000,
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        read_instant(text, NOW)


@pytest.mark.parametrize("text", ["2d", "today", "now"])
def test_a_span_needs_a_clock(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        read_instant(text, None)


ASKED_AT = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", None),
        ("00060", 60),
        ("-5", None),
        ("1.5", None),
        ("+5", None),
        ("٣", None),
        ("9" * 5000, 999_999_999),
        ("Sat, 28 Nov 2026 12:01:30 GMT", 90),
        ("Saturday, 28-Nov-26 12:01:30 GMT", 90),
        ("Sat Nov 28 12:01:30 2026", 90),
        ("Sat, 28 Nov 2026 11:59:59 GMT", None),
        ("Sat, 28 Nov 2026 12:00:00 GMT", None),
        ("Sat, 28 Nov 2026 13:01:30 +0100", 90),
        ("Sat, 99 Nov 2026 12:01:30 GMT", None),
        ("Sat, 28 Nov 99999999999 12:01:30 GMT", None),
        ("2026-11-28T12:01:30Z", None),
        ("soon", None),
        ("", None),
        ("120, 240", None),
    ],
)
def test_how_long_an_answer_asks_to_wait(text: str, seconds: int | None) -> None:
    assert retry_after(text, ASKED_AT) == (None if seconds is None else timedelta(seconds=seconds))
