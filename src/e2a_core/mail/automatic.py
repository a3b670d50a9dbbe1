"""Recognises automatic mail by its headers: replies, bounces, lists, notifications (RFC 3834, 2919, 2369).

Automatic answers to automatic mail cause loops, so every automatic answer checks this first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from e2a_core.mail.headers import Headers
from e2a_core.mail.parameters import parse_parameters

__all__ = [
    "LOOP_HEADER",
    "AutoSubmitted",
    "AutomaticKind",
    "classify_automatic",
    "received_count",
]

LOOP_HEADER = "X-E2A-Loop"

AutomaticKind = Literal["auto-generated", "auto-replied", "bulk", "list", "bounce"]


@dataclass(frozen=True, slots=True)
class AutoSubmitted:
    """Why a message counts as automatic: its kind, and the header field (or `MAIL FROM`) that shows it."""

    kind: AutomaticKind
    reason: str


def classify_automatic(headers: Headers, envelope_from: str | None = None) -> AutoSubmitted | None:
    """The kind of automatic mail, or None if a person may have written the message.

    `envelope_from` is the envelope sender: "" for the null sender, None if unknown.
    """
    return (
        _report(headers)
        or _auto_submitted(headers)
        or (AutoSubmitted("bounce", "MAIL FROM") if envelope_from in {"", "<>"} else None)
        or _responder(headers)
        or _list_or_bulk(headers)
    )


def received_count(headers: Headers) -> int:
    """The number of servers the message has passed through (RFC 5321 section 6.3)."""
    return len(headers.get_all("received"))


def _report(headers: Headers) -> AutoSubmitted | None:
    content_type, parameters = parse_parameters(headers.get("content-type"))
    if content_type != "multipart/report":
        return None
    report_type = parameters.get("report-type", "").lower()
    if report_type == "disposition-notification":
        return AutoSubmitted("auto-replied", "Content-Type")
    if report_type in {"delivery-status", ""}:
        return AutoSubmitted("bounce", "Content-Type")
    return AutoSubmitted("auto-generated", "Content-Type")


def _auto_submitted(headers: Headers) -> AutoSubmitted | None:
    """Every keyword except `no` marks automatic mail; comments and parameters are ignored (RFC 3834 section 5)."""
    for value in headers.get_all("auto-submitted"):
        keyword = value.partition(";")[0].partition("(")[0].strip().lower()
        if keyword and keyword != "no":
            return AutoSubmitted(
                "auto-replied" if keyword == "auto-replied" else "auto-generated", "Auto-Submitted"
            )
    return None


def _responder(headers: Headers) -> AutoSubmitted | None:
    for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply-From"):
        if headers.get(name).lower() not in {"", "no"}:
            return AutoSubmitted("auto-replied", name)
    if headers.get("precedence").strip().lower() in {"auto_reply", "auto-reply"}:
        return AutoSubmitted("auto-replied", "Precedence")
    return None


def _list_or_bulk(headers: Headers) -> AutoSubmitted | None:
    precedence = headers.get("precedence").strip().lower()
    if "list-id" in headers:
        return AutoSubmitted("list", "List-Id")
    if "list-post" in headers:
        return AutoSubmitted("list", "List-Post")
    if precedence == "list":
        return AutoSubmitted("list", "Precedence")
    if precedence in {"bulk", "junk"}:
        return AutoSubmitted("bulk", "Precedence")
    if "list-unsubscribe" in headers:
        return AutoSubmitted("bulk", "List-Unsubscribe")
    if headers.get("x-auto-response-suppress").strip().lower() not in {"", "none"}:
        return AutoSubmitted("auto-generated", "X-Auto-Response-Suppress")
    return None
