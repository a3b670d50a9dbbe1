"""Whom a report may keep from being written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2a_core.feedback.reporter import Reporter
from e2a_core.settings import load_settings


@pytest.mark.parametrize(
    ("domain", "answers"),
    [
        ("example.org", True),
        ("mx.example.org", True),
        ("EXAMPLE.org", True),
        ("org", False),
        ("badexample.org", False),
        ("example.org.evil.example", False),
        ("", False),
        ("send.example.net", True),
        ("example.net", True),
        ("relay.example.com", True),
        ("out.smtp.relay.example.com", True),
        ("example.com", True),
        ("other.example.com", False),
        ("com", False),
    ],
)
def test_who_answers_for_a_recipient(tmp_path: Path, domain: str, answers: bool) -> None:
    settings = load_settings(
        {
            "E2A_HOME": str(tmp_path),
            "E2A_OUTBOUND_SMTP_HOST": "smtp.relay.example.com",
            "E2A_OUTBOUND_SMTP_FROM_DOMAIN": "send.example.net",
        }
    )
    assert Reporter(True, domain).answers_for("ann@example.org", settings) is answers
