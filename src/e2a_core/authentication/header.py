"""Writes the Authentication-Results header field (RFC 8601)."""

from __future__ import annotations

import re

from e2a_core.authentication.evidence import AuthenticationEvidence
from e2a_core.authentication.names import printable

__all__ = ["authentication_results"]

PREFERRED_LINE_OCTETS = 78
"""RFC 5322, section 2.1.1. A single property may exceed it, but stays far below the limit of 998."""
MAX_VALUE_CHARACTERS = 320
"""The length of the longest mail address; longer values are cut."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+\Z")


def authentication_results(evidence: AuthenticationEvidence, authserv_id: str) -> str:
    """The body of the field, to follow `Authentication-Results: `; folded with CRLF and a space.

    Values come from the sender, so they are reduced to printable ASCII, and quoted unless they are tokens.
    """
    spf_property = "smtp.mailfrom" if evidence.spf.identity == "mailfrom" else "smtp.helo"
    results = [_result("spf", evidence.spf.status, (spf_property, evidence.spf.domain))]
    results += [
        _result(
            "dkim",
            item.status,
            ("header.d", item.domain),
            ("header.s", item.selector),
            ("header.a", item.algorithm),
            ("header.b", item.signature_prefix),
        )
        for item in evidence.dkim
    ] or [["dkim=none"]]
    dmarc = evidence.dmarc
    results.append(
        _result("dmarc", dmarc.status, ("header.from", dmarc.domain), ("policy.dmarc", dmarc.policy))
    )
    if evidence.arc.status != "none":
        results.append(_result("arc", evidence.arc.status))
    return _folded(_value(authserv_id), results)


def _result(method: str, status: str, *properties: tuple[str, str | None]) -> list[str]:
    return [f"{method}={status}", *(f"{name}={_value(value)}" for name, value in properties if value)]


def _value(text: str) -> str:
    clean = printable(text, MAX_VALUE_CHARACTERS)
    if _TOKEN.match(clean):
        return clean
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _folded(authserv_id: str, results: list[list[str]]) -> str:
    """One line per method; lines that would be too long are folded between properties."""
    lines = [authserv_id]
    for words in results:
        lines[-1] += ";"
        line = f" {words[0]}"
        for word in words[1:]:
            if len(line) + 1 + len(word) >= PREFERRED_LINE_OCTETS:
                lines.append(line)
                line = " "
            line += f" {word}"
        lines.append(line)
    return "\r\n".join(lines)
